/** The seven released networks against OpenCV on the original prototxts (golden/make_caffe.py). */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { ortExecutor } from "../src/executors/ort/executor.node.ts";
import { encodeCaffemodel } from "../src/formats/caffemodel-write.ts";
import { caffeSource, namingByName, renameTensors } from "../src/import/rename.ts";
import type { Graph, Value } from "../src/ir/graph.ts";
import { inferencePasses, runPasses } from "../src/passes/index.ts";
import { type Shape, sizeOf, type Tensor, tensor } from "../src/tensor.ts";
import { loadWeights } from "../src/weights/load.ts";
import { openFiles } from "../src/weights/open.ts";
import { inferenceGraph, inputName, model } from "../src/zoo/index.ts";
import { type CaffePart, caffeLayers } from "./caffe.ts";
import { formulaPictures, uniform } from "./formula.ts";
import { everyExecutor } from "./onednn.ts";
import { assertSamples, type Samples } from "./samples.ts";
import { golden } from "./support.ts";

interface Golden {
  readonly networks: Readonly<
    Record<
      string,
      {
        readonly gamma: number;
        /** Of all blobs together. */
        readonly floats: number;
        readonly inner: Readonly<Record<string, Samples>>;
        readonly logits: Samples;
      }
    >
  >;
}

/** FNV-1a of 32 bits. */
function streamOf(text: string): number {
  let h = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) h = Math.imul(h ^ byte, 0x01000193);
  return h;
}

const places: Readonly<Record<CaffePart, number>> = {
  weight: 0,
  bias: 1,
  gamma: 0,
  beta: 1,
  mean: 0,
  variance: 1,
  factor: 2,
};

/** The blobs of golden/make_caffe.py. */
function formulaBlob(gamma: number, shape: Shape, part: CaffePart, layer: string): Tensor {
  const stream = streamOf(`${layer}:${places[part]}`);
  const bound = Math.sqrt(6 / sizeOf(shape.slice(1)));
  const factor = 1 + 998 * uniform(streamOf(`${layer}:2`), 0);
  const value: Readonly<Record<CaffePart, (u: number) => number>> = {
    weight: (u) => (2 * u - 1) * bound,
    bias: (u) => 0.2 * (u - 0.5),
    gamma: (u) => gamma + 0.5 * u,
    beta: (u) => 0.2 * (u - 0.5),
    mean: (u) => factor * 0.2 * (u - 0.5),
    variance: (u) => factor * (0.5 + u),
    factor: () => factor,
  };
  const data = new Float32Array(sizeOf(shape));
  for (let i = 0; i < data.length; i++) data[i] = value[part](uniform(stream, i));
  return tensor(shape, data);
}

/** What our graph calls the output of one of Caffe's layers. */
function nodeName(layer: string): string {
  const pool = /^pool([12])\/3x3_s2$/.exec(layer);
  if (pool !== null) return `pool${pool[1]}`;
  const inception = /^(inception_\d\w)_(scale|prob)$/.exec(layer);
  if (inception !== null) return `${inception[1]}.${inception[2] === "scale" ? "scale" : "se.gate"}`;
  const block = /^conv(\d)_(\d+)(\/relu|_prob)$/.exec(layer);
  if (block === null) return assert.fail(layer);
  return `layer${Number(block[1]) - 1}.${Number(block[2]) - 1}.${block[3] === "/relu" ? "relu" : "se.gate"}`;
}

function outputOf(graph: Graph, name: string): Value {
  const node = graph.nodes.find((node) => node.name === name || (name === "pool1" && node.name === "maxpool"));
  return node?.outputs[0] ?? assert.fail(`there is no node ${name}`);
}

const { networks } = JSON.parse(readFileSync(golden("caffe.json"), "utf8")) as Golden;

test("all seven networks have golden values", () => {
  assert.equal(Object.keys(networks).length, 7);
});

