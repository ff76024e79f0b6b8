/** The ports' networks, counted: numbers that their own code gave. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { differentiate } from "../autodiff/differentiate.ts";
import { graphCost } from "../ir/cost.ts";
import type { AnyNode, Graph } from "../ir/graph.ts";
import { sizeOf } from "../tensor.ts";
import { initialWeights } from "../weights/init.ts";
import { inferenceGraph, lossGraph, model, zoo } from "./index.ts";
import { importsOf, paperErrors } from "./published.ts";

const graphOf = (name: string, imageSize = 32) => inferenceGraph(model(name), { batch: 1, imageSize });

/** Numbers that a file of the port holds: those that its framework trains or counts so, and running statistics. */
function counted(graph: Graph) {
  const [all, statistics] = [false, true].map((ofStatistics) =>
    graph.parameters
      .filter(({ role }) => (role === "mean" || role === "variance") === ofStatistics)
      .reduce((sum, { type }) => sum + sizeOf(type.shape), 0),
  );
  return [all, statistics];
}

test("tensorpack's networks have the numbers that its graphs have", () => {
  const expected: Record<string, readonly [number, number?, number?]> = {
    "se-resnet-50": [28_088_024, 53_120, 331],
    "se-resnet-101": [49_326_872, 105_344, 654],
    "se-resnet-152": [66_821_848, 151_424, 977],
    "se-preact-resnet-50": [28_080_344, 45_440, 315],
    "se-preact-resnet-50-july": [28_080_344, 45_440, 315],
    "se-preact-resnet-101": [49_319_192, 97_664, 638],
    "resnet-18": [11_689_512],
    "resnet-34": [21_797_672],
    "resnet-50": [25_557_032],
    "resnet-101": [44_549_160],
    "resnet-152": [60_192_808],
    "preact-resnet-101": [44_541_480],
    "resnext-50": [25_028_904],
    "resnext-101": [44_177_704],
  };
  for (const [name, [trainable, moving, variables]] of Object.entries(expected)) {
    const graph = graphOf(`tensorpack-${name}`);
    const [all, statistics] = counted(graph);
    assert.equal(all, trainable, name);
    if (moving !== undefined) assert.equal(statistics, moving, name);
    if (variables !== undefined) assert.equal(graph.parameters.length, variables, name);
  }
  const preact = graphOf("tensorpack-preact-resnet-50");
  assert.deepEqual([counted(preact)[0], preact.parameters.length], [25_549_352, 251]);
  const macs = (name: string) => graphCost(graphOf(name, 224)).multiplyAdds;
  assert.equal(macs("tensorpack-se-resnet-50"), macs("se-resnet-50-modern"));
});

test("tensorpack pads as TensorFlow: behind at even sides, on both at odd ones", () => {
  const attrs = (imageSize: number, name: string) =>
    graphOf("tensorpack-se-resnet-50", imageSize).nodes.find((node) => node.name === name)!.attrs;
  const behind = (before: number) => ({ top: before, left: before, bottom: before + 1, right: before + 1 });
  assert.deepEqual(attrs(224, "conv1"), { stride: 2, pad: behind(2), groups: 1 });
  assert.deepEqual(attrs(224, "maxpool"), { kernel: 3, stride: 2, pad: behind(0), ceil: false });
  assert.deepEqual(attrs(224, "layer2.0.conv2"), { stride: 2, pad: behind(0), groups: 1 });
  assert.deepEqual(attrs(225, "conv1"), { stride: 2, pad: 3, groups: 1 });
  assert.deepEqual(attrs(225, "maxpool"), { kernel: 3, stride: 2, pad: 1, ceil: false });
});

