/** The curve of a learning-rate trial, as a self-contained SVG file. */

import type { RatePoint, RateSuggestions } from "../train/lr-find.ts";
import { significant } from "./format.ts";
import { html, raw } from "./markup.ts";
import { chartStyle } from "./style.ts";
import { lineChart, rangeOf } from "./svg.ts";

const [width, height, top] = [640, 360, 44] as const;

/** A rate in the usual notation: `3e-4`, or `0.03` from 0.01 on. */
export const shownRate = (rate: number): string =>
  rate >= 0.01 || rate === 0 ? significant(rate, 2) : rate.toExponential(1).replace(".0e", "e");

/** @param suggestions rates read from the curve, if any */
export function rateChart(title: string, points: readonly RatePoint[], suggestions?: RateSuggestions): string {
  const [low, high] = rangeOf(points.map(({ smoothed }) => smoothed));
  // The explosion at the end would flatten the fall, which is what matters.
  const first = points[0]?.smoothed ?? high;
  const most = Math.min(high, first + 0.5 * (first - low) + 1e-9);
  const range = [low, Math.max(most, low + 1e-6)] as const;
  const curve = (value: (point: RatePoint) => number) =>
    points.map((point) => {
      const y = value(point);
      return [Math.log10(point.rate), y <= range[1] && y >= range[0] ? y : Number.NaN] as const;
    });
  const marks = Object.entries(suggestions ?? {}).map(([name, rate]: [string, number]) => ({
    name: `${name}: ${shownRate(rate)}`,
    className: name === "valley" ? "line-train" : "line-mean",
    points: range.map((y) => [Math.log10(rate), y] as const),
  }));
  const chart = lineChart({
    description: title,
    width,
    height: height - top,
    x: { label: "learning rate", format: (x) => shownRate(10 ** x), ticks: 8, whole: true },
    y: { label: "loss", range },
    series: [
      { name: "loss of each batch", className: "line-raw", points: curve(({ loss }) => loss) },
      ...marks,
      { name: "running mean of the loss", className: "line-validation", points: curve(({ smoothed }) => smoothed) },
    ],
  });
  const found = marks.map(({ name }) => name).join(", ");
  const size = `width="${width}" height="${height - top}"`;
  const inner = raw(chart.text.replace(/<svg [^>]*>/, `<svg class="chart" y="${top}" ${size}>`));
  const document = html`<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">
<style>
${raw(chartStyle)}
.line-raw { --line: var(--rule) }
text { font-family: system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; fill: var(--ink) }
</style>
<rect width="100%" height="100%" fill="var(--paper)"/>
<text x="12" y="20" font-size="14" font-weight="600">${title}</text>
<text x="12" y="37" font-size="12">${found === "" ? "the loss, and its running mean" : found}</text>
${inner}
</svg>
`;
  return document.text;
}
