import assert from "node:assert/strict";
import { test } from "node:test";
import { permuted } from "./formats/permuted.ts";
import { allFinite, type Tensor, tensor } from "./tensor.ts";

const floats = (...values: number[]): Tensor => tensor([values.length], Float32Array.from(values));

test("one value that is not finite is found wherever it is", () => {
  for (let length = 0; length <= 9; length++) {
    assert.ok(allFinite(floats(...Array.from({ length }, (_, i) => i - 3))));
    for (let place = 0; place < length; place++) {
      for (const bad of [Number.NaN, Infinity, -Infinity]) {
        assert.ok(
          !allFinite(floats(...Array.from({ length }, (_, i) => (i === place ? bad : 1)))),
          `${bad} at ${place}`,
        );
      }
    }
  }
  assert.ok(!allFinite(floats(Infinity, 0, 0, 0, -Infinity)), "infinities do not cancel");
  assert.ok(allFinite(floats(3e38, 3e38, 3e38, 3e38, 3e38)), "large values are finite");
});

test("every permutation of axes puts each element where its index says, axes of one place among them", () => {
  const orders = (axes: readonly number[]): number[][] =>
    axes.length === 0 ? [[]] : axes.flatMap((axis) => orders(axes.filter((a) => a !== axis)).map((o) => [axis, ...o]));
  const place = (shape: readonly number[], index: readonly number[]): number =>
    shape.reduce((at, extent, axis) => at * extent + index[axis]!, 0);
  for (const shape of [[], [5], [2, 3, 4, 5], [2, 1, 3, 1], [1, 1], [2, 0, 3]]) {
    const size = shape.reduce((a, b) => a * b, 1);
    const source = tensor(
      shape,
      Float32Array.from({ length: size }, (_, i) => i),
    );
    for (const from of orders([...shape.keys()])) {
      const moved = permuted(source, from);
      assert.deepEqual(
        moved.shape,
        from.map((axis) => shape[axis]),
        `${from}`,
      );
      for (let i = 0; i < size; i++) {
        let rest = i;
        const index = [...shape].map(() => 0);
        for (let axis = shape.length - 1; axis >= 0; axis--) {
          index[axis] = rest % shape[axis]!;
          rest = Math.floor(rest / shape[axis]!);
        }
        assert.equal(
          moved.data[
            place(
              moved.shape,
              from.map((axis) => index[axis]!),
            )
          ],
          i,
          `${shape} from ${from}`,
        );
      }
    }
  }
});
