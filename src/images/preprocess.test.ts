// That sizes, crops and values are torchvision's is held by golden.test.ts.

import assert from "node:assert/strict";
import { test } from "node:test";
import { SenetError } from "../errors.ts";
import { checkPreprocessing, overridden } from "./check-preprocessing.ts";
import {
  decodeMeanImage,
  imagenetPreprocessing,
  normalize,
  type Preprocessing,
  preprocess,
  resizeAndCrop,
  roundHalfEven,
  shorterSideTo,
} from "./preprocess.ts";
import { encodeMeanImage, samePreprocessing } from "./preprocessing-facts.ts";
import type { Picture } from "./resize.ts";
import { preprocessViews } from "./views.ts";

test("halves are rounded to even, as Python's round does", () => {
  const pairs = [
    [0.5, 0],
    [1.5, 2],
    [2.5, 2],
    [58.5, 58],
    [59.5, 60],
    [-0.5, 0],
    [-1.5, -2],
    [3.2, 3],
    [3.7, 4],
    [7, 7],
  ];
  for (const [x, rounded] of pairs) assert.equal(roundHalfEven(x!) + 0, rounded, `${x}`);
});

test("the shorter side gets the size, the longer one is rounded down", () => {
  assert.deepEqual(shorterSideTo(500, 375, 256), { width: 341, height: 256 });
  assert.deepEqual(shorterSideTo(375, 500, 256), { width: 256, height: 341 });
  assert.deepEqual(shorterSideTo(100, 100, 64), { width: 64, height: 64 });
  assert.deepEqual(shorterSideTo(1, 7, 3), { width: 3, height: 21 });
});

test("a crop takes the middle, and fills up with black where the picture is smaller", () => {
  const wide = { width: 5, height: 1, data: Uint8Array.from({ length: 15 }, (_, i) => 10 + Math.floor(i / 3)) };
  const reds = (size: number) => {
    const { data } = resizeAndCrop(wide, { resize: 1, crop: size, interpolation: "bilinear" });
    return Array.from({ length: size }, (_, y) => Array.from({ length: size }, (_, x) => data[(y * size + x) * 3]));
  };
  assert.deepEqual(reds(1), [[12]]);
  // 1.5 on the left is 2, as torchvision rounds; above and below (2 − 1)/2 is 0 and 1.
  assert.deepEqual(reds(2), [
    [12, 13],
    [0, 0],
  ]);
  assert.deepEqual(reds(3), [
    [0, 0, 0],
    [11, 12, 13],
    [0, 0, 0],
  ]);
  assert.deepEqual(reds(6)[2], [10, 11, 12, 13, 14, 0]);
});

test("a very long picture does not need memory for the pixels that the crop leaves out", () => {
  // Whole, this would be 256 × 15,360,000 pixels.
  const thread = { width: 1, height: 60_000, data: new Uint8Array(180_000).fill(77) };
  const { data } = resizeAndCrop(thread, { resize: 256, crop: 224, interpolation: "bilinear" });
  assert.equal(data.length, 224 * 224 * 3);
  assert.ok(data.every((byte) => byte === 77));
});

test("channel order, scale, mean and deviation; planes; mirror", () => {
  const picture = { width: 2, height: 1, data: Uint8Array.of(10, 20, 30, 40, 50, 60) };
  const caffe = { channels: "bgr", scale: 1, mean: [4, 3, 2], std: [1, 2, 4] } as const;
  const planes = (spec: Parameters<typeof normalize>[1], mirror?: boolean) => {
    const into = new Float32Array(6);
    normalize(picture, spec, into, mirror);
    return [...into];
  };
  // Blue first: mean and deviation are in the order of the channels.
  assert.deepEqual(planes(caffe), [26, 56, 8.5, 23.5, 2, 9.5]);
  assert.deepEqual(planes(caffe, true), [56, 26, 23.5, 8.5, 9.5, 2]);
  assert.deepEqual(planes({ ...caffe, channels: "rgb" }), [6, 36, 8.5, 23.5, 7, 14.5]);
  const unit = { channels: "rgb", scale: 255, mean: [0, 0, 0], std: [1, 1, 1] } as const;
  assert.deepEqual(
    planes(unit),
    [10, 40, 20, 50, 30, 60].map((byte) => Math.fround(byte / 255)),
  );
  assert.throws(() => normalize(picture, unit, new Float32Array(5)), RangeError);
});

