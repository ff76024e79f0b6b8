import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { caffeLayers } from "../../tests/caffe.ts";
import { needsShared, sharedData } from "../../tests/support.ts";
import { networks } from "../../tests/zoo.ts";
import { SenetError } from "../errors.ts";
import { bareLayers } from "../formats/caffe-hdf5.ts";
import { allOf, oneOf, parsePrototxt } from "../formats/prototxt.ts";
import type { Graph } from "../ir/graph.ts";
import { sizeOf, type Tensor, tensor } from "../tensor.ts";
import { loadWeights } from "../weights/load.ts";
import { inferenceGraph, model, zoo } from "../zoo/index.ts";
import type { CaffeNaming, TorchNaming } from "./naming.ts";
import { namings } from "./namings.ts";
import {
  caffePlace,
  caffeSource,
  detectNaming,
  namingByName,
  renameTensors,
  torchName,
  type WeightSource,
} from "./rename.ts";

const graphOf = (name: string): Graph => inferenceGraph(model(name), { batch: 1, imageSize: 64 });
const torchNaming = (name: string): TorchNaming => {
  const naming = namingByName(name);
  return naming.style === "torch" ? naming : assert.fail(name);
};
const caffeNaming = (name: string): CaffeNaming => {
  const naming = namingByName(name);
  return naming.style === "caffe" ? naming : assert.fail(name);
};

/** Memory that all tensors of a large network share: only names and shapes matter here. */
const ground = new Float32Array(2 ** 25);
const anyTensor = (shape: readonly number[]): Tensor => tensor(shape, ground.subarray(0, sizeOf(shape)));
const ones = (length: number, value = 1): Tensor => tensor([length], new Float32Array(length).fill(value));

/** A state_dict of a model in a naming, with what PyTorch adds. */
function stateDict(graph: Graph, naming: TorchNaming): Map<string, Tensor> {
  const tensors = new Map<string, Tensor>();
  for (const { name, role, type } of graph.parameters) {
    const theirs = torchName(naming, name, role)!;
    const axes = type.shape.length === 4 ? [2, 3, 1, 0] : type.shape.length === 2 ? [1, 0] : [0];
    const isTurned = naming.axes === "HWIO";
    tensors.set(theirs, anyTensor(isTurned ? axes.map((axis) => type.shape[axis]!) : type.shape));
    if (theirs.endsWith("running_var")) {
      tensors.set(theirs.replace("running_var", "num_batches_tracked"), tensor([], new Int32Array(1)));
    }
  }
  return tensors;
}

function failure(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof SenetError && error.code === "weights", `${error}`);
    return error.message;
  }
  return assert.fail("nothing was thrown");
}

/** The models that somebody has names for: the original's Caffe layers are bottlenecks and Inception modules. */
function hasNames(naming: string, name: string): boolean {
  const { config, port } = zoo.get(name)!;
  if (port !== undefined) return false;
  if (naming === "senet") return true;
  if (config.family === "inception") return naming === "caffe";
  assert.ok(config.family === "resnet");
  if (config.projection === "average") return naming === "timm";
  if (naming === "akamaster") return config.stem !== "deep" && config.se === undefined;
  if (naming === "moskomule" || naming === "mmcls" || naming === "shicai") {
    const isBottleneck = naming !== "shicai" || config.block === "bottleneck";
    return config.stem !== "deep" && isBottleneck;
  }
  return !["caffe", "matconvnet"].includes(naming) || config.block === "bottleneck";
}

/** Those of ports' own networks are tested beside them. */
const usual = namings.filter(({ networks }) => networks !== undefined);

for (const naming of usual) {
  test(`${naming.name}: every parameter of every model has one name, and no two the same`, () => {
    let checked = 0;
    for (const [name] of networks) {
      if (!hasNames(naming.name, name)) continue;
      const { parameters } = graphOf(name);
      const theirs = parameters.map((parameter) => {
        if (naming.style === "torch") return torchName(naming, parameter.name, parameter.role);
        const place = caffePlace(naming, parameter);
        return place && JSON.stringify(place);
      });
      assert.ok(!theirs.includes(undefined), `${name}: ${parameters[theirs.indexOf(undefined)]?.name} has no name`);
      assert.equal(new Set(theirs).size, parameters.length, name);
      checked++;
    }
    assert.ok(checked >= 5, `${checked} models`);
  });
}

test("as many tensors as the published files have", () => {
  const counts = {
    "se-resnet-50": 331,
    "se-resnext-50": 331,
    "se-resnet-101": 654,
    "se-resnext-101": 654,
    "se-resnet-152": 977,
    "senet-154": 987,
    "se-bn-inception": 387,
  };
  for (const [name, count] of Object.entries(counts)) {
    assert.equal(graphOf(name).parameters.length, count, name);
  }
});

