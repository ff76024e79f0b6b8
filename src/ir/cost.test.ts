import assert from "node:assert/strict";
import { test } from "node:test";
import { networks } from "../../tests/zoo.ts";
import { sizeOf } from "../tensor.ts";
import { familyOf } from "../zoo/families.ts";
import { inferenceGraph, type ModelConfig, model } from "../zoo/index.ts";
import { GraphBuilder } from "./builder.ts";
import { graphCost, nodeCost } from "./cost.ts";
import type { Attrs, Op } from "./ops.ts";

const costAt = (name: string, imageSize: number, classes?: number) =>
  graphCost(inferenceGraph(model(name, classes), { batch: 1, imageSize }));

/**
 * Of the released models (computed from their prototxts, and equal to the sizes of the real files): learnable values,
 * those of the SE blocks and the biases among them, values in the file without Caffe's scale factor of each batch norm,
 * multiply-adds of the convolutions outside SE blocks at 224.
 */
const released = {
  "resnet-50": {
    learnable: 28_088_024,
    se: 2_530_992,
    seBiases: 16_048,
    inFile: 28_141_197 - 53,
    convolutions: 3_855_925_248,
  },
  "resnet-101": {
    learnable: 49_326_872,
    se: 4_777_712,
    seBiases: 34_544,
    inFile: 49_432_320 - 104,
    convolutions: 7_568_146_432,
  },
  "resnet-152": {
    learnable: 66_821_848,
    se: 6_629_040,
    seBiases: 50_864,
    inFile: 66_973_427 - 155,
    convolutions: 11_280_367_616,
  },
  "resnext-50": {
    learnable: 27_559_896,
    se: 2_530_992,
    seBiases: 16_048,
    inFile: 27_628_173 - 53,
    convolutions: 4_228_431_872,
  },
  "resnext-101": {
    learnable: 48_955_416,
    se: 4_777_712,
    seBiases: 34_544,
    inFile: 49_093_376 - 104,
    convolutions: 7_967_948_800,
  },
  "bn-inception": {
    learnable: 11_931_622,
    se: 646_398,
    seBiases: 7_038,
    inFile: 11_951_723 - 69,
    convolutions: 2_031_576_064,
  },
} as const;

test("the D networks have as many parameters as timm's", () => {
  const counted = (name: string) => costAt(name, 64).parameters;
  assert.equal(counted("resnet-18-d"), 11_708_744);
  assert.equal(counted("resnet-34-d"), 21_816_904);
  assert.equal(counted("resnet-50-d"), 25_576_264);
  // timm's seresnet152d has 66.84 million.
  const { config } = model("se-resnet-50-d");
  const deeper = { name: "seresnet152d", config: { ...config, depths: [3, 8, 36, 3] } as ModelConfig, classes: 1000 };
  assert.equal(graphCost(inferenceGraph(deeper, { batch: 1, imageSize: 64 })).parameters, 66_841_080);
});

for (const [plain, expected] of Object.entries(released)) {
  test(`se-${plain} costs what the released model does`, () => {
    const { learnable, se, seBiases, inFile, convolutions } = expected;
    const classifier = (plain === "bn-inception" ? 1024 : 2048) * 1000;
    const cost = costAt(`se-${plain}`, 224);
    assert.equal(cost.parameters, learnable);
    assert.equal(cost.values, inFile);
    // A fully connected layer of an SE block runs once a picture: as many multiply-adds as weights.
    assert.equal(cost.multiplyAdds, convolutions + classifier + (se - seBiases));
    const baseline = costAt(plain, 224);
    assert.equal(baseline.parameters, learnable - se);
    assert.equal(baseline.multiplyAdds, convolutions + classifier);
    assert.equal(baseline.squeezeAndScale, 0);
  });
}

test("senet-154 costs what the released model does", () => {
  const { parameters, values, multiplyAdds } = costAt("senet-154", 224);
  assert.equal(parameters, 115_088_984);
  assert.equal(values, 115_336_693 - 157);
  assert.equal(multiplyAdds, 20_679_737_344 + 2048 * 1000 + (6_629_040 - 50_864));
});

test("squeeze and scale cost two passes over each block's output", () => {
  // GMAC with the global pooling and the multiplication by the gate, as the paper counts them: 3.8715, 7.5928, 11.3153.
  const paper = {
    "se-resnet-50": 3.8715,
    "se-resnet-101": 7.5928,
    "se-resnet-152": 11.3153,
    "senet-154": 20.7147,
    "se-bn-inception": 2.0356,
  };
  for (const [name, expected] of Object.entries(paper)) {
    const { multiplyAdds, squeezeAndScale } = costAt(name, 224);
    assert.equal(((multiplyAdds + squeezeAndScale) / 1e9).toFixed(4), expected.toFixed(4), name);
  }
});

