/** Networks as timm, torchvision and moskomule have them, against PyTorch (golden/make_modern.py). */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { ortExecutor } from "../src/executors/ort/executor.node.ts";
import type { Graph, Value } from "../src/ir/graph.ts";
import { inferencePasses, runPasses } from "../src/passes/index.ts";
import { inferenceGraph, inputName, type Model, model } from "../src/zoo/index.ts";
import { formulaPictures, formulaWeights } from "./formula.ts";
import { assertSamples, type Samples } from "./samples.ts";
import { assertClose, golden } from "./support.ts";

/** How a network differs from the zoo's. */
interface Changes {
  readonly pool?: "caffe" | "padded";
  readonly se_bias?: boolean;
}

interface Golden {
  readonly networks: readonly {
    readonly model: string;
    readonly imageSize: number;
    readonly classes: number;
    readonly batch: number;
    readonly changes: Changes;
    /** By the name of the node. */
    readonly inner: Readonly<Record<string, Samples>>;
    readonly logits: readonly number[];
  }[];
}

function variant(name: string, classes: number, { pool, se_bias: bias }: Changes): Model {
  const network = model(name, classes);
  const { config } = network;
  assert.ok(config.family === "resnet" && config.se !== undefined);
  const se = { ...config.se, ...(bias !== undefined && { bias }) };
  return { ...network, config: { ...config, ...(pool && { pool }), se } };
}

const { networks } = JSON.parse(readFileSync(golden("modern.json"), "utf8")) as Golden;

for (const { model: name, imageSize, classes, batch, changes, inner, logits } of networks) {
  const what = Object.entries(changes).map(([key, value]) => `, ${key} ${value}`);
  test(`${name} at ${imageSize}${what.join("")} gives PyTorch's values`, async () => {
    const plain = inferenceGraph(variant(name, classes, changes), { batch, imageSize });
    const watched = Object.keys(inner).map((nodeName): [string, Value] => {
      const node = plain.nodes.find((node) => node.name === nodeName);
      return [nodeName, node?.outputs[0] ?? assert.fail(`there is no node ${nodeName}`)];
    });
    const graph: Graph = { ...plain, outputs: new Map([...plain.outputs, ...watched]) };
    const program = runPasses({ graph, weights: formulaWeights(graph) }, inferencePasses);
    const executable = await ortExecutor.compile(program.graph, program.weights);
    const outputs = await executable.run(new Map([[inputName, formulaPictures(batch, imageSize, 0)]]));
    for (const [nodeName, samples] of Object.entries(inner)) assertSamples(outputs.get(nodeName)!, samples, nodeName);
    assertClose(outputs.get("logits")!.data, logits, 1e-4, "logits");
    await executable.dispose();
  });
}
