import assert from "node:assert/strict";
import { test } from "node:test";
import { assertSpread, hard, recorded, sha256, source } from "../../../tests/augment.ts";
import { assertClose } from "../../../tests/support.ts";
import { createRandom } from "../../random.ts";
import { augment, type TrainingTransform } from "../augment.ts";
import { imagenetPreprocessing } from "../preprocess.ts";
import {
  cutPadded,
  drawPlace,
  drawResize,
  padCropSchema,
  reflected,
  resizeCropSchema,
  resizeNearest,
} from "./place.ts";
import type { AugmentationStep } from "./steps.ts";
import { inverted, warpOf, warpOpenCv, warpSchema } from "./warp.ts";

test("what is beyond a padded picture's edge is torchvision's", () => {
  assert.equal(recorded.padded.length, 9);
  for (const { fill, left, top, size, sha256: hash } of recorded.padded) {
    const color = fill === "reflect" ? fill : ([fill, fill, fill] as const);
    const { data } = cutPadded(source, { left, top, size }, color, new Uint8Array(3 * size * size));
    assert.equal(sha256(data), hash, `${fill}, (${left}, ${top})`);
  }
  assert.deepEqual(
    [-5, -3, -1, 0, 2, 3, 5, 9].map((at) => reflected(at, 3)),
    [1, 1, 1, 0, 2, 1, 1, 1],
  );
  assert.equal(reflected(-7, 1), 0);
});

test("resizing without a filter gives Pillow's bytes", () => {
  assert.equal(recorded.nearest.length, 7);
  for (const { hard: isHard, size, sha256: hash } of recorded.nearest) {
    assert.equal(sha256(resizeNearest(isHard ? hard : source, size[0], size[1]).data), hash, `${size}`);
  }
});

test("an affine warp gives OpenCV's bytes, of the whole and of any window", () => {
  assert.equal(recorded.warps.length, 4);
  for (const { drawn, width, height, sha256: hash, window } of recorded.warps) {
    const found = warpOf(source, drawn);
    assert.deepEqual([found.width, found.height], [width, height]);
    const map = inverted(found.matrix);
    const make = (left: number, top: number, w: number, h: number) =>
      warpOpenCv(source, map, { left, top, width: w, height: h }, [127, 127, 127], new Uint8Array(3 * w * h)).data;
    assert.equal(sha256(make(0, 0, width, height)), hash, JSON.stringify(drawn));
    assert.equal(sha256(make(5, 3, 20, 20)), window, JSON.stringify(drawn));
  }
});

const size = 16;

/** A picture whose red is its column and whose green is its row. */
function ramp(width: number, height: number) {
  const data = new Uint8Array(3 * width * height);
  for (let i = 0; i < width * height; i++) data.set([i % width, Math.floor(i / width), 200], 3 * i);
  return { width, height, data };
}

const bare = { channels: "rgb", scale: 1, mean: [0, 0, 0], std: [1, 1, 1] } as const;

function inputOf(
  picture: ReturnType<typeof ramp>,
  step: AugmentationStep,
  seed: number,
  normalization = bare,
): Float32Array {
  const transform: TrainingTransform = { kind: "train", size, steps: [step], normalization };
  const into = new Float32Array(3 * size * size);
  augment(picture, transform, createRandom(13, seed), into);
  return into;
}

test("a padded crop is anywhere, each place as likely; zeros around it are zeros in the input", () => {
  const step = padCropSchema.parse({ kind: "padCrop", pad: 4, mirror: 0 });
  const counts = new Int32Array(81);
  for (let seed = 0; seed < 20_000; seed++) {
    const { left, top } = drawPlace({ width: size, height: size }, { size, ...step }, createRandom(13, seed));
    counts[(top + 4) * 9 + left + 4]!++;
  }
  const expected = 20_000 / 81;
  const chi = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  // 80 degrees of freedom: above 140 once in ten thousand times.
  assert.ok(chi < 140, `χ² ${chi}`);
  for (let seed = 0; seed < 50; seed++) {
    const mirrored = padCropSchema.parse({ kind: "padCrop", pad: 4 });
    const input = inputOf(ramp(size, size), mirrored, seed, imagenetPreprocessing as unknown as typeof bare);
    // The blue plane is one number where the picture is, and 0 around it.
    const blue = input.subarray(2 * size * size);
    const value = blue[8 * size + 8]!;
    assert.ok(value !== 0 && blue.every((other) => other === 0 || other === value));
    // A border of black would be below 0 in all planes.
    assert.ok(input.subarray(0, size * size).every((red, i) => blue[i] !== 0 || red === 0));
  }
});

