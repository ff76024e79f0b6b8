import assert from "node:assert/strict";
import { test } from "node:test";
import { fromBf16, toBf16 } from "./bf16.ts";

const there = (values: readonly number[]): Float32Array => {
  const short = new Uint16Array(values.length);
  toBf16(Float32Array.from(values), short);
  const back = new Float32Array(values.length);
  fromBf16(short, back);
  return back;
};

test("what eight bits hold comes back, the rest as the nearest of them, of two the even one", () => {
  const exact = [0, 1, -2.5, 2 ** 127, 2 ** -130, Infinity, -Infinity];
  assert.deepEqual([...there(exact)], exact);
  const step = 2 ** -7;
  assert.deepEqual(
    [...there([1 + 0.4 * step, 1 + 0.6 * step, 1 + 0.5 * step, 1 + 1.5 * step])],
    [1, 1 + step, 1, 1 + 2 * step],
  );
});

test("what is no number stays none, and the largest numbers become infinite", () => {
  const [nan, large] = there([Number.NaN, 3.4e38]);
  assert.ok(Number.isNaN(nan));
  assert.equal(large, Infinity);
  // A NaN whose upper half alone would be infinity.
  const bits = Uint32Array.of(0x7f800001);
  const short = new Uint16Array(1);
  toBf16(new Float32Array(bits.buffer), short);
  const back = new Float32Array(1);
  fromBf16(short, back);
  assert.ok(Number.isNaN(back[0]));
});
