// The kernels have the bits of the TypeScript, which the other tests hold to Pillow and torchvision.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createRandom, type Random } from "../random.ts";
import { resampleAffine } from "./affine.ts";
import { jitterPixels } from "./augment/noise.ts";
import { imagenetPreprocessing, normalize } from "./preprocess.ts";
import { type Box, interpolations, type Picture, resize } from "./resize.ts";
import { hasKernels, useKernels } from "./wasm.ts";

function noise(width: number, height: number, random: Random): Picture {
  // Extremes often: what overshoots is clipped.
  const byte = () => [0, 255, random.below(256)][random.below(3)]!;
  return { width, height, data: Uint8Array.from({ length: width * height * 3 }, byte) };
}

function boxWithin(width: number, height: number, random: Random): Box {
  const [w, h] = [1 + random.below(width), 1 + random.below(height)];
  return { left: random.below(width - w + 1), top: random.below(height - h + 1), width: w, height: h };
}

function withoutKernels<T>(run: () => T): T {
  useKernels(false);
  try {
    return run();
  } finally {
    useKernels(true);
  }
}

test("there are kernels here, and they can be turned off", () => {
  assert.equal(hasKernels(), true);
  assert.equal(
    withoutKernels(() => hasKernels()),
    false,
  );
});

test("resampling has the same bytes for all sizes, boxes, windows and filters", () => {
  for (let i = 0; i < 600; i++) {
    const random = createRandom(1, i);
    // Now and then one pixel wide, and far larger or smaller than the result.
    const side = () => 1 + random.below([2, 20, 150][random.below(3)]!);
    const picture = noise(side(), side(), random);
    const [width, height] = [side(), side()];
    const options = {
      ...(random.below(2) === 0 ? {} : { box: boxWithin(picture.width, picture.height, random) }),
      ...(random.below(2) === 0 ? {} : { window: boxWithin(width, height, random) }),
    };
    const interpolation = interpolations[i % interpolations.length]!;
    const [a, b] = [new Uint8Array(3 * width * height + 40).fill(7), new Uint8Array(3 * width * height + 40).fill(7)];
    resize(picture, width, height, interpolation, { ...options, into: a });
    withoutKernels(() => resize(picture, width, height, interpolation, { ...options, into: b }));
    const what = `${picture.width}×${picture.height} to ${width}×${height}, ${interpolation}, ${JSON.stringify(options)}`;
    assert.ok(Buffer.from(a).equals(b), what);
  }
});

test("an affine map gives the same bytes, within a picture, over its edges and beyond them", () => {
  for (let i = 0; i < 300; i++) {
    const random = createRandom(3, i);
    const side = () => 1 + random.below([2, 20, 150][random.below(3)]!);
    const picture = noise(side(), side(), random);
    const [width, height, scale] = [side(), side(), 0.2 + 4 * random.uniform()];
    const around = () => scale * (random.uniform() - 0.5);
    const far = () => 200 * (random.uniform() - 0.5);
    const map = { a: scale, b: around(), c: far(), d: around(), e: i % 7 === 0 ? -scale : scale, f: far() };
    const interpolation = interpolations[i % interpolations.length]!;
    const make = () => resampleAffine(picture, map, width, height, interpolation, [9, 200, 255]).data;
    const what = `${picture.width}×${picture.height} to ${width}×${height}, ${interpolation}, ${JSON.stringify(map)}`;
    assert.ok(Buffer.from(make()).equals(withoutKernels(make)), what);
  }
});

test("pictures that are copied in by bands have the same bytes", () => {
  const random = createRandom(2);
  const picture = noise(3001, 130, random);
  for (const [width, height] of [
    [61, 47],
    [3001, 33],
    [40, 130],
  ] as const) {
    const fast = resize(picture, width, height, "bilinear");
    assert.deepEqual(
      fast,
      withoutKernels(() => resize(picture, width, height, "bilinear")),
    );
  }
});

test("normalising has the same bits, mirrored or not, whatever the channels", () => {
  for (let i = 0; i < 60; i++) {
    const random = createRandom(3, i);
    const picture = noise(1 + random.below(70), 1 + random.below(70), random);
    const spec = {
      ...imagenetPreprocessing,
      channels: (["rgb", "bgr", "grey"] as const)[i % 3]!,
      scale: ([255, 1] as const)[random.below(2)]!,
    };
    const length = 3 * picture.width * picture.height + 5;
    const [a, b] = [new Float32Array(length).fill(9), new Float32Array(length).fill(9)];
    const mirror = random.below(2) === 0;
    normalize(picture, spec, a, mirror);
    withoutKernels(() => normalize(picture, spec, b, mirror));
    assert.ok(
      Buffer.from(a.buffer).equals(Buffer.from(b.buffer)),
      `${picture.width}×${picture.height} ${spec.channels}`,
    );
  }
});

test("pixel jitter has the same bytes for all lengths and amplitudes", () => {
  for (let i = 0; i < 200; i++) {
    const random = createRandom(4, i);
    const { data } = noise(1 + random.below(40), 1 + random.below(9), random);
    const amplitude = [0, 1, 20, 255, random.below(256)][i % 5]!;
    const keys = [random.below(2 ** 32), random.below(2 ** 32)] as const;
    const [a, b] = [data.slice(), data.slice()];
    jitterPixels(a, amplitude, keys);
    withoutKernels(() => jitterPixels(b, amplitude, keys));
    assert.ok(Buffer.from(a).equals(Buffer.from(b)), `${data.length} bytes, ${amplitude}`);
  }
});
