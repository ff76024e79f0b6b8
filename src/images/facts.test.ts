import assert from "node:assert/strict";
import { test } from "node:test";
import { createRandom } from "../random.ts";
import { Fact, looksBits, looksLength, writeFacts } from "./facts.ts";
import { type Picture, resize } from "./resize.ts";

const facts = (picture: Picture): Float32Array => {
  const row = new Float32Array(Fact.side ** 2).fill(Number.NaN);
  writeFacts(picture, row);
  return row;
};

function noise(seed: number, width: number, height: number): Picture {
  const random = createRandom(seed);
  return { width, height, data: Uint8Array.from({ length: 3 * width * height }, () => random.below(256)) };
}

const pixels = (row: Float32Array): string => row.subarray(Fact.pixels, Fact.pixels + 4).join();
const looks = (row: Float32Array): number[] => [...row.subarray(Fact.looks, Fact.looks + looksLength)];
const differing = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((sum, bits, i) => sum + (bits ^ b[i]!).toString(2).replaceAll("0", "").length, 0);

test("size, means and mean squares of the channels", () => {
  const picture = noise(1, 37, 23);
  const row = facts(picture);
  assert.deepEqual([row[Fact.width], row[Fact.height]], [37, 23]);
  for (let channel = 0; channel < 3; channel++) {
    const values = [...picture.data].filter((_, i) => i % 3 === channel);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const square = values.reduce((sum, value) => sum + value ** 2, 0) / values.length;
    assert.equal(row[Fact.mean + channel], Math.fround(mean));
    assert.equal(row[Fact.square + channel], Math.fround(square));
  }
  assert.ok(row.every(Number.isFinite));
});

test("the pixels' mark is that of equal pixels alone, wherever they lie in memory", () => {
  const picture = noise(2, 13, 7);
  const mark = pixels(facts(picture));
  for (const offset of [1, 2, 3, 4]) {
    const memory = new Uint8Array(picture.data.length + offset);
    memory.set(picture.data, offset);
    assert.equal(pixels(facts({ ...picture, data: memory.subarray(offset) })), mark);
  }
  const marks = new Set([mark, pixels(facts({ ...picture, width: 7, height: 13 }))]);
  for (let at = 0; at < picture.data.length; at++) {
    const changed = picture.data.slice();
    changed[at]! ^= 1 << (at % 8);
    marks.add(pixels(facts({ ...picture, data: changed })));
  }
  assert.equal(marks.size, picture.data.length + 2);
});

test("looks are of which neighbour is lighter: bit by bit on the very grid", () => {
  const picture = noise(3, 17, 16);
  const grey = (x: number, y: number): number => {
    const [red, green, blue] = picture.data.subarray(3 * (17 * y + x));
    return 299 * red! + 587 * green! + 114 * blue!;
  };
  const expected = Array.from({ length: 16 }, (_, y) =>
    Number.parseInt(Array.from({ length: 16 }, (_, x) => (grey(x, y) < grey(x + 1, y) ? "1" : "0")).join(""), 2),
  );
  assert.deepEqual(looks(facts(picture)), expected);
});

test("scaled, lightened and turned to fewer colours a picture keeps its looks; others have other ones", () => {
  const blobs = (seed: number) => resize(noise(seed, 8, 8), 160, 120, "bicubic");
  const original = looks(facts(blobs(4)));
  const { width, height, data } = blobs(4);
  const changes: readonly Picture[] = [
    resize(blobs(4), 80, 60, "bilinear"),
    resize(blobs(4), 320, 100, "bicubic"),
    { width, height, data: data.map((value) => Math.min(255, value * 0.8 + 20)) },
    { width, height, data: data.map((value) => value & 0xf0) },
  ];
  for (const changed of changes) assert.ok(differing(original, looks(facts(changed))) <= 16);
  for (let seed = 5; seed < 30; seed++) {
    assert.ok(differing(original, looks(facts(blobs(seed)))) > looksBits / 5);
  }
});
