import assert from "node:assert/strict";
import { test } from "node:test";
import { createRandom } from "../random.ts";
import { Histogram } from "./histogram.ts";
import { rangeMethods, scaleOf } from "./methods.ts";

const normal = (length: number): Float32Array => {
  const random = createRandom(1);
  return Float32Array.from({ length }, () => random.normal());
};

test("a histogram grows with what it is given, and loses nothing", () => {
  const histogram = new Histogram();
  histogram.add(Float32Array.of(0, 0));
  histogram.add(Float32Array.of(1, -0.5, 0));
  histogram.add(Float32Array.of(-6));
  assert.equal(histogram.total, 6);
  assert.equal(
    histogram.counts.reduce((sum, count) => sum + count),
    6,
  );
  assert.equal(histogram.largest, 6);
  assert.equal(histogram.limit, 8, "doubled until the largest fits");
  const binOf = (value: number) => Math.floor((value / histogram.limit) * histogram.counts.length);
  assert.deepEqual([histogram.counts[0], histogram.counts[binOf(0.5)], histogram.counts[binOf(6)]], [3, 1, 1]);
  assert.equal(histogram.counts[binOf(1)]! + histogram.counts[binOf(1) - 1]!, 1, "at the end of its first range");
});

test("least squared error is the range that a search over the numbers themselves finds", () => {
  const data = normal(20_000);
  const histogram = new Histogram();
  histogram.add(data);
  const error = (range: number) => {
    const step = range / 15;
    return data.reduce((sum, value) => {
      const size = Math.abs(value);
      return sum + (size - Math.min(15, Math.round(size / step)) * step) ** 2;
    }, 0);
  };
  const found = rangeMethods.mse.range(histogram, 15);
  const ranges = Array.from({ length: 400 }, (_, i) => ((i + 1) / 400) * histogram.largest);
  const best = Math.min(...ranges.map(error));
  assert.ok(error(found) < 1.01 * best, `${error(found)}, by search ${best}`);
  assert.ok(found < 0.9 * histogram.largest, "the tails are cut off");
});

test("outliers are cut off by all methods but min-max", () => {
  const data = normal(100_000);
  data[0] = 40;
  const histogram = new Histogram();
  histogram.add(data);
  const range = (name: keyof typeof rangeMethods) => rangeMethods[name].range(histogram, 127);
  assert.equal(range("minmax"), 40);
  for (const name of ["percentile", "entropy"] as const) {
    assert.ok(range(name) > 2.5 && range(name) < 12, `${name}: ${range(name)}`);
  }
  // The square of what is cut off of one is as much as the steps of all others.
  assert.ok(range("mse") > 10 && range("mse") < 35, `mse: ${range("mse")}`);
});

test("an activation that is always zero has a scale all the same", () => {
  const histogram = new Histogram();
  histogram.add(new Float32Array(10));
  for (const name of Object.keys(rangeMethods) as (keyof typeof rangeMethods)[]) {
    assert.ok(scaleOf(histogram, 255, name) > 0, name);
  }
});
