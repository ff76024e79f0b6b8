import assert from "node:assert/strict";
import { test } from "node:test";
import { assertSpread, recorded, source } from "../../../tests/augment.ts";
import { createRandom } from "../../random.ts";
import { resampleAffine, rotatedBox } from "../affine.ts";
import { augment, standardTraining } from "../augment.ts";
import { imagenetPreprocessing, normalize } from "../preprocess.ts";
import { cropSchema, drawCrop, randomCrop } from "./crop.ts";

test("angles are uniform within their range, and half of the pictures are mirrored", () => {
  const step = cropSchema.parse({ kind: "crop", rotate: 10 });
  const drawn = Array.from({ length: 20_000 }, (_, i) => drawCrop(source, step, createRandom(3, i)));
  const degrees = drawn.map((crop) => crop.degrees);
  assert.ok(degrees.every((angle) => Math.abs(angle) <= 10));
  assert.ok(Math.min(...degrees) < -9.9 && Math.max(...degrees) > 9.9);
  assertSpread(degrees, [0, 20 / Math.sqrt(12)], "degrees", false);
  assertSpread(
    drawn.map(({ mirror }) => Number(mirror)),
    [0.5, 0.5],
    "mirror",
    false,
  );
});

test("what is drawn first does not depend on whether the picture is turned", () => {
  const plain = cropSchema.parse({ kind: "crop" });
  const turned = { ...plain, rotate: 10 };
  for (let i = 0; i < 20; i++) {
    const { box, mirror } = drawCrop(source, plain, createRandom(i));
    const other = drawCrop(source, turned, createRandom(i));
    assert.deepEqual([other.box, other.mirror], [box, mirror]);
  }
});

test("crop, aspect, rotation and mirror are one resampling, with the mean's colour beyond the picture", () => {
  const size = 32;
  const transform = standardTraining(size, imagenetPreprocessing, { rotate: 10, scale: [1, 1], ratio: [1.29, 1.3] });
  const found = new Float32Array(3 * size * size);
  augment(source, transform, createRandom(8), found);
  const { box, mirror, degrees } = drawCrop(source, cropSchema.parse(transform.steps[0]), createRandom(8));
  assert.ok(degrees !== 0);
  const map = rotatedBox(source, box, degrees, size);
  const mean = [0.485, 0.456, 0.406].map((value) => Math.round(255 * value)) as [number, number, number];
  const expected = new Float32Array(3 * size * size);
  normalize(resampleAffine(source, map, size, size, "bilinear", mean), imagenetPreprocessing, expected, mirror);
  assert.deepEqual(found, expected);
  // A corner that was turned in.
  assert.ok([0, size - 1, size * (size - 1), size * size - 1].some((corner) => Math.abs(found[corner]!) < 0.01));
});

test("crops whose ratios are turned over are distributed as tensorpack's", () => {
  for (const { width, height, area, logRatio } of recorded.turned) {
    const step = cropSchema.parse({ kind: "crop", ratio: [0.75, 1.333], ratioLaw: "turned" });
    const boxes = Array.from({ length: 20_000 }, (_, i) => randomCrop(width, height, step, createRandom(15, i)));
    assert.ok(boxes.every((box) => box.left + box.width <= width && box.top + box.height <= height));
    const what = `${width} by ${height}`;
    assertSpread(
      boxes.map((box) => (box.width * box.height) / (width * height)),
      area,
      `${what}: area`,
    );
    assertSpread(
      boxes.map((box) => Math.log(box.width / box.height)),
      logRatio,
      `${what}: ratio`,
    );
  }
});