test("larger pictures come to their shorter side before they are padded", () => {
  const step = padCropSchema.parse({ kind: "padCrop", pad: 0, mirror: 0, fill: [9, 9, 9] });
  const input = inputOf(ramp(64, 32), step, 1);
  assert.ok(Math.abs(input[size * size + 8 * size]! - 16.5) < 1.5, "rows are half as many");
});

test("a random resize has every side and every filter", () => {
  const step = resizeCropSchema.parse({
    kind: "resizeCrop",
    sides: [16, 20],
    interpolations: ["nearest", "bicubic"],
    mirror: 0,
  });
  const drawn = Array.from({ length: 20_000 }, (_, seed) => drawResize(step, createRandom(14, seed)));
  assertSpread(
    drawn.map(({ side }) => side),
    [18, Math.sqrt(2)],
    "side",
    false,
  );
  assertSpread(
    drawn.map(({ filter }) => Number(filter === "bicubic")),
    [0.5, 0.5],
    "bicubic",
    false,
  );
  const scales = Array.from({ length: 60 }, (_, seed) => {
    const input = inputOf(ramp(160, 160), step, seed);
    return Math.round(160 / ((input[8 * size + 12]! - input[8 * size + 4]!) / 8));
  });
  assert.deepEqual(
    [...new Set(scales)].sort((a, b) => a - b),
    [16, 17, 18, 19, 20],
  );
});

test("a warp without rotation scales columns by 2s/(1 + a), rows by a times that, and the size by s, as MXNet's code", () => {
  // image_aug_default.cc of 0.11 calls the first `hs` and multiplies x by it, so that `ratio` is rows by columns.
  const [scale, ratio] = [0.6, 0.8];
  const { width, height, matrix } = warpOf({ width: 500, height: 375 }, { shear: 0, degrees: 0, scale, ratio });
  const columns = (2 * scale) / (1 + ratio);
  assert.deepEqual([width, height], [300, 225]);
  const [m00, m01, m02, m10, m11, m12] = matrix as [number, number, number, number, number, number];
  assertClose([m00, m11, m01, m10], [columns, ratio * columns, 0, 0], 1e-6, "scales");
  // The middle stays the middle.
  assertClose([m00 * 250 + m02, m11 * 187.5 + m12], [150, 112.5], 1e-5, "middle");
});

test("a warp is drawn within its ranges, and a small picture is never smaller than the square", () => {
  const step = warpSchema.parse({ kind: "warp", scale: [0.25, 0.5], aspect: 0.25, rotate: 10, shear: 0.1, mirror: 0 });
  for (let seed = 0; seed < 200; seed++) {
    const input = inputOf(ramp(64, 64), step, seed);
    assert.ok(input.every((value) => value >= 0 && value <= 200));
    assert.ok(input[2 * size * size + 8 * size + 8]! === 200, "the middle is within");
  }
  const tiny = inputOf(ramp(5, 9), warpSchema.parse({ kind: "warp", scale: [0.1, 0.1], mirror: 0 }), 1);
  assert.ok(tiny.every((value) => value <= 200));
  const records = inputOf(ramp(200, 100), warpSchema.parse({ kind: "warp", resize: 32, mirror: 0 }), 1);
  const perPixel = (records[8 * size + 12]! - records[8 * size + 4]!) / 8;
  assert.ok(Math.abs(perPixel - 100 / 32) < 0.1, `${perPixel} columns a pixel`);
});
