/**
 * The report's section on gates: each SE block's gates, channel by channel, for each class's pictures. Like figures 6
 * and 7 of the paper (arXiv 1709.01507v4), which show four classes of ImageNet.
 */

import type { ReportData, ReportGate } from "./data.ts";
import { count, significant } from "./format.ts";
import { html, type Markup } from "./markup.ts";
import { lineChart, type Series } from "./svg.ts";

/** Number of line colours in the style sheet. */
export const mostLines = 12;

/** More points would exceed the chart's resolution. */
const mostPoints = 256;

/** Mean over the classes (`[channels]`), without classes that have no pictures. */
export function meanOverClasses({ channels, means }: ReportGate): Float64Array {
  const mean = new Float64Array(channels);
  for (let c = 0; c < channels; c++) {
    let sum = 0;
    let classes = 0;
    for (let i = c; i < means.length; i += channels) {
      if (!Number.isFinite(means[i]!)) continue;
      sum += means[i]!;
      classes++;
    }
    mean[c] = sum / classes;
  }
  return mean;
}

/** How much classes differ: standard deviation over the classes, averaged over the channels. */
export function spreadOverClasses(gate: ReportGate): number {
  const { channels, means } = gate;
  const mean = meanOverClasses(gate);
  let total = 0;
  for (let c = 0; c < channels; c++) {
    let sum = 0;
    let classes = 0;
    for (let i = c; i < means.length; i += channels) {
      if (!Number.isFinite(means[i]!)) continue;
      sum += (means[i]! - mean[c]!) ** 2;
      classes++;
    }
    total += Math.sqrt(sum / classes);
  }
  return total / channels;
}

type Shown = Pick<ReportData, "classes" | "gates" | "measuredImages">;

export function gateFigures({ classes, gates, measuredImages }: Shown): Markup {
  if (measuredImages === 0) return html`<p class="note">No pictures were checked.</p>`;
  if (gates.length === 0) return html`<p class="note">The network has no SE blocks.</p>`;
  // If there are more classes than colours, shows some, evenly spaced.
  const lines = Math.min(mostLines, classes.length);
  const labels = Array.from({ length: lines }, (_, i) => Math.floor((i * classes.length) / lines));
  const stages = [...new Set(gates.map((gate) => gate.stage))].sort((a, b) => a - b);
  return html`<p>The excitation of an SE block gives each channel a gate between 0 (closed) and 1 (open), by what the picture shows.
Each line is the mean gate over the validation pictures of one class, over the channels of the block. Where the lines lie on each
other, the block treats all classes alike; where they part, it has learnt which channels matter for which class.
In the paper early blocks are of the first kind and late ones of the second.</p>
<ul class="legend pick">${labels.map(
    (label, i) => html`<li class="line-${i}"><i></i>${classes[label]!}</li>`,
  )}<li class="line-mean"><i></i>mean of all classes</li></ul>
${labels.length < classes.length ? html`<p class="note">${labels.length} of ${count(classes.length)} classes have lines; the mean is over all.</p>` : undefined}
${stages.map(
  (stage) => html`<h3>Stage ${stage}</h3>
<div class="multiples">
${gates.filter((gate) => gate.stage === stage).map((gate) => figure(gate, labels, classes))}</div>
`,
)}`;
}

function figure(gate: ReportGate, labels: readonly number[], classes: readonly string[]): Markup {
  const { block, channels, means } = gate;
  const group = Math.ceil(channels / mostPoints);
  const mean = meanOverClasses(gate);
  const all = mean.reduce((a, b) => a + b, 0) / channels;
  const spread = spreadOverClasses(gate);
  const series: Series[] = labels.map((label, i) => ({
    name: classes[label]!,
    className: `line-${i}`,
    points: grouped((c) => means[label * channels + c]!, channels, group),
  }));
  series.push({
    name: "mean of all classes",
    className: "line-mean",
    points: grouped((c) => mean[c]!, channels, group),
  });
  const chart = lineChart({
    description: `Mean gate of each of the ${channels} channels of ${block}, a line for each class; mean ${significant(all, 2)}, spread between classes ${significant(spread, 2)}`,
    width: 330,
    height: 190,
    x: {
      label: group === 1 ? "channel" : `channel (mean of ${group})`,
      range: [0, channels - 1],
      whole: true,
      ticks: 5,
    },
    y: { label: "gate", range: [0, 1], ticks: 4 },
    series,
  });
  return html`<figure>
<figcaption><code>${block}</code> <span>mean ${all.toFixed(2)}, classes differ by ±${significant(spread, 2)}</span></figcaption>
${chart}
</figure>
`;
}

/** Points over the channels, each the mean of `size` neighbours. */
function grouped(value: (channel: number) => number, channels: number, size: number): [number, number][] {
  const result: [number, number][] = [];
  for (let start = 0; start < channels; start += size) {
    const end = Math.min(channels, start + size);
    let sum = 0;
    for (let c = start; c < end; c++) sum += value(c);
    result.push([(start + end - 1) / 2, sum / (end - start)]);
  }
  return result;
}
