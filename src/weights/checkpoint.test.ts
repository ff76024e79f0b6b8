import assert from "node:assert/strict";
import { test } from "node:test";
import { SenetError } from "../errors.ts";
import { parseSafetensors } from "../formats/safetensors.ts";
import { encodeSafetensors } from "../formats/safetensors-write.ts";
import { imagenetPreprocessing } from "../images/preprocess.ts";
import { isTrainable } from "../ir/graph.ts";
import { inferencePasses, runPasses } from "../passes/index.ts";
import { eightBitValues, quantizableLayers } from "../passes/quantize.ts";
import { quantizeProgram } from "../passes/quantize-weights.ts";
import { type Tensor, tensor, zeros } from "../tensor.ts";
import { inferenceGraph, model } from "../zoo/index.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { encodeCheckpoint } from "./checkpoint-write.ts";
import { decodeCheckpoint } from "./decode-checkpoint.ts";
import { initialWeights } from "./init.ts";

const network = model("se-resnet-20", 3);
const graph = inferenceGraph(network, { batch: 1, imageSize: 32 });
const checkpoint: Checkpoint = {
  model: network,
  labels: ["cat", "dög", "a b"],
  preprocessing: { ...imagenetPreprocessing, resize: 37, crop: 32, interpolation: "bicubic" },
  weights: initialWeights(graph, 5),
};
const velocities = new Map(
  graph.parameters.filter(isTrainable).map(({ name, type }, i) => {
    const velocity = zeros(type.dtype, type.shape);
    velocity.data.fill(i / 8);
    return [name, velocity];
  }),
);
const optimizer = new Map([["velocity", velocities]]);
const run = { config: { epochs: 3, seed: 7 }, state: { epoch: 1, step: 2, list: [1.5, null] }, optimizer };
const bytesOf = (chunks: readonly Uint8Array[]): Buffer => Buffer.concat(chunks);
const sorted = (tensors: ReadonlyMap<string, Tensor>) => new Map([...tensors].sort(([a], [b]) => (a < b ? -1 : 1)));

test("a weight file says all that is needed to use it", () => {
  const found = decodeCheckpoint(bytesOf(encodeCheckpoint(checkpoint)), "best.safetensors");
  assert.deepEqual(found.model, checkpoint.model);
  assert.deepEqual(found.labels, checkpoint.labels);
  assert.deepEqual(found.preprocessing, checkpoint.preprocessing);
  assert.deepEqual(sorted(found.weights), sorted(checkpoint.weights));
  assert.equal(found.run, undefined);
});

test("a network in eight bits comes back as it was written, and is read strictly", () => {
  const program = runPasses({ graph, weights: checkpoint.weights }, inferencePasses);
  const layers = quantizableLayers(program.graph);
  const scales = Object.fromEntries(eightBitValues(program.graph, layers).map(({ value }) => [value.name, 0.02]));
  const quantization = { layers: layers.map(({ name }) => name), scales, method: "mse", images: 8 };
  const { weights } = quantizeProgram(program, quantization);
  const file = bytesOf(encodeCheckpoint({ ...checkpoint, weights, quantization }));
  const found = decodeCheckpoint(file, "int8.safetensors");
  assert.deepEqual(found.quantization, quantization);
  assert.deepEqual(sorted(found.weights), sorted(weights));
  assert.equal(found.weights.get("conv1.weight")!.dtype, "int8");
  assert.ok(file.length < 0.35 * bytesOf(encodeCheckpoint(checkpoint)).length, `${file.length} bytes`);

  const { tensors, metadata } = parseSafetensors(file, "int8");
  const refused = (change: (tensors: Map<string, Tensor>, said: Record<string, unknown>) => void, reason: RegExp) => {
    const changed = new Map(tensors);
    const said = structuredClone({ ...quantization }) as Record<string, unknown>;
    change(changed, said);
    const text = new Map([...metadata, ["quantization", JSON.stringify(said)]]);
    const bytes = bytesOf(encodeSafetensors(changed, text));
    assert.throws(
      () => decodeCheckpoint(bytes, "bad.safetensors"),
      (error) => error instanceof SenetError && error.code === "weights" && reason.test(error.message),
    );
  };
  refused((changed) => changed.delete("conv1.weight_scale"), /missing +conv1\.weight_scale/);
  refused(
    (changed) => changed.set("conv1.weight", checkpoint.weights.get("conv1.weight")!),
    /misshapen +conv1\.weight/,
  );
  refused((changed) => changed.set("more", zeros("float32", [1])), /unexpected +more/);
  refused((_, said) => Object.assign(said, { layers: ["layer1.0.se.fc1"] }), /cannot be in eight bits/);
  refused((_, said) => Object.assign(said, { scales: {} }), /has no scale/);
  refused((_, said) => Object.assign(said, { scales: { ...scales, relu1: 0 } }), /quantization/);
  refused((_, said) => Object.assign(said, { other: 1 }), /quantization/);
});

