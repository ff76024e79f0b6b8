/** Networks that others defined and trained: Caffe's definitions imported layer by layer, and PyTorch's CIFAR ResNet-20. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { differentiate } from "../src/autodiff/differentiate.ts";
import { ortExecutor } from "../src/executors/ort/executor.node.ts";
import { referenceExecutor } from "../src/executors/reference/reference.ts";
import { type CaffeLayer, parseCaffemodel } from "../src/formats/caffemodel.ts";
import { parsePrototxt } from "../src/formats/prototxt.ts";
import { resize } from "../src/images/resize.ts";
import { importCaffeNetwork } from "../src/import/caffe-network.ts";
import { graphCost } from "../src/ir/cost.ts";
import { type Shape, sizeOf, type Tensor, tensor } from "../src/tensor.ts";
import { hardTargets } from "../src/train/targets.ts";
import { openWeights } from "../src/weights/open.node.ts";
import { inferenceGraph, inputName, lossGraph, type Model, targetsName, zooEntry } from "../src/zoo/index.ts";
import { formulaLabels, formulaPictures, formulaWeights, uniform } from "./formula.ts";
import { originalTests, prototxt } from "./originals.ts";
import { assertClose, golden, needsShared, sharedData } from "./support.ts";
import { bytesOf } from "./weights.ts";

originalTests(["SE-BN-Inception", "SE-ResNet-50"]);

/** golden/make_foreign.py */
interface Golden {
  readonly "cifar10_res20_iter_64000.caffemodel": readonly (readonly number[])[];
  readonly "resnet20-12fca82f.th": readonly (readonly number[])[];
  readonly "foreign.prototxt": {
    readonly layers: readonly {
      readonly name: string;
      readonly type: string;
      readonly shapes: readonly Shape[];
      /** Of the first blob; the others have those after it. */
      readonly stream: number;
    }[];
    readonly logits: readonly (readonly number[])[];
  };
}

const expected = JSON.parse(readFileSync(golden("foreign.json"), "utf8")) as Golden;

async function logits(
  model: Model,
  weights: ReadonlyMap<string, Tensor>,
  pictures: Tensor,
  executor = ortExecutor,
): Promise<Tensor> {
  const graph = inferenceGraph(model, { batch: pictures.shape[0]!, imageSize: pictures.shape[2]! });
  const executable = await executor.compile(graph, weights);
  const outputs = await executable.run(new Map([[inputName, pictures]]));
  await executable.dispose();
  return outputs.get("logits")!;
}

/** As `blob` of make_foreign.py. */
function foreignBlob(type: string, index: number, shape: Shape, stream: number): Tensor {
  const value = (u: number): number => {
    const isWeight = index === 0 && (type === "Convolution" || type === "InnerProduct");
    if (isWeight) return (2 * u - 1) * Math.sqrt(6 / sizeOf(shape.slice(1)));
    // Mean and variance themselves, a factor that is not used, gamma and beta.
    if (type === "Fused") return [0.2 * (u - 0.5), 0.5 + u, 3, 0.5 + 0.5 * u, 0.2 * (u - 0.5)][index]!;
    if (type === "BatchNorm") return [20 * 0.2 * (u - 0.5), 20 * (0.5 + u), 20][index]!;
    return type === "Scale" && index === 0 ? 0.5 + 0.5 * u : 0.2 * (u - 0.5);
  };
  const data = Float32Array.from({ length: sizeOf(shape) }, (_, i) => value(uniform(stream, i)));
  return tensor(shape, data);
}

test("a network of every layer that is imported gives what OpenCV gives", async () => {
  const { layers, logits: theirs } = expected["foreign.prototxt"];
  const caffeLayers = layers.map(({ name, type, shapes, stream }): CaffeLayer => {
    const blobs = shapes.map((shape, i) => foreignBlob(type, i, shape, stream + i));
    return { name, type, bottoms: [], tops: [], blobs, definition: { where: name, fields: new Map() } };
  });
  const definition = parsePrototxt(bytesOf(golden("foreign.prototxt")), "foreign.prototxt");
  const { model, weights } = importCaffeNetwork(definition, caffeLayers, "foreign.prototxt");
  assert.deepEqual([model.name, model.classes], ["small", 5]);
  for (const executor of [referenceExecutor, ortExecutor]) {
    const found = await logits(model, weights, formulaPictures(2, 13, 0), executor);
    assertClose(found.data, theirs.flat(), 1e-4, "logits");
  }
});

/** golden/make_definitions.py */
type Definitions = Readonly<Record<string, Golden["foreign.prototxt"] & { readonly prototxt: string }>>;
const {
  "made by": _,
  resized,
  ...definitions
} = JSON.parse(readFileSync(golden("definitions.json"), "utf8")) as {
  readonly "made by": unknown;
  readonly resized: Readonly<Record<string, readonly number[]>>;
};

test("pictures are brought to a width and a height as OpenCV does it", () => {
  const data = Uint8Array.from({ length: 36 * 40 * 3 }, (_, i) => Math.floor(256 * uniform(7, i)));
  for (const [size, bytes] of Object.entries(resized)) {
    const [width, height] = size.split("x").map(Number) as [number, number];
    const found = resize({ width: 40, height: 36, data }, width, height, "linear").data;
    assert.equal(found.length, bytes.length);
    // It rounds once where we round twice.
    for (const [i, byte] of bytes.entries()) assert.ok(Math.abs(found[i]! - byte) <= 1, `${size}, ${i}`);
  }
});

