import assert from "node:assert/strict";
import { test } from "node:test";
import { assertClose } from "../../tests/support.ts";
import { createRandom } from "../random.ts";
import { orthogonal } from "./orthogonal.ts";

const random = createRandom(3);
const matrix = (rows: number, columns: number) => Float64Array.from({ length: rows * columns }, () => random.normal());
const turned = (x: ArrayLike<number>, rows: number, columns: number) =>
  Float64Array.from({ length: x.length }, (_, i) => x[(i % rows) * columns + Math.floor(i / rows)]!);

test("what comes out is nearly orthogonal, of the length that was asked for, and does not depend on the given one", () => {
  const [rows, columns] = [6, 40];
  const x = matrix(rows, columns);
  const found = orthogonal(x, rows, columns, 1 / Math.sqrt(columns));
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < rows; j++) {
      let product = 0;
      for (let k = 0; k < columns; k++) product += found[i * columns + k]! * found[j * columns + k]!;
      // The iteration leaves singular values between 0.7 and 1.2.
      assert.ok(Math.abs(product - (i === j ? 1 : 0)) < 0.5, `rows ${i} and ${j}: ${product}`);
    }
  }
  const doubled = orthogonal(
    x.map((value) => 1e3 * value),
    rows,
    columns,
    2 / Math.sqrt(columns),
  );
  assertClose(
    doubled,
    found.map((value) => 2 * value),
    1e-12,
    "of a matrix a thousand times as long",
  );
});

test("a tall matrix is a wide one turned round, and nothing stays nothing", () => {
  const x = matrix(7, 3);
  const wide = orthogonal(turned(x, 7, 3), 3, 7, 0.2);
  assertClose(orthogonal(x, 7, 3, 0.2), turned(wide, 3, 7), 1e-12, "tall");
  assert.deepEqual(orthogonal(new Float64Array(6), 2, 3, 0.2), new Float64Array(6));
  // A row's direction: 3.4445 and so on of 1, five times.
  const [one] = orthogonal([5], 1, 1, 1);
  assert.ok(Math.abs(one! - 1) < 0.31, `${one}`);
});
