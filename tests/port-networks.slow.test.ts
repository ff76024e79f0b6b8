/** Logits of the ports' networks by their own code (shared/reference/ports/golden), on every executor. */

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import type { Executor } from "../src/executors/executor.ts";
import { ortExecutor } from "../src/executors/ort/executor.node.ts";
import { referenceExecutor } from "../src/executors/reference/reference.ts";
import { describeExecutors, selectExecutor } from "../src/executors/select.node.ts";
import type { Graph } from "../src/ir/graph.ts";
import type { Tensor } from "../src/tensor.ts";
import { inferenceGraph, inputName, type Model, model } from "../src/zoo/index.ts";
import { formulaPictures } from "./formula.ts";
import { portNames, portWeights } from "./port-networks.ts";
import { listedWeights, takiWeights } from "./port-orders.ts";
import { assertClose, sharedData } from "./support.ts";

interface Golden {
  readonly variables: number;
  readonly input: readonly [batch: number, channels: number, side: number, width: number];
  /** Of each picture, at most the first twenty. */
  readonly logits: readonly (readonly number[])[];
  readonly sum?: number;
}

interface Case {
  /** The golden file, and the network's name in it. */
  readonly file: string;
  readonly key: string;
  readonly network: Model;
  weights(graph: Graph): ReadonlyMap<string, Tensor>;
  /** Variables of theirs, where ours are not one each. */
  readonly variables?: number;
}

const named = (file: string, names: keyof typeof portNames, key: string, network: Model): Case => ({
  ...{ file, key, network },
  weights: (graph) => portWeights(graph, portNames[names]),
});

const listed = (file: string, key: string, list: string, network: Model, gain: number): Case => ({
  ...{ file, key, network },
  weights: (graph) =>
    listedWeights(graph, readFileSync(sharedData("..", "reference", "ports", "lists", `${list}.txt`), "utf8"), gain),
});

const bruinxiong = (key: string, name: string) => named("bruinxiong", "bruinxiong", key, model(`bruinxiong-${name}`));

const tensorpack = (names: keyof typeof portNames, key: string, name: string) =>
  named("tensorpack", names, `tensorpack ${key}`, model(`tensorpack-${name}`));

/** SE-ResNet-164 with so many units a stage. */
function nutszebra(key: string, n: number, reduction?: number): Case {
  const { config, ...rest } = model(`nutszebra-${reduction === undefined ? "" : "se-"}resnet-164`);
  assert.ok(config.family === "preact");
  const se = reduction && { se: { reduction, bias: true } };
  const network: Model = { ...rest, config: { ...config, ...se, depths: [n, n, n] } };
  return named("nutszebra", "nutszebra", `nutszebra-${key}`, network);
}

const cases: readonly Case[] = [
  tensorpack("tensorpack", "se-resnet-50 (HEAD, post-activation)", "se-resnet-50"),
  tensorpack(
    "tensorpackPreact",
    "se-preact-resnet-50 of 2017-07-29 (ec1bea93): no ReLU between the two layers",
    "se-preact-resnet-50-july",
  ),
  tensorpack("tensorpackPreact", "se-preact-resnet-50 of 2017-08-27 (34f0dd6d): with ReLU", "se-preact-resnet-50"),
  tensorpack(
    "tensorpackEnds",
    "se-preact-resnet-50 of 2017-08-29 (6a143365): bnlast in each group",
    "se-preact-resnet-50",
  ),
  bruinxiong("se-resnext-50 64 groups", "se-resnext-50"),
  bruinxiong("se-resnext-50 32 groups", "se-resnext-50-32x4d"),
  bruinxiong("se-resnext-18", "se-resnext-18"),
  bruinxiong("se-resnet-50 preact", "se-resnet-50"),
  bruinxiong("se-resnet-18 preact", "se-resnet-18"),
  bruinxiong("cifar se-resnet-20 preact", "se-resnet-20-cifar"),
  bruinxiong("cifar se-resnet-164 preact", "se-resnet-164-cifar"),
  bruinxiong("cifar se-resnext-20", "se-resnext-20-cifar"),
  bruinxiong("cifar se-resnext-164 32 groups", "se-resnext-164-cifar"),
  listed("bruinxiong", "se-inception-v4", "mxnet-se-inception-v4", model("bruinxiong-se-inception-v4"), 3),
  listed(
    ...(["bruinxiong", "se-inception-resnet-v2", "mxnet-se-inception-resnet-v2"] as const),
    ...([model("bruinxiong-se-inception-resnet-v2"), 2.5] as const),
  ),
  named("moskomule", "moskomule", "moskomule preact_resnet20 (baseline)", model("moskomule-preact-resnet-20")),
  nutszebra("se-resnet n=1 r=4", 1, 4),
  nutszebra("se-resnet n=2 r=8", 2, 8),
  nutszebra("se-resnet-164 n=18 r=16", 18, 16),
  nutszebra("resnet n=2", 2),
  {
    ...{ file: "taki0112", key: "taki0112 SE_ResNeXt", network: model("taki0112-se-resnext-29") },
    ...{ weights: takiWeights, variables: 789 },
  },
  listed("taki0112", "taki0112 SE_Inception_v4", "taki-se-inception-v4", model("taki0112-se-inception-v4"), 3),
  listed(
    ...(["taki0112", "taki0112 SE_Inception_resnet_v2", "taki-se-inception-resnet-v2"] as const),
    ...([model("taki0112-se-inception-resnet-v2"), 3] as const),
  ),
];

const onednn = (await describeExecutors()).find(({ name }) => name === "onednn")!;
const executors: Readonly<Record<string, Executor>> = {
  reference: referenceExecutor,
  ort: ortExecutor,
  ...(onednn.available && { onednn: (await selectExecutor({ name: "onednn" })).executor }),
};

for (const { file, key, network, weights, variables } of cases) {
  const path = sharedData("..", "reference", "ports", "golden", `${file}.json`);
  const skip = existsSync(path) ? false : `${path} is absent`;
  test(key, { skip }, async () => {
    const expected = (JSON.parse(readFileSync(path, "utf8")) as Record<string, Golden>)[key]!;
    const [batch, , side] = expected.input;
    const graph = inferenceGraph(network, { batch, imageSize: side });
    assert.equal(variables ?? graph.parameters.length, expected.variables);
    const drawn = weights(graph);
    const inputs = new Map([[inputName, formulaPictures(batch, side, 0)]]);
    for (const [name, executor] of Object.entries(executors)) {
      const executable = await executor.compile(graph, drawn);
      const { shape, data } = (await executable.run(inputs)).get("logits")!;
      await executable.dispose();
      const width = Math.min(20, shape[1]!);
      const found = expected.logits.flatMap((_, i) => [...data.slice(i * shape[1]!, i * shape[1]! + width)]);
      assertClose(found, expected.logits.flat(), 1e-4, `${name}: logits`);
      const sum = [...data].reduce((sum, value) => sum + value, 0);
      if (expected.sum !== undefined) assertClose([sum], [expected.sum], 1e-3, `${name}: sum of all logits`);
    }
  });
}
