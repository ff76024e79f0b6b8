import assert from "node:assert/strict";
import { test } from "node:test";
import { assertSpread, copyOf, hard, recorded, source } from "../../../tests/augment.ts";
import { createRandom, type Random } from "../../random.ts";
import { imagenetPreprocessing } from "../preprocess.ts";
import { drawOperations, operations, randAugment, randAugmentSchema, randAugmentText } from "./rand-augment.ts";

test("timm's text becomes a step", () => {
  assert.deepEqual(randAugmentText.parse("rand-m9-mstd0.5-inc1"), {
    ...{ kind: "randAugment", magnitude: 9, noise: 0.5, most: 10, operations: 2, probability: 0.5, increasing: true },
  });
  const other = randAugmentText.parse("rand-n3-m15-mmax20-p0.7-mstd101-inc0");
  assert.deepEqual(other, {
    ...{
      kind: "randAugment",
      magnitude: 15,
      noise: "uniform",
      most: 20,
      operations: 3,
      probability: 0.7,
      increasing: false,
    },
  });
  for (const [text, words] of [
    ["augmix-m5", /rand-m9-mstd0\.5-inc1/],
    ["rand-x9", /"x9" is not/],
    ["rand-m", /"m" is not/],
    ["rand-m99", /magnitude is at most 30$/],
    ["rand-p2", /probability is at most 1$/],
    ["rand-n0", /operations is more than 0$/],
  ] as const) {
    assert.match(randAugmentText.safeParse(text).error!.issues[0]!.expected, words, text);
  }
});

const fixed = (uniform: number): Random => ({ ...createRandom(0), uniform: () => uniform }) as Random;

test("magnitudes are timm's", () => {
  // name, magnitude, increasing, expected with the sign as it is
  const cases = [
    ["Rotate", 9, true, 27],
    ["Posterize", 9, true, 1],
    ["Posterize", 9, false, 3],
    ["Solarize", 9, true, 26],
    ["Solarize", 9, false, 230],
    ["SolarizeAdd", 9, true, 99],
    ["Color", 9, true, 1.81],
    ["Contrast", 5, false, 1],
    ["Brightness", 10, false, 1.9],
    ["Sharpness", 0, true, 1],
    ["ShearX", 9, true, 0.27],
    ["ShearY", 5, false, 0.15],
    ["TranslateXRel", 10, true, 0.45],
    ["TranslateYRel", 2, true, 0.09],
    ["AutoContrast", 9, true, 0],
  ] as const;
  for (const [name, magnitude, increasing, expected] of cases) {
    const argument = operations[name].argument(magnitude, increasing, fixed(0));
    assert.ok(Math.abs(argument - expected) < 1e-12, `${name} ${magnitude}: ${argument}`);
  }
  // More is darker, too, but never nothing.
  assert.ok(Math.abs(operations.Brightness.argument(9, true, fixed(0.9)) - 0.19) < 1e-12);
  assert.equal(operations.Color.argument(10, true, fixed(0.9)), 0.1);
  assert.equal(operations.Rotate.argument(10, true, fixed(0.9)), -30);
});

test("operations are drawn equally often, done with their probability, at magnitudes as asked", () => {
  const step = randAugmentSchema.parse({ kind: "randAugment", magnitude: 5, noise: 0.5, probability: 0.5 });
  const drawn = Array.from({ length: 20_000 }, (_, i) => drawOperations(step, createRandom(11, i)));
  assertSpread(
    drawn.map(({ length }) => length),
    [1, Math.sqrt(0.5)],
    "number",
    false,
  );
  const all = drawn.flat();
  for (const name of Object.keys(operations)) {
    const part = all.filter((operation) => operation.name === name).length / all.length;
    assert.ok(Math.abs(part - 1 / 15) < 5 * Math.sqrt(1 / 15 / all.length), `${name}: ${part}`);
  }
  const filters = all.map(({ filter }) => Number(filter === "bicubic"));
  assertSpread(filters, [0.5, 0.5], "bicubic", false);
  const turned = all.filter(({ name }) => name === "Rotate").map(({ argument }) => Math.abs(argument));
  assertSpread(turned, [15, 1.5], "degrees", false);
  const uniform = { ...step, magnitude: 10, noise: "uniform", operations: 1, probability: 1 } as const;
  const anything = Array.from({ length: 20_000 }, (_, i) => drawOperations(uniform, createRandom(12, i))[0]!)
    .filter(({ name }) => name === "Rotate")
    .map(({ argument }) => argument);
  assertSpread(anything, [0, 60 / Math.sqrt(12)], "uniform degrees", false);
});

test("each operation changes the picture in its place, and what was moved in has the colour that becomes 0", () => {
  for (const [name, { argument, apply }] of Object.entries(operations)) {
    // Without its lightest and darkest bytes, or contrast would have nothing to do.
    const before = { ...hard, data: hard.data.map((byte) => 60 + (byte >> 1)) };
    const picture = copyOf(before);
    apply(picture, argument(9, true, fixed(0)), { filter: "bilinear", fill: recorded.fill });
    assert.notDeepEqual(picture.data, before.data, name);
    assert.equal(picture.data.length, hard.data.length);
  }
  const step = randAugmentSchema.parse({ kind: "randAugment", magnitude: 10, operations: 1, probability: 1 });
  const mean = [124, 116, 104];
  let filled = 0;
  for (let seed = 0; seed < 100; seed++) {
    const picture = copyOf(source);
    randAugment.apply(picture, step, { random: createRandom(seed), size: 61, normalization: imagenetPreprocessing });
    const corners = [0, 3 * 60, 3 * 61 * 46, 3 * (61 * 47 - 1)];
    if (corners.some((at) => mean.every((byte, k) => picture.data[at + k] === byte))) filled++;
  }
  assert.ok(filled > 15 && filled < 60, `${filled} of 100`);
});
