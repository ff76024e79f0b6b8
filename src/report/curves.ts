/** The report's section with curves of loss, accuracy and learning rate over the epochs. */

import type { ReportData, ReportEpoch } from "./data.ts";
import { percent, significant } from "./format.ts";
import { html, type Markup } from "./markup.ts";
import { type Axis, lineChart, type Series } from "./svg.ts";

/** A source of losses and accuracies: a line in both charts, and two columns of the table. */
interface Curve {
  readonly name: string;
  readonly className: string;
  /** Both are NaN in epochs without values. */
  readonly loss: (row: ReportEpoch) => number;
  /** In percent. */
  readonly error: (row: ReportEpoch) => number;
}

const everyRun: readonly Curve[] = [
  {
    name: "training",
    className: "line-train",
    loss: (row) => row.trainLoss,
    error: (row) => row.trainTop1Error,
  },
  {
    name: "validation",
    className: "line-validation",
    loss: (row) => row.validationLoss,
    error: (row) => row.validationTop1Error,
  },
];

/** For runs that keep a moving average of their weights. */
const average: Curve = {
  name: "average",
  className: "line-mean",
  loss: (row) => row.averageLoss ?? Number.NaN,
  error: (row) => row.averageTop1Error ?? Number.NaN,
};

export function curves({ epochs, loss }: ReportData): Markup {
  if (epochs.length === 0) return html`<p class="note">No epoch was finished.</p>`;
  const hasAverage = epochs.some(({ averageTop1Error }) => averageTop1Error !== undefined);
  const shown = hasAverage ? [...everyRun, average] : everyRun;
  const series = (name: string, className: string, value: (row: ReportEpoch) => number): Series => ({
    name,
    className,
    points: epochs.map((row) => [row.epoch, value(row)]),
    dots: epochs.length <= 60,
  });
  const chart = (title: string, description: string, y: Omit<Axis, "label">, lines: readonly Series[]): Markup =>
    html`<figure>
<figcaption>${title}</figcaption>
${lineChart({ description, width: 460, height: 270, x: { label: "epoch", whole: true }, y: { label: title.split(":")[0]!, ...y }, series: lines })}
</figure>`;
  const last = epochs.at(-1)!;
  const told = (value: (curve: Curve) => string): string =>
    shown.map((curve) => `${curve.name} ${value(curve)}`).join(", ");
  const columns = ["learning rate", ...shown.flatMap(({ name }) => [`${name} loss`, `${name} top-1`])];

  return html`<ul class="legend">${shown.map(({ name, className }) => html`<li class="${className}"><i></i>${name}</li>`)}</ul>
<div class="pair">
${chart(
  `Loss: ${loss.name}`,
  `Loss (${loss.name}) over the epochs; the last: ${told(({ loss }) => fixed(loss(last)))}`,
  {},
  shown.map(({ name, className, loss }) => series(`${name} loss`, className, loss)),
)}
${chart(
  "Top-1 accuracy, %",
  `Top-1 accuracy over the epochs; the last: ${told(({ error }) => accuracy(error(last)))}`,
  {},
  shown.map(({ name, className, error }) => series(`${name} accuracy`, className, (row) => 100 - error(row))),
)}
</div>
<div class="pair">
${chart("Learning rate", `Learning rate over the epochs; the last: ${significant(last.learningRate, 3)}`, {}, [
  series("learning rate", "line-train", (row) => row.learningRate),
])}
${chart("Pictures a second", `Pictures trained on a second; the last: ${significant(last.imagesPerSecond, 3)}`, {}, [
  series("pictures a second", "line-train", (row) => row.imagesPerSecond),
])}
</div>
<p class="note">Training values are of pictures cropped and mirrored at random, by weights that still moved within the epoch;
validation values are of whole pictures, by the weights at its end.${
    loss.besides.length === 0
      ? ""
      : ` The training loss also contains ${loss.besides.join(" and ")}, the validation loss does not.`
  }${hasAverage ? " Those of the average are by the moving average of the weights, of which the best is kept." : ""}</p>
<details><summary>All ${epochs.length} epochs as a table</summary>
<div class="scroll"><table class="numbers">
<thead><tr>${["epoch", ...columns, "seconds", "pictures a second"].map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
<tbody>
${epochs.map(
  (row) => html`<tr><th scope="row">${row.epoch}</th><td>${significant(row.learningRate, 3)}</td>
${shown.map(({ loss, error }) => html`<td>${fixed(loss(row))}</td><td>${accuracy(error(row))}</td>\n`)}<td>${row.seconds.toFixed(1)}</td><td>${significant(row.imagesPerSecond, 3)}</td></tr>
`,
)}</tbody></table></div></details>`;
}

const fixed = (value: number): string => (Number.isFinite(value) ? value.toFixed(4) : "n/a");
const accuracy = (error: number): string => percent(1 - error / 100, 2);