test("names of PyTorch's files", () => {
  const named = (naming: string, ...ours: string[]) => ours.map((name) => torchName(torchNaming(naming), name));
  assert.deepEqual(
    named("cadene", "conv1.weight", "stem.bn3.running_var", "layer2.0.se.fc1.bias", "layer1.0.downsample.1.weight"),
    ["layer0.conv1.weight", "layer0.bn3.running_var", "layer2.0.se_module.fc1.bias", "layer1.0.downsample.1.weight"],
  );
  assert.deepEqual(named("cadene", "fc.bias"), ["last_linear.bias"]);
  assert.deepEqual(
    named("timm", "stem.conv1.weight", "stem.bn1.bias", "stem.conv2.weight", "stem.bn2.bias", "stem.conv3.weight"),
    ["conv1.0.weight", "conv1.1.bias", "conv1.3.weight", "conv1.4.bias", "conv1.6.weight"],
  );
  assert.deepEqual(named("timm", "stem.bn3.weight", "layer3.22.se.fc2.weight", "fc.weight"), [
    "bn1.weight",
    "layer3.22.se.fc2.weight",
    "fc.weight",
  ]);
  // timm counts the pooling of a shortcut too.
  assert.deepEqual(named("timm", "layer2.0.downsample.1.weight", "layer2.0.downsample.2.running_var"), [
    "layer2.0.downsample.1.weight",
    "layer2.0.downsample.2.running_var",
  ]);
  assert.deepEqual(named("moskomule", "layer1.0.se.fc1.weight", "layer1.0.se.fc2.weight"), [
    "layer1.0.se.fc.0.weight",
    "layer1.0.se.fc.2.weight",
  ]);
});

for (const naming of usual.filter((naming) => naming.style === "torch")) {
  test(`${naming.name}: a file of each model becomes its weights, and is known by its names`, () => {
    let renamed = 0;
    for (const [name] of networks) {
      if (!hasNames(naming.name, name)) continue;
      const graph = graphOf(name);
      const source: WeightSource = { kind: "tensors", tensors: stateDict(graph, naming) };
      // Weights in another order are copied: one network's, since the others' differ in names and sizes only.
      if (naming.axes === "OIHW" || renamed === 0) {
        const weights = renameTensors(source, graph, naming, "file.pth");
        assert.equal(loadWeights(graph, weights, "file.pth").size, graph.parameters.length);
        renamed++;
      }
      const detected = detectNaming(source, "file.pth");
      // Without deep stems and squeeze and excitation, all but Cadene's names are torchvision's.
      const same =
        detected.style === "torch" &&
        graph.parameters.every((p) => torchName(detected, p.name, p.role) === torchName(naming, p.name, p.role));
      assert.ok(same, `${name} was taken for ${detected.name}'s`);
    }
    assert.ok(renamed > 0);
  });
}

test("the layers of the original prototxts are those that have names, all of them", needsShared("caffe"), () => {
  for (const name of [
    "SE-BN-Inception",
    "SE-ResNet-50",
    "SE-ResNet-101",
    "SE-ResNet-152",
    "SE-ResNeXt-50",
    "SE-ResNeXt-101",
    "SENet-154",
  ]) {
    const prototxt = parsePrototxt(new Uint8Array(readFileSync(sharedData("caffe", `${name}.prototxt`))), name);
    const withBlobs = allOf(prototxt, "layer", "message").filter((layer) => {
      const type = oneOf(layer, "type", "string", "");
      // A Scale of two inputs is the gate's multiplication.
      const isGate = type === "Scale" && allOf(layer, "bottom", "string").length === 2;
      return ["Convolution", "BatchNorm", "Scale", "InnerProduct"].includes(type) && !isGate;
    });
    const inFile = withBlobs.map((layer) => oneOf(layer, "name", "string", "")).sort();
    const named = new Set<string>();
    for (const parameter of graphOf(name.toLowerCase()).parameters) {
      const place = caffePlace(caffeNaming("caffe"), parameter)!;
      for (const layer of "layer" in place ? [place.layer] : [place.batchNorm, place.scale]) named.add(layer);
    }
    assert.deepEqual([...named].sort(), inFile, name);
  }
});

for (const name of ["caffe", "shicai"]) {
  test(`${name}: a caffemodel becomes the weights, its sums divided and its vectors shaped`, () => {
    const graph = graphOf("se-resnet-50");
    const naming = caffeNaming(name);
    const layers = caffeLayers(graph, naming, (shape, part) => {
      if (part === "factor") return ones(1, 4);
      if (part === "mean") return ones(shape[0]!, 2);
      if (part === "variance") return ones(shape[0]!, 12);
      // As old files have vectors and matrices: four extents.
      return anyTensor([...new Array(4 - shape.length).fill(1), ...shape]);
    });
    const source = caffeSource([...layers, { ...layers[0]!, name: "data", blobs: [] }]);
    assert.equal(detectNaming(source, "file").name, name);
    const weights = loadWeights(graph, renameTensors(source, graph, naming, "file"), "file");
    assert.equal(weights.get("layer1.0.bn1.running_mean")!.data[0], 0.5);
    // shicai's networks add 1e-4 to the variance where ours add 1e-5.
    const variance = name === "shicai" ? Math.fround(3 + 9e-5) : 3;
    assert.equal(weights.get("layer1.0.bn1.running_var")!.data[0], variance);

    const blobs = new Map(layers.map((layer) => [layer.name, layer.blobs]));
    const fromHdf5 = renameTensors(caffeSource(bareLayers(blobs, "file.h5")), graph, naming, "file.h5");
    assert.deepEqual(fromHdf5.get("bn1.running_var"), weights.get("bn1.running_var"));
  });
}

