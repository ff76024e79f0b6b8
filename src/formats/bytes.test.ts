import assert from "node:assert/strict";
import { test } from "node:test";
import { halves } from "./bytes.ts";
import { toHalves } from "./half.ts";

test("every float16 comes back as its own bits", () => {
  const all = Uint16Array.from({ length: 2 ** 16 }, (_, bits) => bits).filter(
    (bits) => (bits & 0x7c00) !== 0x7c00 || (bits & 1023) === 0,
  );
  assert.deepEqual(toHalves(halves(all)), all);
  assert.deepEqual(toHalves([Number.NaN]), Uint16Array.of(0x7e00));
});

test("float16 values are what their bits say", () => {
  const values = halves(Uint16Array.of(0x0001, 0x03ff, 0x0400, 0x3c00, 0xc000, 0x7bff, 0x8000, 0x7c00, 0xfc00, 0x7e01));
  const expected = [2 ** -24, 1023 * 2 ** -24, 2 ** -14, 1, -2, 65504, -0, Infinity, -Infinity, Number.NaN];
  assert.deepEqual(Array.from(values), expected);
});

test("other numbers become the nearest float16, of two as near the even one, as NumPy has it", () => {
  // numpy.float16 of each, as bits.
  const cases: readonly (readonly [number, number])[] = [
    ...([
      [1 + 2 ** -11, 0x3c00],
      [1 + 3 * 2 ** -11, 0x3c02],
      [1 + 2 ** -11 + 2 ** -20, 0x3c01],
    ] as const),
    ...([
      [65504, 0x7bff],
      [65519.996, 0x7bff],
      [65520, 0x7c00],
      [-1e9, 0xfc00],
    ] as const),
    ...([
      [2 ** -25, 0],
      [2 ** -25 * 1.001, 1],
      [-(2 ** -24) * 1.5, 0x8002],
      [2 ** -14 - 2 ** -26, 0x0400],
    ] as const),
    ...([
      [0.1, 0x2e66],
      [-0, 0x8000],
      [1 / 3, 0x3555],
      [1999.7, 0x67d0],
    ] as const),
  ];
  for (const [value, bits] of cases) assert.equal(toHalves([value])[0], bits, `${value}`);
});