test("bruinxiong's networks have the numbers of its arg and aux arrays, fixed gammas among them", () => {
  const expected: Record<string, readonly [arg: number, aux: number, arrays?: number]> = {
    "se-resnext-18": [11_782_822, 9_734, 143],
    "se-resnext-34": [21_963_098, 17_158],
    "se-resnext-50": [26_852_574, 68_230, 335],
    "se-resnext-50-32x4d": [27_559_902, 68_230, 335],
    "se-resnext-101": [47_621_406, 137_862],
    "se-resnext-101-32x4d": [48_955_422, 137_862],
    "se-resnext-152": [64_730_334, 199_302],
    "se-resnext-152-32x4d": [66_580_446, 199_302],
    "se-resnext-200": [69_637_854, 232_070],
    "se-resnext-200-32x4d": [71_635_422, 232_070],
    "se-resnext-269": [110_520_606, 334_470],
    "se-resnext-269-32x4d": [113_753_118, 334_470],
    "se-resnext-20-cifar": [275_109, 1_574],
    "se-resnext-32-cifar": [471_123, 2_470],
    "se-resnext-56-cifar": [863_151, 4_262],
    "se-resnext-110-cifar": [1_745_214, 8_294],
    "se-resnext-164-cifar": [1_915_384, 33_158],
    "se-resnet-18": [11_781_030, 7_942, 131],
    "se-resnet-34": [21_961_306, 15_366],
    "se-resnet-50": [28_080_478, 45_574, 323],
    "se-resnet-101": [49_319_326, 97_798],
    "se-resnet-152": [66_814_302, 143_878],
    "se-resnet-200": [71_828_318, 168_454],
    "se-resnet-269": [113_645_982, 245_254],
    "se-resnet-20-cifar": [274_917, 1_382],
    "se-resnet-32-cifar": [470_931, 2_278],
    "se-resnet-56-cifar": [862_959, 4_070],
    "se-resnet-110-cifar": [1_745_022, 8_102],
    "se-resnet-164-cifar": [1_905_368, 24_230],
  };
  for (const [name, [arg, aux, arrays]] of Object.entries(expected)) {
    const graph = graphOf(`bruinxiong-${name}`);
    assert.deepEqual(counted(graph), [arg, aux], name);
    if (arrays !== undefined) assert.equal(graph.parameters.length, arrays, name);
    assert.equal(graphCost(graph).parameters, arg - 3, `${name}: three gammas do not learn`);
  }
});

/** Multiply-adds of convolutions alone, which do not see gates and classifiers. */
function convolutions(name: string, imageSize: number): number {
  const graph = graphOf(name, imageSize);
  const nodes = graph.nodes.filter((node) => node.op === "conv2d" && !node.name.includes(".se."));
  return graphCost({ ...graph, nodes }).multiplyAdds;
}

test("multiply-adds of the ports' convolutions", () => {
  for (const [name, imageSize, expected] of [
    ["bruinxiong-se-resnext-50", 224, 4_112_826_368],
    ["bruinxiong-se-resnext-50-32x4d", 224, 4_228_431_872],
    ["bruinxiong-se-resnext-101", 224, 7_729_512_448],
    ["bruinxiong-se-resnext-18", 224, 1_826_406_400],
    ["bruinxiong-se-resnet-50", 224, 4_087_136_256],
    ["bruinxiong-se-resnet-164-cifar", 32, 247_644_160],
    ["bruinxiong-se-resnext-164-cifar", 32, 250_724_352],
    ["nutszebra-se-resnet-164", 32, 239_419_392],
    ["moskomule-se-resnet-50", 224, 4_087_136_256],
    ["moskomule-se-resnet-18", 224, 1_813_561_344],
    ["moskomule-se-resnet-20", 32, 40_812_544],
  ] as const) {
    assert.equal(convolutions(name, imageSize), expected, name);
  }
  const whole = (name: string, side = 32) => graphCost(graphOf(name, side)).multiplyAdds;
  assert.equal(whole("moskomule-se-resnet-50", 224), 4_087_136_256 + 4_562_944);
  for (const [name, gates] of [
    ["nutszebra-se-resnet-164-r16", 193_536],
    ["nutszebra-se-resnet-164-r8", 387_072],
    ["nutszebra-se-resnet-164", 774_144],
  ] as const) {
    assert.equal(whole(name), 239_419_392 + gates, name);
  }
  assert.equal(whole("taki0112-se-resnext-29"), 1_568_342_016 + 131_584);
});

