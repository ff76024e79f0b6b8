import assert from "node:assert/strict";
import { test } from "node:test";
import { looksLength } from "../images/facts.ts";
import { createRandom } from "../random.ts";
import { equalGroups, type Looks, mostDistance, mostSimilar } from "./copies.ts";

test("equal marks are grouped; what was not decoded equals nothing", () => {
  const marks = Float64Array.from([5, 1, Number.NaN, 5, 2, 1, Number.NaN, 5]);
  assert.deepEqual(equalGroups(marks), [
    [0, 3, 7],
    [1, 5],
  ]);
  assert.deepEqual(equalGroups(new Float64Array(0)), []);
});

/** Each of `count` pictures is one of `kinds` looks with up to `most` bits turned. */
function looksLike(seed: number, count: number, kinds: Uint16Array, most: number): Uint16Array {
  const random = createRandom(seed);
  const bits = new Uint16Array(count * looksLength);
  for (let place = 0; place < count; place++) {
    const kind = random.below(kinds.length / looksLength);
    bits.set(kinds.subarray(kind * looksLength, (kind + 1) * looksLength), place * looksLength);
    for (let turned = random.below(most + 1); turned > 0; turned--) {
      bits[place * looksLength + random.below(looksLength)]! ^= 1 << random.below(16);
    }
  }
  return bits;
}

const ones = (value: number): number => value.toString(2).replaceAll("0", "").length;
const distanceOf = (a: Uint16Array, i: number, b: Uint16Array, j: number): number =>
  Array.from({ length: looksLength }, (_, k) => ones(a[i * looksLength + k]! ^ b[j * looksLength + k]!)).reduce(
    (x, y) => x + y,
  );

test("the most similar one is what comparing all with all gives, for every distance that may be asked for", () => {
  const random = createRandom(1);
  const kinds = Uint16Array.from({ length: 12 * looksLength }, () => random.below(2 ** 16));
  const all = (count: number) => Uint32Array.from({ length: count }, (_, place) => place);
  const pictures: Looks = { bits: looksLike(2, 60, kinds, 24), places: all(60).filter((place) => place % 7 !== 3) };
  const others: Looks = { bits: looksLike(3, 80, kinds, 24), places: all(80).filter((place) => place % 5 !== 1) };
  let found = 0;
  for (const most of [0, 1, 7, 16, 30, mostDistance]) {
    const expected = [...pictures.places].flatMap((place) => {
      const distances = [...others.places].map((other) => distanceOf(pictures.bits, place, others.bits, other));
      const distance = Math.min(...distances);
      return distance <= most ? [{ place, other: others.places[distances.indexOf(distance)]!, distance }] : [];
    });
    assert.deepEqual(mostSimilar(pictures, others, most), expected, `${most}`);
    found += expected.length;
  }
  assert.ok(found > 60, `${found}`);
});

test("many pictures that look the same cost no more than one", () => {
  const bits = new Uint16Array(20_000 * looksLength);
  const places = Uint32Array.from({ length: 20_000 }, (_, place) => place);
  const start = performance.now();
  const similar = mostSimilar({ bits, places }, { bits, places }, 10);
  assert.ok(similar.length === 20_000 && similar.every(({ other, distance }) => other === 0 && distance === 0));
  // All with all would be 400 million comparisons, sixteen times.
  assert.ok(performance.now() - start < 5000);
});
