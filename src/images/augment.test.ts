import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { golden } from "../../tests/support.ts";
import { SenetError } from "../errors.ts";
import { createRandom } from "../random.ts";
import { randomCrop } from "./augment/crop.ts";
import { augment, checkTraining, reductionFor, standardTraining, type TrainingTransform } from "./augment.ts";
import { imagenetPreprocessing, normalize } from "./preprocess.ts";
import { resize } from "./resize.ts";

interface Spread {
  readonly width: number;
  readonly height: number;
  readonly scale: [number, number];
  readonly ratio: [number, number];
  readonly area: [number, number];
  readonly logRatio: [number, number];
  readonly left: number;
  readonly top: number;
}

/** Made by golden/make_images.py from 20,000 draws of torchvision's RandomResizedCrop. */
const { boxes }: { boxes: Spread[] } = JSON.parse(readFileSync(golden("images.json"), "utf8"));

test("random crops are distributed as torchvision's are", () => {
  const n = 20_000;
  for (const spread of boxes) {
    const { width, height } = spread;
    const areas: number[] = [];
    const ratios: number[] = [];
    let left = 0;
    let top = 0;
    for (let i = 0; i < n; i++) {
      const box = randomCrop(width, height, spread, createRandom(1, i));
      assert.ok(box.left >= 0 && box.left + box.width <= width && box.top >= 0 && box.top + box.height <= height);
      areas.push((box.width * box.height) / (width * height));
      ratios.push(Math.log(box.width / box.height));
      left += (box.width < width ? box.left / (width - box.width) : 0.5) / n;
      top += (box.height < height ? box.top / (height - box.height) : 0.5) / n;
    }
    const what = `${width}×${height}, scale ${spread.scale}`;
    for (const [name, found, [mean, deviation]] of [
      ["area", areas, spread.area],
      ["log ratio", ratios, spread.logRatio],
    ] as const) {
      const own = found.reduce((sum, x) => sum + x, 0) / n;
      const spreadOwn = Math.sqrt(found.reduce((sum, x) => sum + (x - own) ** 2, 0) / n);
      // Both means are of n draws: their difference is within five of its deviations.
      const allowed = 5 * deviation * Math.sqrt(2 / n) + 1e-9;
      assert.ok(Math.abs(own - mean) <= allowed, `${what}: mean ${name} ${own}, torchvision's ${mean}`);
      assert.ok(Math.abs(spreadOwn - deviation) <= 0.03 * deviation + 1e-9, `${what}: deviation ${name} ${spreadOwn}`);
    }
    assert.ok(
      Math.abs(left - spread.left) < 0.015 && Math.abs(top - spread.top) < 0.015,
      `${what}: place ${left} ${top}`,
    );
  }
});

test("a picture too narrow for the ratios gives its largest middle part", () => {
  const crop = { scale: [0.9, 1], ratio: [3 / 4, 4 / 3] } as const;
  assert.deepEqual(randomCrop(4, 100, crop, createRandom(0)), { left: 0, top: 47, width: 4, height: 5 });
  assert.deepEqual(randomCrop(100, 6, crop, createRandom(0)), { left: 46, top: 0, width: 8, height: 6 });
  assert.deepEqual(randomCrop(1, 1, crop, createRandom(0)), { left: 0, top: 0, width: 1, height: 1 });
});

const picture = { width: 17, height: 13, data: Uint8Array.from({ length: 17 * 13 * 3 }, (_, i) => (i * 37) % 256) };

test("the same generator gives the same input, another one another", () => {
  const transform = standardTraining(8, imagenetPreprocessing);
  const make = (...keys: number[]) => {
    const into = new Float32Array(3 * 8 * 8);
    augment(picture, transform, createRandom(...keys), into);
    return into;
  };
  assert.deepEqual(make(1, 2), make(1, 2));
  assert.notDeepEqual(make(1, 2), make(1, 3));
});