test("squeeze and excitation as fully connected layers, and float64", () => {
  const bare = model("se-resnet-20");
  const network = { ...bare, config: { ...bare.config, se: { reduction: 16, bias: false } } };
  const graph = inferenceGraph(network, { batch: 1, imageSize: 32 });
  const naming = torchNaming("moskomule");
  const tensors = stateDict(graph, naming);
  const values = Float64Array.from({ length: 64 * 4 }, (_, i) => i / 7);
  tensors.set("layer3.0.se.fc.0.weight", tensor([4, 64], values));
  const weights = renameTensors({ kind: "tensors", tensors }, graph, naming, "file.pkl");
  assert.deepEqual(weights.get("layer3.0.se.fc1.weight"), tensor([4, 64, 1, 1], Float32Array.from(values)));
  // What needs no change is not copied.
  assert.equal(weights.get("conv1.weight")!.data, tensors.get("conv1.weight")!.data);
});

test("all that does not fit is named at once", () => {
  const graph = graphOf("se-resnet-50");
  const naming = torchNaming("cadene");
  const tensors = stateDict(graph, naming);
  tensors.delete("layer0.conv1.weight");
  tensors.set("layer1.0.bn1.weight", ones(65));
  tensors.set("extra.weight", ones(3));
  const message = failure(() => renameTensors({ kind: "tensors", tensors }, graph, naming, "x.pth"));
  assert.match(message, /^x\.pth: .*se-resnet-50.*cadene/);
  assert.match(message, /3 faults/);
  assert.match(message, /missing +layer0\.conv1\.weight for conv1\.weight/);
  assert.match(message, /misshapen +layer1\.0\.bn1\.weight: .* is \[64\], the file has \[65\]/);
  assert.match(message, /unexpected +"?extra\.weight/);
  // The same number of values in another order of axes is another tensor.
  tensors.set("last_linear.weight", anyTensor([2048, 1000]));
  assert.match(
    failure(() => renameTensors({ kind: "tensors", tensors }, graph, naming, "x.pth")),
    /misshapen +last_linear\.weight/,
  );
});

test("a Caffe file's faults: layers and blobs that are missing, not ours or too many", () => {
  const graph = graphOf("se-resnet-50");
  const naming = caffeNaming("caffe");
  const layers = caffeLayers(graph, naming, anyTensor);
  const without = (name: string) => layers.filter((layer) => layer.name !== name);
  const rename = (changed: typeof layers) =>
    failure(() => renameTensors(caffeSource(changed), graph, naming, "x.caffemodel"));
  assert.match(rename(without("conv3_1_3x3")), /missing +conv3_1_3x3, blob 0 for layer2\.0\.conv2\.weight/);
  const noScale = rename(without("conv3_1_3x3/bn/scale"));
  assert.match(noScale, /4 faults/);
  assert.match(noScale, /missing +conv3_1_3x3\/bn\/scale for layer2\.0\.bn2\.running_mean/);
  assert.match(rename([...layers, { ...layers[0]!, name: "auxiliary" }]), /unexpected +"?auxiliary/);
  const biased = layers.map((layer) =>
    layer.name === "conv3_1_3x3" ? { ...layer, blobs: [...layer.blobs, ones(128)] } : layer,
  );
  assert.match(rename(biased), /unexpected +"?conv3_1_3x3"?, blob 1/);
});

test("a model that a naming has no names for is refused", () => {
  const message = failure(() =>
    renameTensors(caffeSource([]), graphOf("se-resnet-18"), caffeNaming("shicai"), "x.caffemodel"),
  );
  assert.match(message, /missing +conv1, blob 0/);
  const inception = graphOf("se-bn-inception");
  const unmapped = failure(() =>
    renameTensors({ kind: "tensors", tensors: new Map() }, inception, torchNaming("cadene"), "x.pth"),
  );
  assert.match(unmapped, /unmapped +inception_3a\.double\.conv1\.weight|unmapped +conv2\.weight/);
});

test("names of nobody, unknown namings and files of another kind are refused", () => {
  const tensors = new Map([["encoder.weight", ones(3)]]);
  const message = failure(() => detectNaming({ kind: "tensors", tensors }, "x.pth"));
  assert.match(message, /x\.pth/);
  assert.match(message, /encoder\.weight/);
  assert.throws(
    () => namingByName("cadenne"),
    (error) => error instanceof SenetError && error.code === "usage" && /cadene/.test(error.message),
  );
  const mixed = failure(() => renameTensors({ kind: "tensors", tensors }, graphOf("resnet-50"), namings[0]!, "x"));
  assert.match(mixed, /layers of a Caffe network/);
});
