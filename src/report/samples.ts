/** The report's section of classified pictures, each with its three most probable classes. */

import type { ReportData, ReportSample } from "./data.ts";
import { percent } from "./format.ts";
import { html, type Markup } from "./markup.ts";

/** The prediction by which pictures are chosen, compatible with `Evaluation.predictions`. */
export interface Classified {
  readonly label: number;
  readonly top: readonly { readonly index: number; readonly probability: number }[];
}

export interface SampleChoice<T> {
  readonly title: string;
  /** Whether to add heat maps. */
  readonly isExplained: boolean;
  readonly chosen: readonly T[];
}

/** Number of pictures per group. */
const most = { worst: 12, unsure: 6, sure: 6 };

/**
 * Chooses pictures worth a look: the most confident errors, which are the worst mistakes or wrong labels; the least
 * confident right answers; and the most confident ones.
 */
export function chooseSamples<T extends Classified>(predictions: readonly T[]): SampleChoice<T>[] {
  const sureness = (p: T): number => p.top[0]?.probability ?? 0;
  const isRight = (p: T): boolean => p.top[0]?.index === p.label;
  const wrong = predictions.filter((p) => !isRight(p)).sort((a, b) => sureness(b) - sureness(a));
  const right = predictions.filter(isRight).sort((a, b) => sureness(a) - sureness(b));
  const unsure = right.slice(0, most.unsure);
  return [
    { title: "Worst mistakes: wrong, and surest of it", isExplained: true, chosen: wrong.slice(0, most.worst) },
    { title: "Right, and least sure of it", isExplained: false, chosen: unsure },
    {
      title: "Right, and surest of it",
      isExplained: false,
      chosen: right.slice(unsure.length).reverse().slice(0, most.sure),
    },
  ];
}

export function sampleGroups({ classes, samples }: Pick<ReportData, "classes" | "samples">): Markup {
  const groups = samples.filter((group) => group.samples.length > 0);
  if (groups.length === 0) return html`<p class="note">No pictures were kept.</p>`;
  return html`${groups.map(
    (group) => html`<h3>${group.title}</h3>
${group.samples.some(({ map }) => map !== undefined) ? html`<p>Below each picture: what in it speaks for the answer (Grad-CAM), bright where it speaks most.</p>\n` : undefined}<ul class="samples">
${group.samples.map((sample) => card(sample, classes))}</ul>
`,
  )}`;
}

function card({ file, image, map, label, top }: ReportSample, classes: readonly string[]): Markup {
  const nameOf = (index: number): string => classes[index] ?? `class ${index}`;
  const first = top[0];
  const verdict = label === undefined || first === undefined ? "unknown" : first.index === label ? "right" : "wrong";
  const said = first === undefined ? "nothing" : nameOf(first.index);
  const headline = {
    unknown: html`<b>${said}</b>`,
    right: html`<b>${said}</b> <span class="mark">✓ right</span>`,
    wrong: html`<b>${label === undefined ? "" : nameOf(label)}</b> <span class="mark">✗ wrong</span>`,
  }[verdict];
  const alternative = `${file}: ${label === undefined ? "" : `shows ${nameOf(label)}, `}classified as ${said}`;
  return html`<li class="${verdict}">
${image === undefined ? undefined : html`<span>${shot(image, alternative)}${map === undefined ? undefined : shot(map, `what in it speaks for ${said}`)}</span>`}
<div><p class="verdict">${headline}</p>
<ol>${top
    .slice(0, 3)
    .map(
      ({ index, probability }) =>
        html`<li${index === label ? html` class="truth"` : undefined} style="--share:${Number.isNaN(probability) ? "0" : probability.toFixed(4)}"><span>${nameOf(index)}</span><span>${Number.isNaN(probability) ? undefined : percent(probability)}</span></li>`,
    )}</ol>
<p class="file">${file}</p></div></li>
`;
}

const shot = (image: string, alternative: string): Markup =>
  html`<img src="data:image/jpeg;base64,${image}" alt="${alternative}" width="104" height="104">`;
