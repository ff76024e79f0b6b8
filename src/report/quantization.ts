/** The page of a quantisation: what a network lost in eight bits, layer by layer. */

import type { LayerRow } from "../quantize/budget.ts";
import { count, percent, significant } from "./format.ts";
import { html, type Markup } from "./markup.ts";
import { page } from "./page.ts";

export interface QuantizationReport {
  /** Name of the file written. */
  readonly name: string;
  readonly model: string;
  /** Method by which ranges of activations were chosen, and number of pictures. */
  readonly method: string;
  readonly images: number;
  /** Top-1 errors in percent, in float32 and in eight bits, and number of pictures. */
  readonly float: number;
  readonly int8: number;
  readonly checked: number;
  readonly rows: readonly LayerRow[];
}

export function renderQuantization(report: QuantizationReport): string {
  const { name, model, method, images, float, int8, checked, rows } = report;
  const all = rows.reduce((sum, { weights }) => sum + weights, 0);
  const inBits = rows.filter(({ isFloat }) => !isFloat);
  const share = inBits.reduce((sum, { weights }) => sum + weights, 0) / Math.max(1, all);
  const error = (value: number) => percent(value / 100, 2);
  const tiles: readonly (readonly [string, string, string])[] = [
    ["Top-1 error", error(int8), `${error(float)} in float32`],
    ["Lost", `${(int8 - float).toFixed(2)} points`, `on ${count(checked)} pictures`],
    ["Layers in eight bits", `${inBits.length} of ${rows.length}`, `${percent(share)} of the weights`],
    ["Ranges of activations", method, `by ${count(images)} pictures`],
  ];
  const body = html`<dl class="tiles">
${tiles.map(([term, value, note]) => html`<div><dt>${term}</dt><dd>${value}</dd><dd>${note}</dd></div>\n`)}</dl>
<section id="layers">
<h2>Layer by layer</h2>
<p>What the network's answers lose where this layer alone is in eight bits: the mean divergence from those in float32 (Kullback and
Leibler), in thousandths of a nat. Layers that lose most are the first to stay in float32.</p>
${layerTable(rows)}
</section>
`;
  return page({ kind: `${model} in eight bits`, title: name, body });
}

function layerTable(rows: QuantizationReport["rows"]): Markup {
  const most = Math.max(...rows.map(({ divergence }) => divergence), Number.MIN_VALUE);
  return html`<div class="scroll"><table class="numbers layers">
<thead><tr><th>layer</th><th>kind</th><th>weights</th><th>loses</th><th></th><th>computes in</th></tr></thead>
<tbody>
${rows.map(
  ({ name, op, weights, divergence, isFloat }) =>
    html`<tr><th>${name}</th><td>${op}</td><td>${count(weights)}</td><td>${significant(1000 * divergence, 3)}</td>
<td>${bar(divergence / most, isFloat)}</td><td>${isFloat ? "float32" : "int8"}</td></tr>\n`,
)}</tbody>
</table></div>`;
}

/** A bar whose length is the layer's loss relative to the worst one's. */
const bar = (share: number, isFloat: boolean): Markup =>
  html`<svg width="160" height="10" role="img" aria-label="${percent(share)} of the most"><rect class="${isFloat ? "kept" : "taken"}" width="${significant(160 * share, 4)}" height="10" rx="2"/></svg>`;
