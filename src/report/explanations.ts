/** The page of explanations: each picture with its heat map and its unusual gates. */

import type { ComparedGates, UnusualGate } from "../explain/compared-gates.ts";
import type { Explanation } from "../explain/explainer.ts";
import { percent } from "./format.ts";
import type { Thumbnails } from "./health.ts";
import { html, type Markup } from "./markup.ts";
import { page } from "./page.ts";
import { lineChart } from "./svg.ts";

export interface ExplainedPicture {
  readonly explanation: Omit<Explanation, "heat" | "input">;
  /** The picture next to itself with its heat map, as PNG in base64. */
  readonly strip: string;
  /** Gates compared with the class's means, if pictures of the classes are given. */
  readonly gates: readonly ComparedGates[];
}

export interface ExplanationsPage {
  readonly title: string;
  readonly pictures: readonly ExplainedPicture[];
  /** Files of the data set with which gates are compared. */
  readonly files: readonly string[];
  readonly thumbnails: Thumbnails;
}

/** Side of the thumbnails of pictures that open a channel, in the page's pixels. */
export const openerSide = 40;

/** Data set indices of the pictures of which the page needs thumbnails. */
export const shownOpeners = (gates: readonly ComparedGates[]): readonly number[] =>
  gates.flatMap(({ opened, closed }) => [...opened, ...closed].flatMap(({ openers }) => openers));

export function renderExplanations(shown: ExplanationsPage): string {
  const body = html`<p>What is bright speaks for the class, what is dark does not.</p>
${shown.pictures.map((picture) => section(picture, shown))}`;
  return page({ kind: "explanations", title: shown.title, body });
}

function section({ explanation, strip, gates }: ExplainedPicture, { files, thumbnails }: ExplanationsPage): Markup {
  const { file, predictions, target } = explanation;
  return html`<section>
<h2>${file}</h2>
<figure>
<img src="data:image/png;base64,${strip}" alt="${file}, and what in it speaks for ${target.label}" style="max-width: 100%">
<figcaption>what speaks for <b>${target.label}</b> (${percent(target.probability)})</figcaption>
</figure>
<table>
<thead><tr><th>class</th><th>probability</th></tr></thead>
<tbody>${predictions.map(
    ({ label, probability }) => html`<tr><td>${label}</td><td>${percent(probability)}</td></tr>
`,
  )}</tbody>
</table>
${
  gates.length === 0
    ? undefined
    : html`<h3>Gates against the mean of ${target.label}</h3>
<div class="multiples">
${gates.map((block) => gateFigure(block, files, thumbnails))}</div>
`
}</section>
`;
}

/**
 * A figure of a block's gates, sorted by the class's means (or by the gates themselves, if there are no means), so that
 * deviations stand out.
 */
export function gateFigure(
  block: ComparedGates,
  files: readonly string[] = [],
  thumbnails: Thumbnails = new Map(),
): Markup {
  const { gates, means, channels } = block;
  const sorted = Number.isNaN(means[0]) ? gates : means;
  const order = Array.from({ length: channels }, (_, i) => i).sort((a, b) => sorted[a]! - sorted[b]!);
  const chart = lineChart({
    description: `Gates of the ${channels} channels of ${block.block} for this picture, and their means over the class`,
    width: 330,
    height: 190,
    x: {
      label: sorted === means ? "channel, by the class's mean" : "channel, by its gate",
      range: [0, channels - 1],
      whole: true,
      ticks: 5,
    },
    y: { label: "gate", range: [0, 1], ticks: 4 },
    series: [
      { name: "this picture", className: "line-0", points: order.map((channel, x) => [x, gates[channel]!] as const) },
      {
        name: "mean of the class",
        className: "line-mean",
        points: order.map((channel, x) => [x, means[channel]!] as const),
      },
    ],
  });
  const told = (word: string, unusual: readonly UnusualGate[]) =>
    unusual.map(
      ({
        channel,
        gate,
        mean,
        openers,
      }) => html`<p class="note">${word} channel ${channel}: ${gate.toFixed(2)}, mean ${mean.toFixed(2)}${
        openers.length === 0
          ? undefined
          : html`; open most for
${openers.map((sample) => opener(files[sample]!, thumbnails))}`
      }</p>
`,
    );
  return html`<figure>
<figcaption><code>${block.block}</code></figcaption>
${chart}
${told("opens", block.opened)}${told("closes", block.closed)}</figure>
`;
}

function opener(file: string, thumbnails: Thumbnails): Markup {
  const image = thumbnails.get(file);
  if (image === undefined) return html`${file} `;
  return html`<img src="data:image/jpeg;base64,${image}" alt="${file}" title="${file}" width="${openerSide}" height="${openerSide}"> `;
}