test("moskomule's, nutszebra's, taki0112's and shicai's networks have their numbers", () => {
  for (const [name, expected] of [
    ["moskomule-se-resnet-18", 11_776_552],
    ["moskomule-se-resnet-34", 21_954_856],
    ["moskomule-se-resnet-50", 28_071_976],
    ["moskomule-se-resnet-101", 49_292_328],
    ["moskomule-se-resnet-152", 66_770_984],
    ["moskomule-se-resnet-20", 274_490],
    ["moskomule-se-resnet-32", 470_266],
    ["moskomule-se-resnet-56", 861_818],
    ["moskomule-se-resnet-20-r8", 276_506],
    ["moskomule-se-resnet-32-r8", 473_626],
    ["moskomule-se-resnet-56-r8", 867_866],
    ["moskomule-se-resnet-20-r4", 280_538],
    ["moskomule-se-resnet-32-r4", 480_346],
    ["moskomule-se-resnet-56-r4", 879_962],
    ["moskomule-resnet-20", 272_474],
    ["moskomule-resnet-32", 466_906],
    ["moskomule-resnet-56", 855_770],
    ["moskomule-resnet-110", 1_730_714],
    ["moskomule-preact-resnet-20", 272_282],
    ["moskomule-preact-resnet-32", 466_714],
    ["moskomule-preact-resnet-56", 855_578],
    ["moskomule-preact-resnet-110", 1_730_522],
    ["moskomule-se-preact-resnet-20", 274_298],
    ["nutszebra-se-resnet-164", 2_458_026],
    ["nutszebra-se-resnet-164-r8", 2_069_946],
    ["nutszebra-se-resnet-164-r16", 1_875_906],
    ["nutszebra-resnet-164", 1_673_802],
    ["shicai-se-resnet-50", 28_088_024],
  ] as const) {
    assert.equal(counted(graphOf(name))[0], expected, name);
  }
  assert.deepEqual(counted(graphOf("taki0112-se-resnext-29")), [4_086_720, 21_248]);
  const arrays = (name: string) => graphOf(name).parameters.length;
  assert.equal(arrays("nutszebra-se-resnet-164-r16"), 1208);
  assert.deepEqual([arrays("moskomule-se-resnet-18"), arrays("moskomule-se-resnet-50")], [118, 299]);
});

test("the Inceptions have the numbers of their code", () => {
  const inceptions: Record<
    string,
    readonly [trained: number, statistics: number, arrays: number, side: number, macs: number]
  > = {
    "taki0112-se-inception-v4": [51_090_026, 33_728, 426, 32, 757_101_408 + 7_519_232],
    "taki0112-se-inception-resnet-v2": [51_841_866, 55_680, 446, 32, 564_609_376 + 21_479_360],
    "bruinxiong-se-inception-v4": [44_570_856, 32_512, 424, 224, 6_120_358_752],
    "bruinxiong-se-inception-resnet-v2": [37_122_846, 55_680, 438, 224, 4_636_447_072],
  };
  // torchvision's without its auxiliary classifier.
  inceptions["moskomule-se-inception-v3"] = [23_834_568, 34_432, 472, 299, 5_711_168_096];
  for (const [name, [trained, statistics, arrays, side, macs]] of Object.entries(inceptions)) {
    const graph = graphOf(name, side);
    assert.deepEqual([...counted(graph), graph.parameters.length], [trained, statistics, arrays], name);
    assert.equal(name.startsWith("taki") ? graphCost(graph).multiplyAdds : convolutions(name, side), macs, name);
  }
  for (const [name, expected] of [
    ["bruinxiong-se-inception-v4", 43_049_226],
    ["bruinxiong-se-inception-resnet-v2", 34_999_296],
  ] as const) {
    assert.equal(counted(inferenceGraph(model(name, 10), { batch: 1, imageSize: 107 }))[0], expected);
  }
});

test("taki0112's networks have as many layers of each kind as its graphs", () => {
  for (const [name, expected] of [
    // Eight paths of two convolutions each are two in each of nine blocks.
    ["taki0112-se-resnext-29", [154 - 9 * 14, 19, 154 - 9 * 14]],
    ["taki0112-se-inception-v4", [150, 29, 17]],
    ["taki0112-se-inception-resnet-v2", [132, 45, 23]],
  ] as const) {
    const { nodes } = graphOf(name);
    const isDense = ({ name, op }: AnyNode) => op === "linear" || name.includes(".se.fc");
    const convolutions = nodes.filter((node) => node.op === "conv2d" && !isDense(node));
    const norms = nodes.filter(({ op }) => op === "batchNorm");
    assert.deepEqual([convolutions.length, nodes.filter(isDense).length, norms.length], expected, name);
  }
});