for (const [name, expected] of Object.entries(networks)) {
  test(`${name} gives OpenCV's values on the original prototxt`, async () => {
    const plain = inferenceGraph(model(name.toLowerCase()), { batch: 1, imageSize: 224 });
    const inner = Object.keys(expected.inner).map((layer): [string, Value] => [
      layer,
      outputOf(plain, nodeName(layer)),
    ]);
    const graph: Graph = { ...plain, outputs: new Map([...plain.outputs, ...inner]) };
    const naming = namingByName("caffe");
    assert.ok(naming.style === "caffe");
    const layers = caffeLayers(graph, naming, (shape, part, layer) => formulaBlob(expected.gamma, shape, part, layer));
    const floats = layers.flatMap(({ blobs }) => blobs).reduce((sum, { data }) => sum + data.length, 0);
    assert.equal(floats, expected.floats);

    const weights = loadWeights(graph, renameTensors(caffeSource(layers), graph, naming, name), name);
    const program = runPasses({ graph, weights }, inferencePasses);
    const executable = await ortExecutor.compile(program.graph, program.weights);
    const outputs = await executable.run(new Map([[inputName, formulaPictures(1, 224, 0)]]));
    for (const [layer, samples] of Object.entries(expected.inner)) assertSamples(outputs.get(layer)!, samples, layer);
    assertSamples(outputs.get("logits")!, expected.logits, "logits");
    await executable.dispose();
  });
}

interface GoldenShicai {
  readonly definition: string;
  readonly floats: number;
  readonly blobs: number;
  readonly logits: Samples;
}

test("shicai's caffemodel, by itself and with its definition, gives OpenCV's logits (golden/make_shicai.py)", async () => {
  const expected: GoldenShicai = JSON.parse(readFileSync(golden("shicai.json"), "utf8"));
  const naming = namingByName("shicai");
  assert.ok(naming.style === "caffe");
  const plain = inferenceGraph(model("shicai-se-resnet-50"), { batch: 1, imageSize: 225 });
  const layers = caffeLayers(plain, naming, (shape, part, layer) => formulaBlob(0.25, shape, part, layer)).map(
    ({ name, type, blobs: [weight, ...others] }) => {
      // As its definition has them: gates are matrices, the classifier is a convolution.
      if (type !== "InnerProduct" && type !== "Convolution") return { name, type, blobs: [weight!, ...others] };
      const isMatrix = naming.matrices.test(name);
      const [out = 1, into = 1, height = 1, width = 1] = weight!.shape;
      const shape = isMatrix ? [out, into] : [out, into, height, width];
      return { name, type: isMatrix ? "InnerProduct" : "Convolution", blobs: [{ ...weight!, shape }, ...others] };
    },
  );
  const blobs = layers.flatMap((layer) => layer.blobs);
  assert.deepEqual(
    [blobs.length, blobs.reduce((sum, { data }) => sum + data.length, 0)],
    [expected.blobs, expected.floats],
  );
  const caffemodel = { where: "se.caffemodel", bytes: new Uint8Array(Buffer.concat(encodeCaffemodel("SE", layers))) };
  const prototxt = { where: "deploy.prototxt", bytes: new TextEncoder().encode(expected.definition) };
  for (const files of [[caffemodel], [prototxt, caffemodel]]) {
    const { checkpoint, naming: found } = await openFiles(files);
    assert.deepEqual([checkpoint.model.name, found], ["shicai-se-resnet-50", "shicai"]);
    const graph = inferenceGraph(checkpoint.model, { batch: 1, imageSize: 225 });
    const program = runPasses({ graph, weights: checkpoint.weights }, inferencePasses);
    const what = files.map(({ where }) => where).join();
    // The same network twice need not be computed by all of them again.
    const executors = files.length === 1 ? everyExecutor() : { ort: ortExecutor };
    for (const [engine, executor] of Object.entries(executors)) {
      const executable = await executor.compile(program.graph, program.weights);
      const outputs = await executable.run(new Map([[inputName, formulaPictures(1, 225, 0)]]));
      assertSamples(outputs.get("logits")!, expected.logits, `${what}, ${engine}`);
      await executable.dispose();
    }
  }
});
