/** The page of a preview: rows of pictures as a network will see them, and the augmentation steps. */

import { type AugmentationStep, augmentations } from "../images/augment/steps.ts";
import { plain } from "../text-output.ts";
import { html, type Markup } from "./markup.ts";
import { page } from "./page.ts";

/** A picture with its name and class. */
export interface PreviewedPicture {
  readonly sample: { readonly file: string };
  readonly className: string;
}

/** What is done to a picture, and to pairs of them. */
export interface PreviewedSteps {
  readonly steps: readonly AugmentationStep[];
  /** The alphas of mixup and CutMix; 0: not done. */
  readonly mixup: number;
  readonly cutmix: number;
}

/** @param strips for each row, its pictures side by side, as PNG in base64 */
export function renderPreview(
  data: string,
  { steps, mixup, cutmix }: PreviewedSteps,
  rows: readonly PreviewedPicture[],
  strips: readonly string[],
): string {
  const mixes = [
    ...(mixup > 0 ? [`mixup with an alpha of ${plain(mixup)}`] : []),
    ...(cutmix > 0 ? [`CutMix with an alpha of ${plain(cutmix)}`] : []),
  ];
  const body = html`<section>
<h2>Steps</h2>
<p>In this order, each drawn anew for each picture and epoch.</p>
<table>
<thead><tr><th>step</th><th>settings</th><th>what it does</th></tr></thead>
<tbody>${steps.map(stepRow)}</tbody>
</table>
${mixes.length === 0 ? undefined : html`<p>Then pictures are mixed in pairs, and their labels with them: ${mixes.join(", or ")}.</p>\n`}</section>
<section>
<h2>Pictures</h2>
<p>On the left the picture itself; beside it what the network will see of it, its numbers as colours.</p>
${rows.map((row, i) => pictureRow(row, strips[i]!))}</section>
`;
  return page({ kind: "augmentation", title: data, body });
}

function stepRow({ kind, ...settings }: AugmentationStep): Markup {
  const shown = Object.entries(settings).map(([name, value]) => `${name} ${JSON.stringify(value, rounded)}`);
  return html`<tr><td>${kind}</td><td>${shown.join(", ")}</td><td>${augmentations[kind].docs}</td></tr>
`;
}

const rounded = (_: string, value: unknown): unknown => (typeof value === "number" ? Number(plain(value, 4)) : value);

function pictureRow({ sample, className }: PreviewedPicture, strip: string): Markup {
  return html`<figure>
<img src="data:image/png;base64,${strip}" alt="${sample.file} and its variants" style="max-width: 100%">
<figcaption><b>${className}</b> ${sample.file}</figcaption>
</figure>
`;
}
