import { test } from "node:test";
import { formulaWeights } from "../../tests/formula.ts";
import { refused } from "../../tests/weights.ts";
import { imagenetPreprocessing } from "../images/preprocess.ts";
import { namingByName } from "../import/rename.ts";
import { type Tensor, tensor } from "../tensor.ts";
import { inferenceGraph, model } from "../zoo/index.ts";
import type { RunState } from "./checkpoint.ts";
import { encodeCheckpoint } from "./checkpoint-write.ts";
import { decodeCheckpoint } from "./decode-checkpoint.ts";
import { encodeWeights } from "./encode.ts";
import { openFiles } from "./open.ts";
import { checkSound } from "./sound.ts";

const of = (...values: number[]): Tensor => tensor([values.length], Float32Array.from(values));

test("the first tensor that is not finite is named, with its value, and how many there are", async () => {
  const weights = new Map([
    ["a.weight", of(1, 2)],
    ["b.running_var", of(1, Number.NaN)],
    ["c.weight", of(Number.POSITIVE_INFINITY)],
  ]);
  await refused(() => checkSound(weights, "net.pth"), "net.pth", 'NaN (value 1) in "b.running_var"; 2 of 3 tensors');
  checkSound(new Map([["a.weight", of(-1e30, 3e38)]]), "net.pth");
});

test("a variance below zero is no variance, but rounding is forgiven", async () => {
  await refused(() => checkSound(new Map([["bn.running_var", of(1, -0.5)]]), "f"), "a variance of -0.5 (value 1)");
  checkSound(new Map([["bn.running_var", of(0, -1e-9)]]), "f");
  checkSound(new Map([["bn.running_mean", of(-5)]]), "f");
});

const network = model("se-resnet-20", 3);
const broken = (() => {
  const weights = formulaWeights(inferenceGraph(network, { batch: 1, imageSize: 32 }));
  weights.get("layer2.1.bn2.running_var")!.data[3] = Number.NaN;
  return { model: network, labels: ["a", "b", "c"], preprocessing: imagenetPreprocessing, weights };
})();
const joined = (chunks: readonly Uint8Array[]) => new Uint8Array(Buffer.concat(chunks));

for (const [naming, name] of [
  ["senet", "layer2.1.bn2.running_var"],
  ["mmcls", "backbone.layer2.1.bn2.running_var"],
  ["caffe", "conv3_2_3x3"],
] as const) {
  test(`${naming}: a network that has diverged does not open, and its tensor has the file's name`, async () => {
    const bytes = joined(encodeWeights(broken, namingByName(naming)));
    await refused(() => openFiles([{ bytes, where: "file" }]), "NaN (value 3)", name, "1 of ");
  });
}

test("nor does a run go on from one, or from momenta that are not finite", async () => {
  const run = (velocities: ReadonlyMap<string, Tensor>): RunState => ({
    config: {},
    state: {},
    optimizer: new Map([["velocity", velocities]]),
  });
  const velocities = () => new Map([...broken.weights].filter(([name]) => !/running/.test(name)));
  const of = (velocities: ReadonlyMap<string, Tensor>, weights = broken.weights) =>
    joined(encodeCheckpoint({ ...broken, weights, run: run(velocities) }));
  await refused(() => decodeCheckpoint(of(velocities()), "last"), "NaN (value 3)", "layer2.1.bn2.running_var");
  const sound = formulaWeights(inferenceGraph(network, { batch: 1, imageSize: 32 }));
  const bad = velocities().set("fc.bias", of3(Number.NEGATIVE_INFINITY));
  await refused(() => decodeCheckpoint(of(bad, sound), "last"), "-Infinity (value 0)", "velocity/fc.bias");
});

const of3 = (value: number): Tensor => tensor([3], Float32Array.of(value, 0, 0));
