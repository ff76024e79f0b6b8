import assert from "node:assert/strict";
import { test } from "node:test";
import { suggestRates } from "../train/lr-find.ts";
import { rateChart, shownRate } from "./rates.ts";

const points = Array.from({ length: 61 }, (_, i) => {
  const smoothed = i < 20 ? 2 : i <= 40 ? 2 - 0.05 * (i - 20) : 1 + 0.2 * (i - 40);
  return { rate: 10 ** (-6 + i / 10), loss: smoothed + (i % 2 === 0 ? 0.05 : -0.05), smoothed };
});

test("rates are shown as they are usually written", () => {
  assert.deepEqual([1e-7, 3e-4, 2.5e-3, 0.03, 0.1, 1, 10].map(shownRate), [
    "1e-7",
    "3e-4",
    "2.5e-3",
    "0.03",
    "0.1",
    "1",
    "10",
  ]);
});

test("the curve is an SVG that needs nothing besides itself, with what was read from it", () => {
  const svg = rateChart("se-resnet-18 <&> data", points, suggestRates(points));
  assert.match(svg, /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
  assert.match(svg, /se-resnet-18 &lt;&amp;&gt; data/);
  assert.match(svg, /valley: [\d.e-]+, steepest: [\d.e-]+, minimum: 1e-3/);
  assert.doesNotMatch(svg, /href|url\(|<script|NaN|undefined/);
  // Every opened group is closed, and every colour that lines have is in the style.
  for (const tag of ["svg", "g", "style", "text", "title"]) {
    assert.equal(
      svg.match(new RegExp(`<${tag}[ >]`, "g"))?.length,
      svg.match(new RegExp(`</${tag}>`, "g"))?.length,
      tag,
    );
  }
  for (const [, name] of svg.matchAll(/class="line (line-\w+)"/g))
    assert.match(svg, new RegExp(`\\.${name} \\{ --line`));
  // The fall fills the height: what explodes is cut off.
  const path = [...svg.matchAll(/<path d="([^"]+)"><title>running mean/g)][0]![1]!;
  const heights = [...path.matchAll(/[ML][\d.]+ ([\d.]+)/g)].map((match) => Number(match[1]));
  assert.ok(Math.max(...heights) - Math.min(...heights) > 150, `${heights}`);
  assert.ok(heights.length < 61);
});

test("a curve of nothing is drawn too", () => {
  assert.match(rateChart("nothing", []), /the loss, and its running mean/);
});
