/** The page of an evaluation: errors, confusion matrices and worst mistakes of networks. */

import { confusionMatrix } from "./confusion.ts";
import type { ReportSample } from "./data.ts";
import { count, percent } from "./format.ts";
import { html, type Markup } from "./markup.ts";
import { page } from "./page.ts";
import { sampleGroups } from "./samples.ts";

/** What the page shows about one network. */
export interface EvaluatedNetwork {
  /** Name of its weights. */
  readonly weights: string;
  readonly model: string;
  readonly classes: readonly string[];
  readonly images: number;
  /** Percent. */
  readonly top1Error: number;
  /** `null` below six classes. */
  readonly top5Error: number | null;
  /** `confusion[label · classes + predicted]` counts pictures. */
  readonly confusion: ArrayLike<number>;
  /** The pictures with the most confident wrong answers. */
  readonly worst: readonly ReportSample[];
}

export function renderEvaluation(data: string, networks: readonly EvaluatedNetwork[]): string {
  return page({ kind: "evaluation", title: data, body: html`${networks.map(section)}` });
}

function section(network: EvaluatedNetwork): Markup {
  const { weights, model, classes, images, top1Error, top5Error, worst } = network;
  const tiles = [
    ["Top-1 error", percent(top1Error / 100, 2)],
    ...(top5Error === null ? [] : [["Top-5 error", percent(top5Error / 100, 2)]]),
    ["Pictures", count(images)],
    ["Classes", count(classes.length)],
  ] as const;
  return html`<section>
<h2>${weights}</h2>
<p class="note">${model}</p>
<dl class="tiles">
${tiles.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>\n`)}</dl>
<h3>Which class was taken for which</h3>
${confusionMatrix({ ...network, measuredImages: images })}
${sampleGroups({ classes, samples: [{ title: "Worst mistakes: the right class is furthest down", samples: worst }] })}
</section>
`;
}