test("the input is the crop, resized, mirrored with its probability, normalised", () => {
  for (const mirror of [0, 1]) {
    const crop = { scale: [0.08, 1], ratio: [3 / 4, 4 / 3], mirror, interpolation: "bicubic" } as const;
    const transform = standardTraining(8, imagenetPreprocessing, crop);
    const found = new Float32Array(3 * 8 * 8);
    augment(picture, transform, createRandom(5), found);
    const box = randomCrop(17, 13, crop, createRandom(5));
    const expected = new Float32Array(3 * 8 * 8);
    normalize(resize(picture, 8, 8, "bicubic", { box }), imagenetPreprocessing, expected, mirror === 1);
    assert.deepEqual(found, expected);
  }
});

test("mirrors about half of the pictures", () => {
  // Left half black, right half white; the whole picture is kept.
  const data = Uint8Array.from({ length: 4 * 4 * 3 }, (_, i) => (Math.floor(i / 3) % 4 < 2 ? 0 : 255));
  const transform = standardTraining(4, imagenetPreprocessing, { scale: [1, 1], ratio: [1, 1] });
  const into = new Float32Array(48);
  let mirrored = 0;
  for (let i = 0; i < 1000; i++) {
    augment({ width: 4, height: 4, data }, transform, createRandom(i), into);
    if (into[0]! > into[3]!) mirrored++;
  }
  assert.ok(Math.abs(mirrored - 500) < 80, `${mirrored}`);
});

test("pictures are reduced as far as the smallest crop keeps as many pixels as the square has, and not where exactness is asked", () => {
  const reductionOf = (size: number, width: number, height: number, crop: object = {}) =>
    reductionFor(standardTraining(size, imagenetPreprocessing, crop), { width, height });
  // 8 % of 298 by 224 pixels are 73 by 73, of 224 by 224 pixels 63.4 by 63.4.
  assert.deepEqual([reductionOf(32, 298, 224), reductionOf(38, 298, 224), reductionOf(32, 224, 224)], [2, 1, 2]);
  assert.deepEqual([reductionOf(224, 500, 375), reductionOf(32, 1000, 750), reductionOf(8, 298, 224)], [1, 4, 8]);
  assert.equal(reductionOf(32, 298, 224, { scale: [0.35, 1] }), 4);
  // No crop of that area fits into so narrow a picture.
  assert.equal(reductionOf(8, 4000, 10), 1);
  const exact = { ...standardTraining(8, imagenetPreprocessing), decode: "exact" } as const;
  assert.equal(reductionFor(exact, { width: 298, height: 224 }), 1);
});

test("a transform out of its bounds is refused by field", () => {
  const good = standardTraining(64, imagenetPreprocessing);
  checkTraining(good);
  const [crop] = good.steps;
  const steps = (...steps: object[]) => steps as unknown as TrainingTransform["steps"];
  const bad: readonly (readonly [field: string, Partial<TrainingTransform>])[] = [
    ["size", { size: 0 }],
    ["std", { normalization: { ...imagenetPreprocessing, std: [0, 1, 1] } }],
    ["steps.0.scale", { steps: steps({ ...crop, scale: [0, 1] }) }],
    ["steps.0.ratio", { steps: steps({ ...crop, ratio: [2, 1] }) }],
    ["steps.0.mirror", { steps: steps({ ...crop, mirror: 1.5 }) }],
    ["steps.0.interpolation", { steps: steps({ ...crop, interpolation: "nearest" }) }],
    ["steps.0.angle", { steps: steps({ ...crop, angle: 3 }) }],
    ["steps.1.kind", { steps: steps(crop!, { kind: "no such" }) }],
    ["steps", { steps: steps() }],
    ["steps", { steps: steps({ kind: "pixelJitter", amplitude: 3 }) }],
    ["steps", { steps: steps(crop!, crop!) }],
    ["steps", { steps: steps(crop!, { kind: "erase" }, { kind: "pixelJitter", amplitude: 3 }) }],
  ];
  for (const [field, change] of bad) {
    assert.throws(
      () => checkTraining({ ...good, ...change }),
      (error) => error instanceof SenetError && error.code === "usage" && error.details.where === field,
      field,
    );
  }
});