test("a run's state and the optimiser's come back apart from the weights", () => {
  const found = decodeCheckpoint(bytesOf(encodeCheckpoint({ ...checkpoint, run })), "last.safetensors");
  assert.deepEqual(sorted(found.weights), sorted(checkpoint.weights));
  assert.deepEqual(found.run?.config, run.config);
  assert.deepEqual(found.run?.state, run.state);
  assert.deepEqual([...found.run!.optimizer.keys()], ["velocity"]);
  assert.deepEqual(sorted(found.run!.optimizer.get("velocity")!), sorted(velocities));
});

test("a run of before there were other optimisers than SGD opens as one of SGD", () => {
  const { tensors, metadata } = parseSafetensors(bytesOf(encodeCheckpoint({ ...checkpoint, run })), "last");
  const old = new Map([...tensors].map(([key, value]) => [key.replace("optimizer/velocity/", "velocity/"), value]));
  const said = new Map(metadata);
  said.delete("optimizer");
  assert.ok(old.has("velocity/fc.weight"));
  const found = decodeCheckpoint(bytesOf(encodeSafetensors(old, said)), "last.safetensors");
  assert.deepEqual(sorted(found.run!.optimizer.get("velocity")!), sorted(velocities));
});

test("a checkpoint that was read is written with the same bytes again, whatever order its keys had", () => {
  const { channels, ...rest } = checkpoint.preprocessing;
  const preprocessing = { ...rest, channels };
  const bytes = bytesOf(encodeCheckpoint({ ...checkpoint, run }));
  for (const again of [decodeCheckpoint(bytes, "last"), { ...checkpoint, preprocessing, run }]) {
    assert.ok(bytesOf(encodeCheckpoint(again)).equals(bytes));
  }
});

test("an optimiser's state is whole, slot by slot", () => {
  const two = new Map([
    ["mean", velocities],
    ["square", velocities],
  ]);
  const bytes = bytesOf(encodeCheckpoint({ ...checkpoint, run: { ...run, optimizer: two } }));
  assert.deepEqual([...decodeCheckpoint(bytes, "last").run!.optimizer.keys()], ["mean", "square"]);
  const { tensors, metadata } = parseSafetensors(bytes, "last");
  const less = new Map(tensors);
  less.delete("optimizer/square/fc.bias");
  refused(bytesOf(encodeSafetensors(less, metadata)), "optimizer/square/fc.bias");
});

test("what is frozen has no state, and that alone", () => {
  const some = new Map([...velocities].filter(([name]) => name.startsWith("fc.")));
  const bytes = bytesOf(encodeCheckpoint({ ...checkpoint, run: { ...run, optimizer: new Map([["velocity", some]]) } }));
  const { tensors, metadata } = parseSafetensors(bytes, "last");
  const found = decodeCheckpoint(bytes, "last.safetensors");
  assert.deepEqual(sorted(found.run!.optimizer.get("velocity")!), sorted(some));
  assert.equal(found.weights.size, checkpoint.weights.size);
  const less = new Map(tensors);
  less.delete("optimizer/velocity/fc.bias");
  refused(bytesOf(encodeSafetensors(less, metadata)), "missing     optimizer/velocity/fc.bias");
  const silent = new Map(metadata);
  silent.delete("frozen");
  refused(bytesOf(encodeSafetensors(tensors, silent)), "missing     optimizer/velocity/conv1.weight");
});

