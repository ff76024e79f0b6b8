/** The section of classified pictures, each with its three likeliest classes. */

import type { ReportData, ReportSample } from "./data.ts";
import { percent } from "./format.ts";
import { html, type Markup } from "./markup.ts";

/** What the choice of pictures goes by; `Evaluation.predictions` fits. */
export interface Classified {
  readonly label: number;
  readonly top: readonly { readonly index: number; readonly probability: number }[];
}

/**
 * The pictures worth a look: errors, the surest first (up to half of `most`), then right answers, the least sure first
 * (a quarter of `most`), then the surest right answers.
 */
export function chooseSamples<T extends Classified>(predictions: readonly T[], most: number): T[] {
  const sureness = (p: T): number => p.top[0]?.probability ?? 0;
  const isRight = (p: T): boolean => p.top[0]?.index === p.label;
  const wrong = predictions.filter((p) => !isRight(p)).sort((a, b) => sureness(b) - sureness(a));
  const right = predictions.filter(isRight).sort((a, b) => sureness(a) - sureness(b));
  const errors = wrong.slice(0, Math.ceil(most / 2));
  const unsure = right.slice(0, Math.min(Math.ceil(most / 4), most - errors.length));
  const rest = right.slice(unsure.length).reverse();
  return [...errors, ...unsure, ...rest.slice(0, most - errors.length - unsure.length)];
}

export function sampleGroups({ classes, samples }: ReportData): Markup {
  const groups = samples.filter((group) => group.samples.length > 0);
  if (groups.length === 0) return html`<p class="note">No pictures were kept.</p>`;
  return html`${groups.map(
    (group) => html`<h3>${group.title}</h3>
<ul class="samples">
${group.samples.map((sample) => card(sample, classes))}</ul>
`,
  )}`;
}

function card({ file, image, mediaType, label, top }: ReportSample, classes: readonly string[]): Markup {
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
<img src="data:${mediaType};base64,${image}" alt="${alternative}" width="104" height="104">
<div><p class="verdict">${headline}</p>
<ol>${top
    .slice(0, 3)
    .map(
      ({ index, probability }) =>
        html`<li${index === label ? html` class="truth"` : undefined} style="--share:${probability.toFixed(4)}"><span>${nameOf(index)}</span><span>${percent(probability)}</span></li>`,
    )}</ol>
<p class="file">${file}</p></div></li>
`;
}