test("the input goes where it is told", () => {
  const picture = { width: 4, height: 6, data: new Uint8Array(72).fill(124) };
  const spec: Preprocessing = { ...imagenetPreprocessing, resize: 3, crop: 2 };
  const into = new Float32Array(13).fill(9);
  assert.equal(preprocess(picture, spec, into), into);
  assert.deepEqual(into.subarray(0, 12), preprocess(picture, spec));
  assert.equal(into[12], 9);
});

test("a specification out of its bounds is refused by field", () => {
  checkPreprocessing(imagenetPreprocessing);
  const bad: [string, unknown][] = [
    ["channels", "gbr"],
    ["scale", 256],
    ["mean", [0, 0]],
    ["mean", [0, 0, Number.NaN]],
    ["std", [1, 1, 0]],
    ["resize", 0],
    ["crop", 1.5],
    ["interpolation", "nearest"],
  ];
  for (const [field, value] of bad) {
    assert.throws(
      () => checkPreprocessing({ ...imagenetPreprocessing, [field]: value } as Preprocessing),
      (error) => error instanceof SenetError && error.code === "usage" && error.details.where === field,
      `${field} ${value}`,
    );
  }
});

/** A picture whose bytes count on. */
const counting = (width: number, height: number): Picture => ({
  width,
  height,
  data: Uint8Array.from({ length: width * height * 3 }, (_, i) => i % 256),
});
const raw: Preprocessing = {
  ...({ channels: "bgr", scale: 1, mean: [1, 2, 3], std: [2, 2, 2] } as const),
  ...({ resize: "none", crop: 3, interpolation: "bilinear" } as const),
};

test("a mean that is given replaces what would take its place", () => {
  const mean = [1, 2, 3] as const;
  const byPicture = { ...imagenetPreprocessing, byPicture: 10 };
  const byPixel = { ...imagenetPreprocessing, crop: 1, meanImage: encodeMeanImage(Float32Array.of(1, 2, 3)) };
  assert.deepEqual(overridden(byPicture, { mean }), { ...imagenetPreprocessing, mean });
  assert.deepEqual(overridden(byPixel, { mean }), { ...imagenetPreprocessing, crop: 1, mean });
  assert.deepEqual(overridden(byPixel, { resize: 2 }), { ...byPixel, resize: 2 });
  assert.deepEqual(overridden(byPicture, { mean, byPicture: 5 }), { ...byPicture, mean, byPicture: 5 });
  assert.throws(() => overridden(imagenetPreprocessing, { crop: 0 }), /crop/);
});

test("a picture that keeps its size gives its middle, half pixels rounded down as Caffe does", () => {
  // Of 6 by 5 pixels three are left over across, and two down: 1 (not 2, as torchvision has it) and 1.
  const found = preprocess(counting(6, 5), raw);
  const first = (1 * 6 + 1) * 3;
  assert.deepEqual([found[0], found[9], found[18]], [(first + 2 - 1) / 2, (first + 1 - 2) / 2, (first - 3) / 2]);
  assert.throws(
    () => preprocess(counting(2, 5), raw),
    (error) => error instanceof SenetError && error.code === "data" && /smaller than the crop/.test(error.message),
  );
});

test("a size of its own in each direction, whatever the proportions were", () => {
  const found = resizeAndCrop(counting(9, 4), { ...raw, resize: [3, 4], crop: 3 });
  assert.deepEqual([found.width, found.height], [3, 3]);
  assert.deepEqual(preprocess(counting(3, 3), { ...raw, resize: [3, 3] }), preprocess(counting(3, 3), raw));
});

test("a mean for each pixel is subtracted at the pixel's place, mirrored with it, and travels as text", () => {
  const mean = Float32Array.from({ length: 27 }, (_, i) => i / 4);
  const spec = { ...raw, meanImage: encodeMeanImage(mean) };
  assert.deepEqual(decodeMeanImage(spec.meanImage), mean);
  checkPreprocessing(spec);
  const picture = counting(3, 3);
  const found = preprocess(picture, spec);
  // Blue first: the last of a pixel's three bytes.
  for (const [channel, x, y] of [
    [0, 0, 0],
    [1, 2, 1],
    [2, 1, 2],
  ] as const) {
    const at = y * 3 + x;
    assert.equal(found[channel * 9 + at], (picture.data[3 * at + 2 - channel]! - mean[channel * 9 + at]!) / 2);
  }
  const mirrored = new Float32Array(27);
  normalize(picture, spec, mirrored, true);
  assert.deepEqual([mirrored[0], mirrored[2], mirrored[10]], [found[2], found[0], found[10]]);
  assert.throws(() => checkPreprocessing({ ...spec, crop: 4 }), /meanImage/);
  assert.throws(() => checkPreprocessing({ ...spec, meanImage: "?" }), /meanImage/);
});