test("a baseline without squeeze and excitation comes back as one", () => {
  const plain = model("resnet-20", 3);
  const weights = initialWeights(inferenceGraph(plain, { batch: 1, imageSize: 32 }), 0);
  const found = decodeCheckpoint(bytesOf(encodeCheckpoint({ ...checkpoint, model: plain, weights })), "plain");
  assert.deepEqual(found.model, plain);
  assert.ok(found.model.config.family === "resnet" && found.model.config.se === undefined);
});

/** Asserts that the bytes are refused by an error that names the file and has all of `parts`. */
function refused(bytes: Uint8Array, ...parts: string[]): void {
  assert.throws(
    () => decodeCheckpoint(bytes, "runs/a/last.safetensors"),
    (error) => {
      assert.ok(error instanceof SenetError, `a SenetError, not ${error instanceof Error ? error.stack : error}`);
      assert.equal(error.code, "weights");
      assert.ok(error.message.startsWith("runs/a/last.safetensors: "), error.message);
      for (const part of parts) assert.ok(error.message.includes(part), `"${part}" is not in: ${error.message}`);
      return true;
    },
  );
}

const whole = parseSafetensors(bytesOf(encodeCheckpoint({ ...checkpoint, run })), "whole");

/** The checkpoint of a run with some of its metadata and tensors changed; `undefined` leaves one out. */
function changed(
  metadata: Readonly<Record<string, string | undefined>>,
  tensors: Readonly<Record<string, Tensor | undefined>> = {},
): Uint8Array {
  const change = <T>(map: ReadonlyMap<string, T>, changes: Readonly<Record<string, T | undefined>>) => {
    const result = new Map(map);
    for (const [key, value] of Object.entries(changes)) {
      if (value === undefined) result.delete(key);
      else result.set(key, value);
    }
    return result;
  };
  return bytesOf(encodeSafetensors(change(whole.tensors, tensors), change(whole.metadata, metadata)));
}

test("the changes of these tests change nothing by themselves", () => {
  assert.deepEqual(decodeCheckpoint(changed({}), "same").model, network);
});

test("a truncated file is refused wherever it ends", () => {
  const bytes = bytesOf(encodeCheckpoint({ ...checkpoint, run }));
  const lengths = [0, 1, 7, 8, 9, 100, 5_000, bytes.length >> 1, bytes.length - 4, bytes.length - 1];
  for (const length of lengths) refused(bytes.subarray(0, length));
  refused(Buffer.concat([bytes, Uint8Array.of(0)]));
});

test("a file that is no safetensors, or not ours, is refused as that", () => {
  refused(new TextEncoder().encode("<html><body>404 Not Found</body></html>"));
  refused(new Uint8Array(1000));
  refused(changed({ format: undefined }), "was not written by senet", 'format "senet-1"');
  refused(changed({ format: "senet-2" }), "was not written by senet");
  const foreign = bytesOf(encodeSafetensors(new Map([["conv1.weight", zeros("float32", [1])]]), new Map()));
  refused(foreign, "was not written by senet", "no metadata");
});

const json = JSON.stringify;
const { config } = network;

