import assert from "node:assert/strict";
import { test } from "node:test";
import { GraphBuilder } from "../ir/builder.ts";
import { initialisations } from "../nn/init.ts";
import { conv2d, linear } from "../nn/layers.ts";
import { Scope } from "../nn/scope.ts";
import { gate } from "../nn/se.ts";
import { initialWeights } from "./init.ts";

/** A 3×3 convolution of 2 groups from 32 to 64 channels, a gate, a classifier of 50 classes, with that beginning. */
function begun(init: (typeof initialisations)[number]) {
  const builder = new GraphBuilder("test");
  const scope = new Scope(builder, { training: false, dtype: "float32" }).styled({ init });
  const image = builder.input("image", [1, 32, 4, 4]);
  const x = conv2d(scope.at("conv"), image, { out: 64, kernel: 3, groups: 2 });
  const gates = gate(scope.at("se"), x, { reduction: 2, bias: true });
  builder.output("y", linear(scope.at("fc"), scope.at("flat").apply("flatten", [gates], {}), 50));
  const weights = initialWeights(builder.build(), 5);
  return (name: string) => {
    const { data } = weights.get(`${name}.weight`)!;
    let [most, squares, sum] = [0, 0, 0];
    for (const value of data) {
      most = Math.max(most, Math.abs(value));
      sum += value;
      squares += value * value;
    }
    return { data, most, mean: sum / data.length, deviation: Math.sqrt(squares / data.length) };
  };
}

const isAbout = (found: number, expected: number) =>
  assert.ok(Math.abs(found / expected - 1) < 0.05, `${found}, expected ${expected}`);

test("weights begin as their network's port has it: by which fan, and how they are spread", () => {
  const fans = { in: 16 * 9, out: 32 * 9 };
  const expected: Record<string, readonly [conv: number, gate: number, classifier: number]> = {
    he: [Math.sqrt(2 / fans.in), Math.sqrt(2 / 64), 0.01],
    "he everywhere": [Math.sqrt(2 / fans.in), Math.sqrt(2 / 64), Math.sqrt(2 / 64)],
    tensorpack: [Math.sqrt(2 / fans.out), Math.sqrt(2 / 64), 0.01],
    "he by fan-out": [Math.sqrt(2 / fans.out), Math.sqrt(1 / 64 / 3), Math.sqrt(1 / 64 / 3)],
    "he by fan-in": [Math.sqrt(2 / fans.in), Math.sqrt(1 / 64 / 3), Math.sqrt(1 / 64 / 3)],
    glorot: [Math.sqrt(2 / (fans.in + fans.out)), Math.sqrt(2 / 96), Math.sqrt(2 / 114)],
    orthonormal: [Math.sqrt(2 / fans.in), Math.sqrt(2 / 64), Math.sqrt(2 / 64)],
  };
  assert.deepEqual(Object.keys(expected), initialisations);
  for (const init of initialisations) {
    const of = begun(init);
    const [conv, gate, classifier] = expected[init]!;
    isAbout(of("conv").deviation, conv);
    isAbout(of("se.fc1").deviation, gate);
    isAbout(of("fc").deviation, classifier);
  }
});

test("a cut normal has nothing beyond two deviations of what it was cut from, a uniform one nothing beyond its bound", () => {
  const cut = begun("tensorpack")("conv");
  const bound = (2 / 0.8796) * Math.sqrt(2 / (32 * 9));
  assert.ok(cut.most <= bound && cut.most > 0.97 * bound, `${cut.most}, ${bound}`);
  const uniform = begun("glorot")("conv");
  const limit = Math.sqrt(6 / (16 * 9 + 32 * 9));
  assert.ok(uniform.most <= limit && uniform.most > 0.99 * limit);
});

test("orthonormal filters: each position of a kernel sees the inputs at right angles to the others", () => {
  const { data, mean } = begun("orthonormal")("conv");
  assert.ok(Math.abs(mean) < 1e-6);
  // Less the mean of them all, which is small, and of one length.
  const column = (output: number, position: number) =>
    Array.from({ length: 16 }, (_, input) => data[(output * 16 + input) * 9 + position]!);
  const dot = (a: number[], b: number[]) => a.reduce((sum, value, i) => sum + value * b[i]!, 0);
  const length = dot(column(3, 0), column(3, 0));
  for (const [a, b] of [
    [0, 1],
    [2, 8],
    [4, 5],
  ] as const) {
    assert.ok(Math.abs(dot(column(3, a), column(3, b))) < 0.02 * length);
    isAbout(dot(column(3, b), column(3, b)), length);
  }
});
