/** The section on the course of the training: loss, accuracy and learning rate over the epochs. */

import type { ReportData, ReportEpoch } from "./data.ts";
import { percent, significant } from "./format.ts";
import { html, type Markup } from "./markup.ts";
import { type Axis, lineChart, type Series } from "./svg.ts";

export function curves({ epochs }: ReportData): Markup {
  if (epochs.length === 0) return html`<p class="note">No epoch was finished.</p>`;
  const series = (name: string, className: string, value: (row: ReportEpoch) => number): Series => ({
    name,
    className,
    points: epochs.map((row) => [row.epoch, value(row)]),
    dots: epochs.length <= 60,
  });
  const chart = (title: string, description: string, y: Omit<Axis, "label">, lines: readonly Series[]): Markup =>
    html`<figure>
<figcaption>${title}</figcaption>
${lineChart({ description, width: 460, height: 270, x: { label: "epoch", whole: true }, y: { label: title, ...y }, series: lines })}
</figure>`;

  return html`<ul class="legend"><li class="line-train"><i></i>training</li><li class="line-validation"><i></i>validation</li></ul>
<div class="pair">
${chart("Loss", `Loss over the epochs; the last: ${lossOf(epochs.at(-1)!)}`, {}, [
  series("training loss", "line-train", (row) => row.trainLoss),
  series("validation loss", "line-validation", (row) => row.validationLoss),
])}
${chart("Top-1 accuracy, %", `Top-1 accuracy over the epochs; the last: ${accuracyOf(epochs.at(-1)!)}`, {}, [
  series("training accuracy", "line-train", (row) => 100 - row.trainTop1Error),
  series("validation accuracy", "line-validation", (row) => 100 - row.validationTop1Error),
])}
</div>
<div class="pair">
${chart(
  "Learning rate",
  `Learning rate over the epochs; the last: ${significant(epochs.at(-1)!.learningRate, 3)}`,
  {},
  [series("learning rate", "line-train", (row) => row.learningRate)],
)}
${chart(
  "Pictures a second",
  `Pictures trained on a second; the last: ${significant(epochs.at(-1)!.imagesPerSecond, 3)}`,
  {},
  [series("pictures a second", "line-train", (row) => row.imagesPerSecond)],
)}
</div>
<p class="note">Training values are of pictures cropped and mirrored at random, by weights that still moved within the epoch;
validation values are of whole pictures, by the weights at its end.</p>
<details><summary>All ${epochs.length} epochs as a table</summary>
<div class="scroll"><table class="numbers">
<thead><tr>${["epoch", "learning rate", "training loss", "training top-1", "validation loss", "validation top-1", "seconds", "pictures a second"].map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
<tbody>
${epochs.map(
  (row) => html`<tr><th scope="row">${row.epoch}</th><td>${significant(row.learningRate, 3)}</td>
<td>${fixed(row.trainLoss)}</td><td>${accuracy(row.trainTop1Error)}</td>
<td>${fixed(row.validationLoss)}</td><td>${accuracy(row.validationTop1Error)}</td><td>${row.seconds.toFixed(1)}</td><td>${significant(row.imagesPerSecond, 3)}</td></tr>
`,
)}</tbody></table></div></details>`;
}

const fixed = (value: number): string => (Number.isFinite(value) ? value.toFixed(4) : "n/a");
const accuracy = (error: number): string => percent(1 - error / 100, 2);
const lossOf = (row: ReportEpoch): string =>
  `training ${fixed(row.trainLoss)}, validation ${fixed(row.validationLoss)}`;
const accuracyOf = (row: ReportEpoch): string =>
  `training ${accuracy(row.trainTop1Error)}, validation ${accuracy(row.validationTop1Error)}`;