for (const [name, { prototxt: text, layers, logits: theirs }] of Object.entries(definitions as Definitions)) {
  test(`a definition with ${name} gives what OpenCV gives`, async () => {
    const caffeLayers = layers.map(({ name, type, shapes, stream }): CaffeLayer => {
      const blobs = shapes.map((shape, i) => foreignBlob(type, i, shape, stream + i));
      return { name, type, bottoms: [], tops: [], blobs, definition: { where: name, fields: new Map() } };
    });
    const definition = parsePrototxt(new TextEncoder().encode(text), name);
    const { model, weights } = importCaffeNetwork(definition, caffeLayers, name);
    for (const executor of [referenceExecutor, ortExecutor]) {
      const found = await logits(model, weights, formulaPictures(2, 13, 0), executor);
      assertClose(found.data, theirs.flat(), 1e-5, name);
    }
  });
}

const cifar = "cifar10_res20_iter_64000.caffemodel";
test(`${cifar} with its prototxt gives OpenCV's logits`, needsShared("weights", cifar), async () => {
  const { layers, definition } = parseCaffemodel(bytesOf(sharedData("weights", cifar)), cifar);
  const pictures = formulaPictures(4, 32, 0);
  for (let i = 0; i < pictures.data.length; i++) pictures.data[i] = Math.fround(60 * pictures.data[i]!);
  // The caffemodel holds the network of the training phase, which is the same but for the data.
  for (const source of [prototxt("weights", "res20_cifar_train_test.prototxt"), definition]) {
    const { model, weights, input } = importCaffeNetwork(source, layers, source.where);
    assert.ok(model.config.family === "layers" && model.config.imageSize === 32);
    assert.match(input!.normalization!.meanFile!, /binaryproto$/);
    const found = await logits(model, weights, pictures);
    assertClose(found.data, expected[cifar].flat(), 1e-4, source.where);
  }
});

const torchFile = "resnet20-12fca82f.th";
test(`${torchFile} gives PyTorch's logits`, needsShared("weights", torchFile), async () => {
  const { model, weights } = await openWeights(sharedData("weights", torchFile));
  assert.ok(model.config.family === "resnet" && model.config.projection === "pad");
  const found = await logits(model, weights, formulaPictures(4, 32, 0));
  assertClose(found.data, expected[torchFile].flat(), 1e-4, torchFile);
});

/** A CIFAR network of the literature: its shortcuts have no parameters. */
function padded(name: string): Model {
  const { config, classes } = zooEntry(name);
  assert.ok(config.family === "resnet");
  return { name, config: { ...config, projection: "pad" }, classes };
}

test("the CIFAR networks of the literature have as many parameters as their authors count", () => {
  const counts = { "resnet-20": 269_722, "resnet-32": 464_154, "resnet-56": 853_018, "resnet-110": 1_727_962 };
  for (const [name, count] of Object.entries(counts)) {
    assert.equal(graphCost(inferenceGraph(padded(name), { batch: 1, imageSize: 32 })).parameters, count, name);
  }
});

for (const name of ["resnet-20", "se-resnet-20"]) {
  test(`${name} with padded shortcuts has the same gradients under both executors`, async () => {
    const graph = differentiate(lossGraph(padded(name), { batch: 2, imageSize: 16 }));
    const inputs = new Map([
      [inputName, formulaPictures(2, 16, 0)],
      [targetsName, hardTargets(formulaLabels(2, 10, 0), { dtype: "float32", shape: [2, 10] })],
    ]);
    const run = async (executor: typeof ortExecutor) => {
      const executable = await executor.compile(graph, formulaWeights(graph));
      const outputs = new Map([...(await executable.run(inputs))].map(([name, { data }]) => [name, data.slice()]));
      await executable.dispose();
      return outputs;
    };
    const [found, truth] = [await run(ortExecutor), await run(referenceExecutor)];
    assert.equal(found.size, graph.outputs.size);
    for (const [output, values] of truth) assertClose(found.get(output)!, values, 1e-3, output);
  });
}

test(
  "det2.caffemodel has its blobs, and its prototxt names the layer that is not supported",
  needsShared("weights", "det2.caffemodel"),
  () => {
    const { layers } = parseCaffemodel(bytesOf(sharedData("weights", "det2.caffemodel")), "det2.caffemodel");
    const withBlobs = layers.filter(({ blobs }) => blobs.length > 0);
    assert.deepEqual(
      withBlobs.map(({ name, blobs }) => [name, ...blobs.map(({ shape }) => shape.join("x"))]),
      [
        ["conv1", "28x3x3x3", "28"],
        ["prelu1", "28"],
        ["conv2", "48x28x3x3", "48"],
        ["prelu2", "48"],
        ["conv3", "64x48x2x2", "64"],
        ["prelu3", "64"],
        ["conv4", "128x576", "128"],
        ["prelu4", "128"],
        ["conv5-1", "2x128", "2"],
        ["conv5-2", "4x128", "4"],
        ["conv5-3", "10x128", "10"],
      ],
    );
    assert.throws(
      () => importCaffeNetwork(prototxt("weights", "det2.prototxt"), layers, "det2.prototxt"),
      /det2\.prototxt:\d+: layer "prelu1": layers of the type "PReLU" are not supported/,
    );
  },
);