test("nutszebra's counts: weights alone, as its README has them, and its smallest form", () => {
  for (const [name, expected] of [
    ["nutszebra-se-resnet-164", 2_411_184],
    ["nutszebra-se-resnet-164-r8", 2_024_112],
    ["nutszebra-se-resnet-164-r16", 1_830_576],
    ["nutszebra-resnet-164", 1_637_040],
  ] as const) {
    const parameters = graphOf(name).parameters.filter(({ role }) => role === "weight");
    assert.equal(
      parameters.reduce((sum, { type }) => sum + sizeOf(type.shape), 0),
      expected,
    );
  }
  const { config, ...rest } = model("nutszebra-se-resnet-164");
  assert.ok(config.family === "preact");
  const small = inferenceGraph({ ...rest, config: { ...config, depths: [1, 1, 1] } }, { batch: 1, imageSize: 32 });
  assert.deepEqual([counted(small)[0], small.parameters.length], [129_434, 86]);
});

test("nutszebra's running variances begin at 0, everybody else's at 1", () => {
  const begins = (name: string) => {
    const statistics = graphOf(name).parameters.filter(({ role }) => role === "variance");
    return new Set(
      [...initialWeights({ ...graphOf(name), parameters: statistics }, 0).values()].flatMap(({ data }) => [...data]),
    );
  };
  assert.deepEqual(begins("nutszebra-se-resnet-164-r16"), new Set([0]));
  for (const name of ["moskomule-preact-resnet-20", "taki0112-se-resnext-29"])
    assert.deepEqual(begins(name), new Set([1]));
});

test("all seven ports are there by their sources, with the paper's figures where it has that network", () => {
  const entries = [...zoo].flatMap(([name, { port, classes }]) =>
    [...(port === undefined ? [] : [port]), ...importsOf(name)].map((port) => ({ name, port, classes })),
  );
  const sources = new Set(entries.map(({ port }) => port.source.split(",")[0]));
  assert.deepEqual([...sources].sort(), [
    "albanie/mcnSENets",
    "bruinxiong/SENet.mxnet",
    "moskomule/senet.pytorch",
    "nutszebra/SENets",
    "shicai/SENet-Caffe",
    "taki0112/SENet-Tensorflow",
    "tensorpack/tensorpack",
  ]);
  const errors = (called: string) => {
    const found = entries.find(({ name }) => name === called) ?? assert.fail(called);
    const { top1Error, top5Error } = paperErrors(found.port, found.classes) ?? {};
    return [top1Error, top5Error];
  };
  assert.deepEqual(errors("shicai-se-resnet-50"), [23.29, 6.62]);
  assert.deepEqual(errors("bruinxiong-se-resnext-101"), [20.7, 5.01]);
  assert.deepEqual(errors("tensorpack-se-preact-resnet-101-july"), [22.38, 6.07]);
  assert.deepEqual(errors("tensorpack-resnext-50"), [22.11, 5.9]);
  assert.deepEqual(errors("bruinxiong-se-inception-resnet-v2"), [19.8, 4.79]);
  assert.deepEqual(errors("moskomule-resnet-110"), [6.37, undefined]);
  assert.deepEqual(errors("nutszebra-se-resnet-164"), [4.39, undefined]);
  for (const none of ["taki0112-se-inception-resnet-v2", "moskomule-se-resnet-18", "bruinxiong-se-resnext-164-cifar"]) {
    assert.deepEqual(errors(none), [undefined, undefined], none);
  }
  assert.equal(entries.filter(({ port }) => port.source.startsWith("albanie")).length, 8);
});

test("every port says where it is from, which network of the paper it is, and every one can be trained", () => {
  const ports = [...zoo].filter(([, { port }]) => port !== undefined);
  assert.ok(ports.length > 60);
  for (const [name, { port }] of ports) {
    assert.match(port!.source, /^[\w-]+\/[\w.-]+/, name);
    assert.ok(name.startsWith(`${port!.source.split("/")[0]}-`), name);
    assert.match(port!.paper, /(?:ResNe[Xt]+t?|Inception)-/, name);
  }
  for (const name of ["taki0112-se-resnext-29", "nutszebra-se-resnet-164", "bruinxiong-se-resnet-20-cifar"]) {
    const graph = differentiate(lossGraph(model(name, 3), { batch: 2, imageSize: 16 }));
    assert.ok(graph.outputs.has("gradient/fc.weight"), name);
    assert.equal(graph.outputs.has("gradient/bn0.weight"), false, name);
  }
});
