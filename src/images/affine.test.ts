import assert from "node:assert/strict";
import { test } from "node:test";
import { bytesOf, difference, recorded, source } from "../../tests/augment.ts";
import { createRandom } from "../random.ts";
import { resampleAffine, rotatedBox } from "./affine.ts";
import { resize } from "./resize.ts";

test("a turned crop agrees with OpenCV's warpAffine, and with Pillow where it shrinks", () => {
  assert.equal(recorded.rotations.length, 4);
  for (const { oracle, degrees, box, size, interpolation, pixels } of recorded.rotations) {
    const map = rotatedBox(source, box, degrees, size);
    const found = resampleAffine(source, map, size, size, interpolation, recorded.fill);
    const { mean, largest } = difference(found.data, bytesOf(pixels));
    // OpenCV's cubic is another one (−0.75), and has no antialiasing. The largest are at the edge to the fill's colour.
    const allowed = interpolation === "bicubic" ? 0.6 : oracle === "OpenCV" ? 0.25 : 1.2;
    assert.ok(mean < allowed && largest <= 24, `${oracle}, ${degrees}°, ${interpolation}: ${mean}, ${largest}`);
  }
});

test("without rotation it is what resize makes, but for what a box's edge keeps out", () => {
  const box = { left: 5, top: 7, width: 40, height: 30 };
  for (const [interpolation, allowed] of [
    // Half of a 256th of a pixel, and rounding twice.
    ["bilinear", 2],
    ["bicubic", 2],
    ["linear", 2],
  ] as const) {
    for (const size of [9, 24, 61, 100]) {
      const found = resampleAffine(source, rotatedBox(source, box, 0, size), size, size, interpolation, [0, 0, 0]);
      const expected = resize(source, size, size, interpolation, { box });
      const inner = ({ data }: { data: Uint8Array }) => {
        const edge = Math.ceil(size / 10);
        return data.filter((_, i) => {
          const [x, y] = [Math.floor(i / 3) % size, Math.floor(i / 3 / size)];
          return Math.min(x, y, size - 1 - x, size - 1 - y) >= edge;
        });
      };
      const { largest } = difference(inner(found), inner(expected));
      assert.ok(largest <= allowed, `${interpolation}, ${size}: ${largest}`);
    }
  }
});

test("fine stripes are averaged where a turned picture shrinks: nothing is left to flicker", () => {
  const [width, height] = [200, 160];
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < data.length; i++) data[i] = (Math.floor(i / 3) % width) % 2 === 0 ? 0 : 255;
  const box = { left: 40, top: 30, width: 120, height: 100 };
  const striped = { width, height, data };
  for (const degrees of [-10, 3, 10]) {
    const map = rotatedBox(striped, box, degrees, 20);
    const { data: grey } = resampleAffine(striped, map, 20, 20, "bilinear", [0, 0, 0]);
    assert.ok(
      grey.every((value) => Math.abs(value - 127.5) < 12),
      `${degrees}: ${Math.min(...grey)} to ${Math.max(...grey)}`,
    );
    // Without antialiasing the stripes stand there.
    const { data: stripes } = resampleAffine(striped, map, 20, 20, "linear", [0, 0, 0]);
    assert.ok(Math.max(...stripes) - Math.min(...stripes) > 150);
  }
});

test("one colour stays that colour, and the fill's is where no picture is", () => {
  const flat = { width: 33, height: 21, data: new Uint8Array(33 * 21 * 3).fill(77) };
  for (let i = 0; i < 50; i++) {
    const random = createRandom(i);
    const box = {
      left: random.below(10),
      top: random.below(5),
      width: 1 + random.below(23),
      height: 1 + random.below(16),
    };
    const degrees = 90 * random.uniform() - 45;
    for (const interpolation of ["bilinear", "bicubic", "linear"] as const) {
      const map = rotatedBox(flat, box, degrees, 16);
      const { data } = resampleAffine(flat, map, 16, 16, interpolation, [77, 77, 77]);
      assert.ok(
        data.every((value) => value === 77),
        `${JSON.stringify(box)}, ${degrees}°, ${interpolation}`,
      );
    }
  }
  const away = resampleAffine(flat, { a: 1, b: 0, c: 100, d: 0, e: 1, f: 0 }, 4, 4, "bilinear", [1, 2, 3]);
  assert.deepEqual([...away.data.subarray(0, 6)], [1, 2, 3, 1, 2, 3]);
  const below = resampleAffine(flat, { a: 1, b: 0, c: 0, d: 0, e: 1, f: -50 }, 4, 4, "bilinear", [1, 2, 3]);
  assert.deepEqual([...below.data.subarray(0, 6)], [1, 2, 3, 1, 2, 3]);
});
