import assert from "node:assert/strict";
import { test } from "node:test";
import { SenetError } from "../errors.ts";
import { parseCaffemodel } from "../formats/caffemodel.ts";
import { encodeCaffemodel } from "../formats/caffemodel-write.ts";
import { type Shape, sizeOf, type Tensor, tensor } from "../tensor.ts";
import { inferenceGraph, type Model, type ModelConfig, model } from "../zoo/index.ts";
import { namings } from "./namings.ts";
import { caffeSource, namingByName, renameTensors } from "./rename.ts";
import { type NamedModel, weightsAs } from "./write.ts";

const ground = new Float32Array(2 ** 23);
const anyTensor = (shape: Shape): Tensor => tensor(shape, ground.subarray(0, sizeOf(shape)));
const graphOf = (network: Model) => inferenceGraph(network, { batch: 1, imageSize: 64 });
const hollow = (network: Model): NamedModel => ({
  model: network,
  weights: new Map(graphOf(network).parameters.map(({ name, type }) => [name, anyTensor(type.shape)])),
});
/** Other values at each place, in a hundredth of the time that a formula of each takes. */
const ramp = Float32Array.from({ length: 2 ** 16 + 1 }, (_, i) => 0.5 + i / 2 ** 17);
function numbered(network: Model): Map<string, Tensor> {
  const weights = new Map<string, Tensor>();
  for (const { name, type } of graphOf(network).parameters) {
    const data = new Float32Array(sizeOf(type.shape));
    const first = (7919 * weights.size) % ramp.length;
    for (let at = -first; at < data.length; at += ramp.length) {
      data.set(ramp.subarray(Math.max(0, -at), Math.min(ramp.length, data.length - at)), Math.max(0, at));
    }
    weights.set(name, tensor(type.shape, data));
  }
  return weights;
}
const withConfig = (name: string, config: object): Model => {
  const plain = model(name);
  return { ...plain, config: { ...plain.config, ...config } as ModelConfig };
};

/** For each naming one of its networks. */
const networks: Readonly<Record<string, Model>> = {
  caffe: model("se-bn-inception", 10),
  shicai: withConfig("se-resnet-50", { strideOn: "3x3" }),
  matconvnet: model("se-resnet-20"),
  cadene: withConfig("se-resnet-18", { branchRelu: true }),
  moskomule: withConfig("se-resnet-20", { se: { reduction: 4, bias: false } }),
  akamaster: withConfig("resnet-20", { projection: "pad" }),
  mmcls: model("se-resnet-20"),
  senet: model("se-resnet-20"),
  timm: model("se-resnet-20"),
};

const everyNaming = namings.flatMap((naming) => {
  const network = networks[naming.name];
  // Those of ports' own networks are only read.
  if (network === undefined) assert.equal(naming.networks, undefined, naming.name);
  return network === undefined ? [] : [[naming, network] as const];
});
const d = model("se-resnet-18-d", 10);
for (const [naming, network] of [...everyNaming, [namingByName("timm"), d], [namingByName("senet"), d]] as const) {
  test(`${naming.name}: the weights of ${network.name} come back as they were`, () => {
    const graph = graphOf(network);
    const weights = numbered(network);
    let source = weightsAs({ model: network, weights }, naming);
    if (source.kind === "layers") {
      const bytes = new Uint8Array(Buffer.concat(encodeCaffemodel("net", [...source.layers.values()])));
      source = caffeSource(parseCaffemodel(bytes, "net.caffemodel").layers);
    }
    const back = renameTensors(source, graph, naming, "net");
    assert.equal(back.size, weights.size);
    for (const [name, { shape, data }] of weights) {
      const found = back.get(name)!;
      assert.deepEqual(found.shape, shape, name);
      const isMoved = naming.name === "shicai" && name.endsWith("running_var");
      // There the difference of eps goes into the variance and out of it again.
      for (let i = 0; i < data.length; i++) {
        const difference = Math.abs(found.data[i]! - data[i]!);
        if (difference > (isMoved ? 1e-7 * data[i]! : 0)) assert.fail(`${name}, value ${i}`);
      }
    }
  });
}

