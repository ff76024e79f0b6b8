import assert from "node:assert/strict";
import { test } from "node:test";
import { assertSpread, recorded } from "../../../tests/augment.ts";
import { createRandom } from "../../random.ts";
import { augment, standardTraining } from "../augment.ts";
import { imagenetPreprocessing } from "../preprocess.ts";
import { drawErased, eraseSchema, jitterPixels } from "./noise.ts";
import type { AugmentationStep } from "./steps.ts";

test("pixel jitter: whole numbers from −20 to 20, each as likely, each on its own", () => {
  const n = 41 * 6000;
  const data = new Uint8Array(n).fill(128);
  jitterPixels(data, 20, [createRandom(1).below(2 ** 32), createRandom(2).below(2 ** 32)]);
  const counts = new Int32Array(41);
  for (const value of data) counts[value - 108]!++;
  // χ² with 40 degrees of freedom: mean 40, and above 80 once in ten thousand times.
  const chi = counts.reduce((sum, count) => sum + (count - 6000) ** 2 / 6000, 0);
  assert.ok(chi < 80, `χ² ${chi}: ${counts.join(" ")}`);
  // Neighbours: in the same pixel, in the next one, in the next row of a picture 32 wide; the deviation is 1/√n.
  for (const distance of [1, 2, 3, 6, 96]) {
    let sum = 0;
    for (let i = 0; i + distance < n; i++) sum += (data[i]! - 128) * (data[i + distance]! - 128);
    const correlation = sum / n / 140;
    assert.ok(Math.abs(correlation) < 5 / Math.sqrt(n), `${distance}: ${correlation}`);
  }
  const other = new Uint8Array(n).fill(128);
  jitterPixels(other, 20, [createRandom(1).below(2 ** 32) + 1, createRandom(2).below(2 ** 32)]);
  let sum = 0;
  for (let i = 0; i < n; i++) sum += (data[i]! - 128) * (other[i]! - 128);
  assert.ok(Math.abs(sum / n / 140) < 5 / Math.sqrt(n), "another key gives other numbers");
});

test("pixel jitter stays within a byte, and an odd last byte is not forgotten", () => {
  for (const value of [0, 255]) {
    const data = new Uint8Array(1001).fill(value);
    jitterPixels(data, 20, [1, 2]);
    assert.ok(data.every((byte) => Math.abs(byte - value) <= 20));
    assert.ok(new Set(data).size === 21);
    const alone = Array.from({ length: 50 }, (_, key) => {
      const byte = new Uint8Array(1).fill(128);
      jitterPixels(byte, 20, [key, 2]);
      return byte[0];
    });
    assert.ok(new Set(alone).size > 10);
  }
});

const grey = { width: 40, height: 40, data: new Uint8Array(40 * 40 * 3).fill(200) };
const size = 32;

function inputOf(step: AugmentationStep, seed: number): Float32Array {
  const standard = standardTraining(size, imagenetPreprocessing);
  const into = new Float32Array(3 * size * size);
  augment(grey, { ...standard, steps: [...standard.steps, step] }, createRandom(seed), into);
  return into;
}

test("cutout takes a square, wholly inside, as often as asked", () => {
  let cut = 0;
  const places = new Set<number>();
  for (let seed = 0; seed < 400; seed++) {
    const input = inputOf({ kind: "cutout", side: 8, probability: 0.5, fill: [200, 0, 0] }, seed);
    const lost = [...input.subarray(size * size, 2 * size * size).entries()].filter(([, value]) => value < 0);
    if (lost.length === 0) continue;
    cut++;
    assert.equal(lost.length, 64);
    const first = lost[0]![0];
    places.add(first % size);
    for (const [i, [at]] of lost.entries()) assert.equal(at, first + Math.floor(i / 8) * size + (i % 8));
  }
  assert.ok(Math.abs(cut - 200) < 50, `${cut} of 400`);
  assert.ok(places.size === 25, `${places.size} columns, of 25`);
});

test("cutout without a colour leaves almost 0, and one that is too large takes all", () => {
  const input = inputOf({ kind: "cutout", side: 99, probability: 1 }, 0);
  assert.ok(input.every((value) => Math.abs(value) < 0.01));
});

test("random erasing is distributed as timm's is", () => {
  for (const { size, count, area, logAspect, left, top, number } of recorded.erased) {
    const step = eraseSchema.parse({ kind: "erase", probability: 1, count });
    const drawn = Array.from({ length: 20_000 }, (_, i) => drawErased(size, step, createRandom(4, i)));
    const boxes = drawn.flat();
    assert.ok(boxes.every((box) => box.left + box.width <= size && box.top + box.height <= size));
    const what = `${size}, ${count}`;
    assertSpread(
      boxes.map((box) => (box.width * box.height) / size ** 2),
      area,
      `${what}: area`,
    );
    assertSpread(
      boxes.map((box) => Math.log(box.height / box.width)),
      logAspect,
      `${what}: aspect`,
    );
    assertSpread(
      boxes.map((box) => box.left / (size - box.width)),
      left,
      `${what}: left`,
    );
    assertSpread(
      boxes.map((box) => box.top / (size - box.height)),
      top,
      `${what}: top`,
    );
    assertSpread(
      drawn.map(({ length }) => length),
      number,
      `${what}: number`,
    );
  }
  const half = eraseSchema.parse({ kind: "erase", probability: 0.25 });
  const erased = Array.from({ length: 20_000 }, (_, i) => Math.min(1, drawErased(32, half, createRandom(i)).length));
  assertSpread(erased, [0.25, Math.sqrt(0.25 * 0.75)], "probability", false);
});

test("random erasing leaves zeros, one number a channel, or noise, and the rest as it was", () => {
  const plain = inputOf({ kind: "pixelJitter", amplitude: 0 }, 5);
  for (const mode of ["const", "rand", "pixel"] as const) {
    const values: number[] = [];
    let most = 0;
    for (let seed = 0; seed < 60; seed++) {
      const input = inputOf(eraseSchema.parse({ kind: "erase", probability: 1, mode }), seed);
      for (let plane = 0; plane < 3; plane++) {
        const own = input.subarray(plane * size * size, (plane + 1) * size * size);
        const lost = own.filter((value) => value !== plain[plane * size * size]);
        most = Math.max(most, new Set(lost).size);
        if (mode === "pixel") values.push(...lost);
        else values.push(lost[0]!);
      }
    }
    if (mode === "const") assert.ok(values.every((value) => value === 0));
    else if (mode === "rand") assert.ok(most === 1 && new Set(values).size === values.length);
    else assertSpread(values, [0, 1], "noise", false);
  }
});
