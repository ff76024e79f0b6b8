import assert from "node:assert/strict";
import { test } from "node:test";
import { assertSpread, bytesOf, copyOf, difference, hard, recorded } from "../../../tests/augment.ts";
import { createRandom, type Random } from "../../random.ts";
import { imagenetPreprocessing } from "../preprocess.ts";
import {
  changeColors,
  colorJitter,
  colorJitterSchema,
  drawChanges,
  drawJitter,
  drawShift,
  hlsSchema,
  photometric,
  photometricSchema,
} from "./color.ts";
import { rgbToHls, shiftHls } from "./hls.ts";
import { brightness, hue } from "./pillow.ts";
import type { StepContext } from "./step.ts";

const contextOf = (random: Random): StepContext => ({ random, size: 8, normalization: imagenetPreprocessing });

test("HLS gives OpenCV's bytes, there and, after a shift, back", () => {
  for (const { shift, hls: expected, rgb } of recorded.hls) {
    const found = new Uint8Array(hard.data.length);
    for (let i = 0; i < found.length; i += 3) rgbToHls(hard.data, i, found.subarray(i, i + 3));
    assert.deepEqual(found, bytesOf(expected));
    const { data } = copyOf(hard);
    shiftHls(data, shift);
    assert.deepEqual(data, bytesOf(rgb), `${shift}`);
  }
});

test("colours change as in float32 step by step, but for a last bit", () => {
  assert.equal(recorded.photometric.length, 3);
  for (const { changes, pixels } of recorded.photometric) {
    const { data } = copyOf(hard);
    changeColors(data, changes);
    const { mean, largest } = difference(data, bytesOf(pixels));
    assert.ok(largest <= 1 && mean < 0.01, `${changes.map(({ kind }) => kind)}: ${mean}, ${largest}`);
  }
});

const n = 20_000;

test("factors are uniform within their range, turns of hue to either side", () => {
  const step = colorJitterSchema.parse({ kind: "colorJitter", brightness: 0.4, contrast: 1.5, hue: 0.1 });
  const drawn = Array.from({ length: n }, (_, i) => new Map<string, number>(drawJitter(step, createRandom(7, i))));
  const of = (kind: "brightness" | "contrast" | "hue") => drawn.map((factors) => factors.get(kind)!);
  assert.ok(
    drawn.every((factors) => factors.size === 3),
    "what is 0 is not done",
  );
  assertSpread(of("brightness"), [1, 0.8 / Math.sqrt(12)], "brightness", false);
  assert.ok(Math.min(...of("brightness")) < 0.61 && Math.max(...of("brightness")) > 1.39);
  // From 0, not below.
  assertSpread(of("contrast"), [1.25, 2.5 / Math.sqrt(12)], "contrast", false);
  assert.ok(Math.min(...of("contrast")) >= 0);
  assertSpread(of("hue"), [0, 0.2 / Math.sqrt(12)], "hue", false);
  const orders = drawn.map((factors) => [...factors.keys()].join());
  assert.equal(new Set(orders).size, 6);
  const first = orders.map((order) => Number(order.startsWith("hue")));
  assertSpread(first, [1 / 3, Math.sqrt(2) / 3], "hue comes first", false);
});

test("photometric changes are drawn from their ranges, lighting is normal, in every order", () => {
  const step = photometricSchema.parse({ kind: "photometric", saturation: [0.6, 1.4], lighting: 0.1 });
  const drawn = Array.from({ length: n }, (_, i) => drawChanges(step, createRandom(8, i)));
  const factors = drawn.flatMap((changes) =>
    changes.flatMap((change) => (change.kind === "lighting" ? [] : [change.factor])),
  );
  assertSpread(factors, [1, 0.8 / Math.sqrt(12)], "saturation", false);
  const along = drawn.flatMap((changes) =>
    changes.flatMap((change) => (change.kind === "lighting" ? change.along : [])),
  );
  assert.equal(along.length, 3 * n);
  assertSpread(along, [0, 0.1], "lighting", false);
  assertSpread(
    drawn.map(([first]) => Number(first!.kind === "lighting")),
    [0.5, 0.5],
    "lighting comes first",
    false,
  );
});

test("HLS shifts are whole numbers within their range, 0 twice as likely as others", () => {
  const step = hlsSchema.parse({ kind: "hls", hue: 36, lightness: 50 });
  const drawn = Array.from({ length: n }, (_, i) => drawShift(step, createRandom(10, i)));
  assert.ok(drawn.every(([, , saturation]) => saturation === 0));
  const shifts = drawn.map(([, lightness]) => lightness);
  assert.ok(Math.min(...shifts) === -49 && Math.max(...shifts) === 49);
  const zeros = shifts.filter((shift) => shift === 0).length;
  assert.ok(Math.abs(zeros - 400) < 100, `${zeros}`);
  assertSpread(shifts, [0, Math.sqrt(50 ** 2 / 3 - 50 / 2 + 1 / 6)], "lightness", false);
});

test("a third of a turn makes green of red", () => {
  const pixel = { width: 1, height: 1, data: Uint8Array.of(255, 0, 0) };
  hue(pixel, 1 / 3);
  assert.deepEqual([...pixel.data], [0, 255, 0]);
});

test("colours change in every order", () => {
  const step = colorJitterSchema.parse({ kind: "colorJitter", brightness: 0.9, contrast: 0.9, saturation: 0.9 });
  const results = new Set<string>();
  for (let seed = 0; seed < 30; seed++) {
    const picture = copyOf(hard);
    colorJitter.apply(picture, step, contextOf(createRandom(seed)));
    results.add(picture.data.subarray(0, 30).join());
  }
  assert.equal(results.size, 30);
  const nothing = copyOf(hard);
  colorJitter.apply(nothing, colorJitterSchema.parse({ kind: "colorJitter" }), contextOf(createRandom(1)));
  photometric.apply(nothing, photometricSchema.parse({ kind: "photometric" }), contextOf(createRandom(1)));
  assert.deepEqual(nothing.data, hard.data);
  brightness(nothing, 0);
  assert.ok(nothing.data.every((byte) => byte === 0));
});
