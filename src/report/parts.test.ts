import assert from "node:assert/strict";
import { test } from "node:test";
import { mistakes } from "./confusion.ts";
import { duration, percent, short, significant } from "./format.ts";
import { gateFigures, meanOverClasses, spreadOverClasses } from "./gates.ts";
import { html, raw } from "./markup.ts";
import { chooseSamples } from "./samples.ts";
import { lineChart, niceTicks, rangeOf } from "./svg.ts";

test("a template escapes text and keeps markup", () => {
  const list = ["a<b", html`<i>${"&"}</i>`, 3, undefined];
  assert.equal(html`<p title="${`"'`}">${list}</p>`.text, `<p title="&quot;&#39;">a&lt;b<i>&amp;</i>3</p>`);
  assert.equal(html`${raw("<br>")}`.text, "<br>");
});

test("numbers read well", () => {
  assert.deepEqual([short(950), short(272_474), short(999_600), short(3.87e9)], ["950", "272 k", "1 M", "3.87 G"]);
  assert.deepEqual(
    [duration(9.04), duration(59.6), duration(185), duration(7439)],
    ["9.0 s", "1 min 00 s", "3 min 05 s", "2 h 04 min"],
  );
  assert.deepEqual(
    [significant(0.00012345, 3), significant(1234.5, 2), significant(0.5, 4)],
    ["0.000123", "1235", "0.5"],
  );
  assert.deepEqual([percent(0.97222, 2), percent(Number.NaN)], ["97.22 %", "n/a"]);
});

test("ticks are round and inside the range", () => {
  assert.deepEqual(
    niceTicks(0, 1, 5).map((x) => x.toFixed(1)),
    ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"],
  );
  assert.deepEqual(niceTicks(1, 12, 6, true), [2, 4, 6, 8, 10, 12]);
  assert.deepEqual(niceTicks(1, 3, 6, true), [1, 2, 3]);
  assert.deepEqual(niceTicks(5, 5, 4), [5]);
  assert.deepEqual(
    niceTicks(-0.3, 0.3, 3).map((x) => x.toFixed(1)),
    ["-0.2", "0.0", "0.2"],
  );
  assert.deepEqual(rangeOf([Number.NaN, 3, -1, Number.POSITIVE_INFINITY]), [-1, 3]);
});

test("a line runs from corner to corner and breaks where a value is missing", () => {
  const chart = lineChart({
    description: "a line",
    width: 148,
    height: 144,
    x: { label: "x", range: [0, 4] },
    y: { label: "y", range: [0, 1] },
    series: [
      {
        name: "s",
        className: "line-0",
        points: [
          [0, 0],
          [1, 0.5],
          [2, Number.NaN],
          [4, 1],
        ],
      },
    ],
  });
  assert.match(chart.text, /<path d="M40 110L65 60M140 10">/);
});

test("means and spreads leave out classes without pictures", () => {
  const gate = { block: "b", stage: 1, channels: 2, means: [0.2, 0.5, 0.6, 0.5, Number.NaN, Number.NaN] };
  assert.deepEqual(
    [...meanOverClasses(gate)].map((x) => x.toFixed(6)),
    ["0.400000", "0.500000"],
  );
  assert.ok(Math.abs(spreadOverClasses(gate) - 0.1) < 1e-12);
});

test("a block with many channels is drawn in groups", () => {
  const gate = { block: "layer4.0.se", stage: 4, channels: 2048, means: new Float32Array(2048).fill(0.25) };
  const { text } = gateFigures({ measuredImages: 1, classes: ["one"], gates: [gate] });
  assert.match(text, /channel \(mean of 8\)/);
  assert.equal(text.match(/class="line line-0"><path d="([^"]*)"/)![1]!.split("L").length, 256);
});

test("mistakes are listed by how common they are", () => {
  assert.deepEqual(mistakes({ classes: ["a", "b"], confusion: [5, 1, 3, 9] }), [
    { label: 1, predicted: 0, images: 3 },
    { label: 0, predicted: 1, images: 1 },
  ]);
});

test("samples: the surest errors, the least sure right answers, then the surest", () => {
  const said = (label: number, index: number, probability: number) => ({ label, top: [{ index, probability }] });
  const all = [
    said(0, 0, 0.9),
    said(0, 1, 0.4),
    said(1, 1, 0.5),
    said(1, 0, 0.8),
    said(2, 0, 0.6),
    said(2, 2, 0.7),
    said(2, 2, 0.99),
  ];
  const shares = (predictions: typeof all) =>
    chooseSamples(predictions).map(({ chosen }) => chosen.map((p) => p.top[0]!.probability));
  assert.deepEqual(shares(all), [[0.8, 0.6, 0.4], [0.5, 0.7, 0.9, 0.99], []]);
  const many = Array.from({ length: 40 }, (_, i) => said(0, i % 2, (i + 1) / 100));
  const [worst, unsure, sure] = shares(many);
  assert.deepEqual(worst, [0.4, 0.38, 0.36, 0.34, 0.32, 0.3, 0.28, 0.26, 0.24, 0.22, 0.2, 0.18]);
  assert.deepEqual(unsure, [0.01, 0.03, 0.05, 0.07, 0.09, 0.11]);
  assert.deepEqual(sure, [0.39, 0.37, 0.35, 0.33, 0.31, 0.29]);
  assert.deepEqual(shares([]), [[], [], []]);
});

test("a range that is hardly more than a point has one tick, and a chart of it ends", () => {
  const [low, high] = [1.0986, 1.0986 + 4e-16];
  assert.ok(high > low);
  assert.deepEqual(niceTicks(low, high, 5), [low]);
  const points = [
    [1, low],
    [2, high],
  ] as const;
  const chart = lineChart({
    ...{ description: "flat", width: 100, height: 100, x: { label: "epoch" }, y: { label: "loss" } },
    series: [{ name: "loss", className: "line-train", points }],
  });
  assert.doesNotMatch(chart.text, /NaN|Infinity/);
});