test("every kind of damaged metadata is refused by its key", () => {
  const damaged: readonly (readonly [key: string, value: string | undefined, part?: string])[] = [
    ["model", undefined, "nothing"],
    ["model", "{", "{"],
    ["model", "null"],
    ["model", json({ name: "se-resnet-20", config })],
    ["model", json({ ...network, classes: 0 }), "classes"],
    ["model", json({ ...network, classes: 2.5 }), "classes"],
    ["model", json({ ...network, extra: 1 }), "extra"],
    ["model", json({ ...network, config: { ...config, stem: "vit" } }), "config.stem"],
    ["model", json({ ...network, config: { ...config, depths: [] } }), "config.depths"],
    ["model", json({ ...network, config: { ...config, depths: [1e9] } }), "config.depths"],
    ["model", json({ ...network, config: { ...config, depths: [3, 3, 3, 3] } }), "as many widths as depths"],
    ["model", json({ ...network, config: { ...config, widths: [16, 32, -64] } }), "config.widths"],
    ["model", json({ ...network, config: { ...config, se: { reduction: 0, bias: true } } }), "config.se.reduction"],
    ["model", json({ ...network, config: { ...config, block: "bottleneck", groups: 3 } }), "do not divide into groups"],
    ["labels", undefined, "nothing"],
    ["labels", '["cat", "dog"'],
    ["labels", "[1, 2, 3]"],
    ["labels", '{"0": "cat"}'],
    ["preprocessing", undefined, "nothing"],
    ["preprocessing", "[]"],
    ["preprocessing", json({ ...checkpoint.preprocessing, mean: [0, 0] }), "mean"],
    ["preprocessing", json({ ...checkpoint.preprocessing, std: [1, 0, 1] }), "std"],
    ["preprocessing", json({ ...checkpoint.preprocessing, crop: 0 }), "crop"],
    ["preprocessing", json({ ...checkpoint.preprocessing, resize: 1e6 }), "resize"],
    ["preprocessing", json({ ...checkpoint.preprocessing, interpolation: "nearest" }), "interpolation"],
    ["state", '{"epoch": 1,'],
    ["config", undefined, "nothing"],
    ["config", "epochs=3"],
  ];
  for (const [key, value, part = ""] of damaged) {
    refused(changed({ [key]: value }), `the metadata "${key}" cannot be used`, part);
  }
});

test("labels that are not as many as the classes are refused", () => {
  refused(changed({ labels: '["cat", "dog"]' }), "labels do not fit the model", "3 labels", "2");
});

test("the tensors of another model are refused, and all faults listed at once", () => {
  const other = model("se-resnet-32", 3);
  refused(changed({ model: json(other) }), "not the weights of se-resnet-32", "missing     layer1.3.conv1.weight");
  const plain = model("resnet-20", 3);
  refused(changed({ model: json(plain) }), "not the weights of resnet-20", "unexpected  layer1.0.se.fc1.weight");
  const four = { ...network, classes: 4 };
  const labels = json(["a", "b", "c", "d"]);
  refused(
    changed({ model: json(four), labels }),
    "misshapen   fc.weight: the model has float32[4, 64], the file float32[3, 64]",
    "misshapen   fc.bias",
    "misshapen   optimizer/velocity/fc.bias",
  );
  const doubles = tensor([3], new Float64Array(3));
  refused(
    changed({}, { "fc.bias": doubles, "conv1.weight": undefined, "fc.biased": zeros("float32", [3]) }),
    "3 faults",
    "misshapen   fc.bias: the model has float32[3], the file float64[3]",
    "missing     conv1.weight",
    "unexpected  fc.biased",
  );
});

test("a run without all of its velocities cannot go on", () => {
  refused(changed({}, { "optimizer/velocity/conv1.weight": undefined }), "missing     optimizer/velocity/conv1.weight");
  refused(
    changed({}, { "optimizer/velocity/fc.bias": zeros("float32", [2]) }),
    "misshapen   optimizer/velocity/fc.bias",
  );
  refused(
    changed({}, { "optimizer/velocity/bn1.running_mean": zeros("float32", [16]) }),
    "unexpected  optimizer/velocity/bn1.running_mean",
  );
  // Without a state they have no business there.
  refused(changed({ state: undefined }), "unexpected  optimizer/velocity/");
});
