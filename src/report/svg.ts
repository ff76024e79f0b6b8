/** Charts as SVG text: plain functions from numbers to markup. Colours and fonts come from the page's style sheet. */

import { significant } from "./format.ts";
import { html, type Markup } from "./markup.ts";

export interface Series {
  readonly name: string;
  /** The line's class in the style sheet (`line-3`). */
  readonly className: string;
  /** Points from left to right; NaN as y interrupts the line. */
  readonly points: readonly (readonly [x: number, y: number])[];
  /** Mark each point, with a tooltip; for lines with few points. */
  readonly dots?: boolean;
}

export interface Axis {
  readonly label: string;
  /** Default: the range of the points, for y extended to the next ticks. */
  readonly range?: readonly [number, number];
  /** Approximate number of ticks. */
  readonly ticks?: number;
  /** Whether only whole numbers make sense (epochs, channels). */
  readonly whole?: boolean;
  readonly format?: (value: number) => string;
}

export interface LineChart {
  /** Text alternative for the chart. */
  readonly description: string;
  readonly width: number;
  readonly height: number;
  readonly x: Axis;
  readonly y: Axis;
  /** Drawn in this order, the last on top. */
  readonly series: readonly Series[];
}

/** Whether a range is practically a point: steps within it would be lost in rounding. */
const isPoint = (low: number, high: number): boolean => !(high - low > 1e-9 * Math.max(Math.abs(low), Math.abs(high)));

/** About `count` round numbers in `low … high`, with steps of 1, 2 or 5 times a power of ten. */
export function niceTicks(low: number, high: number, count: number, whole = false): number[] {
  if (isPoint(low, high)) return [low];
  const rough = (high - low) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const factor = [1, 2, 5, 10].find((f) => f * power >= rough * 0.999) ?? 10;
  const step = whole ? Math.max(1, Math.round(factor * power)) : factor * power;
  const ticks: number[] = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) ticks.push(i * step);
  return ticks;
}

/** The smallest range with all finite values; `[0, 1]` if there are none. */
export function rangeOf(values: Iterable<number>): [number, number] {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return low <= high ? [low, high] : [0, 1];
}

/** Lines over a grid, with a labelled tick for each grid line. */
export function lineChart(chart: LineChart): Markup {
  const { width, height, series } = chart;
  const box = { left: 40, right: width - 8, top: 10, bottom: height - 34 };
  const all = series.flatMap((s) => s.points);
  const [x0, x1] = chart.x.range ?? rangeOf(all.map(([x]) => x));
  const [y0, y1] = chart.y.range ?? widened(rangeOf(all.map(([, y]) => y)), chart.y.ticks ?? 5);
  const toX = (x: number) => box.left + ((x - x0) / (x1 - x0 || 1)) * (box.right - box.left);
  const toY = (y: number) => box.bottom - ((y - y0) / (y1 - y0 || 1)) * (box.bottom - box.top);
  const formatX = chart.x.format ?? plain;
  const formatY = chart.y.format ?? plain;

  const rows = niceTicks(y0, y1, chart.y.ticks ?? 5, chart.y.whole).map(
    (y) => html`<path class="grid" d="M${box.left} ${px(toY(y))}H${box.right}"/>
<text x="${box.left - 6}" y="${px(toY(y) + 3.5)}" text-anchor="end">${formatY(y)}</text>`,
  );
  const columns = niceTicks(x0, x1, chart.x.ticks ?? 6, chart.x.whole).map(
    (x) => html`<path class="tick" d="M${px(toX(x))} ${box.bottom}v4"/>
<text x="${px(toX(x))}" y="${box.bottom + 15}" text-anchor="middle">${formatX(x)}</text>`,
  );
  const lines = series.map(({ name, className, points, dots }) => {
    const marks = points
      .filter(([, y]) => Number.isFinite(y))
      .map(
        ([x, y]) =>
          html`<circle cx="${px(toX(x))}" cy="${px(toY(y))}" r="2.6"><title>${name}, ${chart.x.label} ${formatX(x)}: ${formatY(y)}</title></circle>`,
      );
    return html`<g class="line ${className}"><path d="${path(points, toX, toY)}"><title>${name}</title></path>${dots ? marks : undefined}</g>`;
  });
  return html`<svg class="chart" viewBox="0 0 ${width} ${height}" role="img" aria-label="${chart.description}">
${rows}
<path class="axis" d="M${box.left} ${box.bottom}H${box.right}"/>
${columns}
<text class="name" x="${px((box.left + box.right) / 2)}" y="${height - 4}" text-anchor="middle">${chart.x.label}</text>
${lines}
</svg>`;
}

/** The `d` attribute of a line through the points, with gaps at NaN. */
function path(points: Series["points"], toX: (x: number) => number, toY: (y: number) => number): string {
  let text = "";
  let pen = false;
  for (const [x, y] of points) {
    if (Number.isFinite(y)) text += `${pen ? "L" : "M"}${px(toX(x))} ${px(toY(y))}`;
    pen = Number.isFinite(y);
  }
  return text;
}

/** The range extended to whole ticks, so that the topmost grid line is above every point. */
function widened([low, high]: readonly [number, number], count: number): [number, number] {
  if (isPoint(low, high)) return [low - 0.5, high + 0.5];
  const ticks = niceTicks(low, high, count);
  const step = ticks.length > 1 ? ticks[1]! - ticks[0]! : high - low;
  return [Math.floor(low / step + 1e-9) * step, Math.ceil(high / step - 1e-9) * step];
}

/** Rounds a coordinate to a tenth of a pixel. */
const px = (value: number): number => Math.round(value * 10) / 10;

const plain = (value: number): string => significant(value, 4);