test("two specifications are the same by value", () => {
  const { channels, ...others } = raw;
  assert.ok(samePreprocessing(raw, { ...others, channels }));
  assert.ok(!samePreprocessing(raw, { ...raw, resize: [3, 3] }));
});

test("a grey network sees Pillow's luma, made before the picture is resized", () => {
  const grey = { ...imagenetPreprocessing, channels: "grey", mean: [0, 0, 0], std: [1, 1, 1] } as const;
  // By Pillow's convert("L").
  const lumas: readonly (readonly [colour: readonly number[], luma: number])[] = [
    [[255, 0, 0], 76],
    [[0, 255, 0], 150],
    [[0, 0, 255], 29],
    [[12, 200, 77], 130],
    [[1, 2, 3], 2],
    [[254, 255, 253], 254],
    [[130, 77, 201], 107],
  ];
  for (const [colour, luma] of lumas) {
    const picture = { width: 2, height: 2, data: Uint8Array.from([...colour, ...colour, ...colour, ...colour]) };
    const found = preprocess(picture, { ...grey, resize: 4, crop: 4 });
    assert.equal(found.length, 16);
    assert.ok(
      found.every((value) => value === Math.fround(luma / 255)),
      `${colour}`,
    );
    assert.equal(preprocessViews(picture, { ...grey, resize: 4, crop: 4 }, "mirror").length, 32);
  }
  const into = new Float32Array(2);
  normalize({ width: 2, height: 1, data: Uint8Array.from([10, 10, 10, 20, 20, 20]) }, grey, into, true);
  assert.deepEqual(
    [...into],
    [20, 10].map((byte) => Math.fround(byte / 255)),
  );
});

test("the middle of a picture of torchvision's is rounded to even, also where its proportions were not kept", () => {
  // Seven pixels of ten: three are left over.
  const spec = { ...imagenetPreprocessing, resize: [10, 10], crop: 7 } as const;
  const places = (given: Preprocessing) => resizeAndCrop(counting(10, 10), given).data[0]!;
  assert.equal(places(spec), (2 * 10 + 2) * 3);
  assert.equal(places({ ...spec, scale: 1 }), (1 * 10 + 1) * 3);
});

test("by picture: minus its mean, divided by the root of its variance and ten, in evaluation and in training", () => {
  const spec: Preprocessing = {
    ...{ channels: "rgb", scale: 1, mean: [0, 0, 0], std: [1, 1, 1], byPicture: 10 },
    ...{ resize: "none", crop: 4, interpolation: "bilinear" },
  };
  checkPreprocessing(spec);
  const data = Uint8Array.from({ length: 48 }, (_, i) => (i * 89) % 251);
  const mean = data.reduce((sum, byte) => sum + byte, 0) / 48;
  const variance = data.reduce((sum, byte) => sum + (byte - mean) ** 2, 0) / 48;
  const input = preprocess({ width: 4, height: 4, data }, spec);
  for (const [i, value] of input.entries()) {
    const [plane, pixel] = [Math.floor(i / 16), i % 16];
    const expected = (data[3 * pixel + plane]! - mean) / Math.sqrt(variance + 10);
    assert.ok(Math.abs(value - expected) < 1e-6, `${i}: ${value}, ${expected}`);
  }
  // The same picture in other units.
  const inUnits = preprocess({ width: 4, height: 4, data }, { ...spec, scale: 255, byPicture: 10 / 255 ** 2 });
  assert.ok(inUnits.every((value, i) => Math.abs(value - input[i]!) < 1e-5));
  const flat = preprocess({ width: 4, height: 4, data: new Uint8Array(48).fill(9) }, spec);
  assert.ok(flat.every((value) => value === 0));
  assert.throws(() => checkPreprocessing({ ...spec, byPicture: 0 }), /byPicture/);
  assert.ok(!samePreprocessing(spec, { ...spec, byPicture: 1 }));
});