test("SE-ResNet-18 and -34 are torchvision's networks and their SE blocks", () => {
  const blocks = { "resnet-18": [2, 2, 2, 2], "resnet-34": [3, 4, 6, 3] } as const;
  const torchvision = { "resnet-18": 11_689_512, "resnet-34": 21_797_672 } as const;
  for (const name of ["resnet-18", "resnet-34"] as const) {
    assert.equal(costAt(name, 224).parameters, torchvision[name]);
    const se = [64, 128, 256, 512].reduce(
      (sum, channels, stage) =>
        sum + blocks[name][stage]! * ((2 * channels * channels) / 16 + channels / 16 + channels),
      0,
    );
    assert.equal(costAt(`se-${name}`, 224).parameters, torchvision[name] + se);
  }
});

test("the CIFAR family has the counts of its ports, and the biases of the SE layers", () => {
  // moskomule/senet.pytorch, r = 16 without biases, and the same plain; n blocks a stage.
  const port = {
    "resnet-20": { n: 3, plain: 272_474, se: 274_490 },
    "resnet-32": { n: 5, plain: 466_906, se: 470_266 },
    "resnet-56": { n: 9, plain: 855_770, se: 861_818 },
    "resnet-110": { n: 18, plain: 1_730_714, se: 1_742_810 },
  };
  const biases = [16, 32, 64].reduce((sum, channels) => sum + channels / 16 + channels, 0);
  for (const [name, { n, plain, se }] of Object.entries(port)) {
    assert.equal(costAt(name, 32).parameters, plain, name);
    assert.equal(costAt(`se-${name}`, 32).parameters, se + n * biases, `se-${name}`);
  }
});

test("parameters do not depend on the picture's size, and only the classifier on the classes", () => {
  for (const [name, { config, classes, port }] of networks) {
    const side = familyOf(config).imageSize(config);
    const graph = inferenceGraph(model(name), { batch: 1, imageSize: side });
    const [, weight, bias] = graph.nodes.findLast(({ op }) => op === "linear" || op === "conv2d")!.inputs;
    const ofClass = sizeOf(weight!.type.shape.slice(1)) + (bias === undefined ? 0 : 1);
    if (port === undefined) {
      const ofImagenet = /-(10|18|34)(-d)?$/.test(name) ? 512 : name.endsWith("inception") ? 1024 : 2048;
      assert.equal(ofClass, (classes === 1000 ? ofImagenet : 64) + 1, name);
    }
    const own = graphCost(graph);
    const larger = costAt(name, side + 32);
    assert.equal(larger.parameters, own.parameters, name);
    assert.equal(costAt(name, side, classes + 7).parameters, own.parameters + 7 * ofClass, name);
    assert.ok(larger.multiplyAdds > own.multiplyAdds, name);
  }
});

/** The cost of one operation on inputs of these shapes. */
function costOf<K extends Op>(op: K, shapes: readonly (readonly number[])[], attrs: Attrs[K]) {
  const builder = new GraphBuilder("one");
  const inputs = shapes.map((shape, i) => builder.input(`input${i}`, shape));
  builder.apply(op, "it", inputs, attrs);
  const [node] = builder.build().nodes;
  return nodeCost(node!);
}

test("a convolution and both of its gradients cost the same multiply-adds, groups included", () => {
  const attrs = { stride: 2, pad: 1, groups: 2 };
  const [x, w, dy] = [
    [2, 6, 9, 9],
    [4, 3, 3, 3],
    [2, 4, 5, 5],
  ] as const;
  // 2 · 4 · 5 · 5 outputs of 3 · 3 · 3 products each.
  const expected = 200 * 27;
  assert.equal(costOf("conv2d", [x, w], attrs).multiplyAdds, expected);
  assert.equal(costOf("conv2dBackwardInput", [dy, w], { ...attrs, inputShape: x }).multiplyAdds, expected);
  assert.equal(costOf("conv2dBackwardWeight", [x, dy], { ...attrs, weightShape: w }).multiplyAdds, expected);
});

test("a linear layer and both of its gradients cost the same multiply-adds", () => {
  const [x, w, dy] = [
    [2, 5],
    [3, 5],
    [2, 3],
  ] as const;
  assert.equal(costOf("linear", [x, w], {}).multiplyAdds, 30);
  assert.equal(costOf("linearBackwardInput", [dy, w], {}).multiplyAdds, 30);
  assert.equal(costOf("linearBackwardWeight", [x, dy], {}).multiplyAdds, 30);
});

test("bytes are those of everything read and written", () => {
  assert.equal(
    costOf(
      "add",
      [
        [2, 3],
        [2, 3],
      ],
      {},
    ).bytes,
    3 * 6 * 4,
  );
  assert.equal(
    costOf(
      "seScaleAdd",
      [
        [1, 2, 1, 1],
        [1, 2, 3, 3],
        [1, 2, 3, 3],
      ],
      {},
    ).bytes,
    (2 + 3 * 18) * 4,
  );
  assert.equal(
    costOf(
      "seScaleAdd",
      [
        [1, 2, 1, 1],
        [1, 2, 3, 3],
        [1, 2, 3, 3],
      ],
      {},
    ).squeezeAndScale,
    18,
  );
});
