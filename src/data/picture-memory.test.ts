import assert from "node:assert/strict";
import { test } from "node:test";
import { pictureMemory } from "./picture-memory.node.ts";

const mebibyte = 2 ** 20;
const sizes = (cacheMib: number | undefined, availableMib: number) => {
  const { cache, decodingBytes } = pictureMemory(
    cacheMib === undefined ? undefined : cacheMib * mebibyte,
    availableMib * mebibyte,
  );
  return { cache: cache.byteLength / mebibyte, decoding: decodingBytes / mebibyte };
};

test("by default pictures kept and pictures at work take a quarter of what is available, together", () => {
  assert.deepEqual(sizes(undefined, 1600), { cache: 200, decoding: 200 });
  assert.deepEqual(sizes(undefined, 16_384), { cache: 3072, decoding: 1024 });
  // However much there is.
  assert.deepEqual(sizes(undefined, 65_536), { cache: 4096, decoding: 1024 });
  // However little: something must be decoded.
  assert.deepEqual(sizes(undefined, 200), { cache: 18, decoding: 32 });
  assert.deepEqual(sizes(undefined, 0), { cache: 0, decoding: 32 });
});

test("a cache that is asked for is granted up to a third of what is available", () => {
  assert.deepEqual(sizes(0, 1600), { cache: 0, decoding: 200 });
  assert.deepEqual(sizes(300, 1500), { cache: 300, decoding: 150 });
  assert.deepEqual(sizes(4096, 1500), { cache: 500, decoding: 125 });
});