test("layers are fully connected or convolutions as the naming has them", () => {
  const layersOf = (network: Model, naming: string) => {
    const source = weightsAs(hollow(network), namingByName(naming));
    return source.kind === "layers" ? source.layers : assert.fail(naming);
  };
  const described = (layers: ReturnType<typeof layersOf>, name: string) => {
    const { type, blobs } = layers.get(name)!;
    return [type, ...blobs.map(({ shape }) => shape.join("x"))].join(" ");
  };
  const caffe = layersOf(model("se-resnet-50"), "caffe");
  assert.equal(described(caffe, "conv2_1_1x1_down"), "Convolution 16x256x1x1 16");
  assert.equal(described(caffe, "classifier"), "InnerProduct 1000x2048 1000");
  assert.equal(described(caffe, "conv1/7x7_s2/bn"), "BatchNorm 64 64 1");
  assert.equal(described(caffe, "conv1/7x7_s2/bn/scale"), "Scale 64 64");
  // docs/networks.md, 5.2.
  assert.equal(caffe.size, 192);
  const shicai = layersOf(networks.shicai!, "shicai");
  assert.equal(described(shicai, "fc2_1/sqz"), "InnerProduct 16x256 16");
  assert.equal(described(shicai, "fc6"), "Convolution 1000x2048x1x1 1000");
  const moskomule = weightsAs(hollow(networks.moskomule!), namingByName("moskomule"));
  assert.ok(moskomule.kind === "tensors");
  assert.deepEqual(moskomule.tensors.get("layer1.0.se.fc.0.weight")!.shape, [4, 16]);
});

test("what a network begins with, and what it drops when it learns, is nothing that others must know", () => {
  const network = withConfig("se-resnet-18-d", { lastGamma: 1, dropout: 0.1 });
  assert.equal(weightsAs(hollow(network), namingByName("timm")).kind, "tensors");
});

/** Networks under names that stand for others. */
const wrong: readonly (readonly [network: Model, naming: string, ...words: string[]])[] = [
  [model("se-resnet-50"), "timm", 'strideOn "3x3"', 'strideOn "1x1"', "another naming: caffe, cadene, senet"],
  [model("se-resnet-50"), "shicai", 'strideOn "3x3"'],
  [model("se-resnet-50-modern"), "caffe", 'pool "caffe"', "another naming: mmcls, senet, timm"],
  [
    model("se-resnet-50-modern"),
    "moskomule",
    "SE without biases",
    "SE with biases",
    "another naming: mmcls, senet, timm",
  ],
  [model("se-resnext-50"), "timm", 'pool "padded"'],
  [model("se-resnet-50-d"), "cadene", 'pool "caffe"', "another naming: senet, timm"],
  [model("resnet-50-d"), "mmcls", "has no names for a part of this network", "another naming: senet, timm"],
  [model("se-bn-inception"), "cadene", "has no names for a part of this network", "another naming: caffe, senet"],
  [model("se-resnet-18"), "cadene", "branchRelu true", "another naming: caffe, senet"],
  [withConfig("se-resnet-18", { branchRelu: true, pool: "padded" }), "timm", "branchRelu undefined", "branchRelu true"],
  [model("resnet-50"), "caffe", "has no such network"],
  [model("resnet-20"), "cadene", "has no such network"],
  [model("se-resnet-20"), "akamaster", "has no names for a part of this network", "layer1.0.se.fc1.weight"],
  [
    withConfig("se-resnet-50", { depths: [1, 1, 1, 1], widths: [8, 8, 8, 8] }),
    "cadene",
    "has no such network",
    "another naming: senet",
  ],
];

for (const [network, naming, ...words] of wrong) {
  test(`${network.name} is not written under the names of ${naming}: ${words[0]}`, () => {
    assert.throws(
      () => weightsAs(hollow(network), namingByName(naming)),
      (error) => {
        assert.ok(error instanceof SenetError && error.code === "usage", `${error}`);
        for (const word of words) assert.ok(error.message.includes(word), error.message);
        return true;
      },
    );
  });
}

test("gates without biases have biases of 0 under names whose networks have them, and none under the others'", () => {
  const network = model("moskomule-se-resnet-20-r8");
  const biases = (naming: string) => {
    const source = weightsAs({ model: network, weights: numbered(network) }, namingByName(naming));
    assert.ok(source.kind === "tensors");
    return [...source.tensors].filter(([name]) => /\.se\.fc.*bias$/.test(name));
  };
  const added = biases("timm");
  assert.equal(added.length, 18);
  assert.ok(added.every(([, { data }]) => data.every((value) => value === 0)));
  assert.deepEqual(biases("moskomule"), []);
});
