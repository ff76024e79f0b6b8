import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { assertClose } from "../../../tests/support.ts";
import { differentiate } from "../../autodiff/differentiate.ts";
import { GraphBuilder } from "../../ir/builder.ts";
import type { Graph, Value } from "../../ir/graph.ts";
import { bottleneck } from "../../nn/blocks.ts";
import { linear } from "../../nn/layers.ts";
import { Scope } from "../../nn/scope.ts";
import { createRandom } from "../../random.ts";
import { type Tensor, zeros } from "../../tensor.ts";
import { initialWeights } from "../../weights/init.ts";
import { inferenceGraph, lossGraph, model } from "../../zoo/index.ts";
import type { Weights } from "../executor.ts";
import { referenceExecutor } from "../reference/reference.ts";
import { nchwc } from "./emitter.ts";
import { ortExecutor } from "./executor.node.ts";
import { lower } from "./lower.ts";
import { blockedLayout } from "./lower-blocked.ts";
import { otherRules } from "./lower-others.ts";

/** Runs a graph with live weights on both executors and compares all outputs. Channels in blocks, unlike the golden cases. */
async function assertAgree(graph: Graph, weights: Weights = new Map()): Promise<void> {
  const inputs = new Map<string, Tensor>();
  graph.inputs.forEach(({ name, type }, i) => {
    const input = zeros(type.dtype, type.shape);
    const random = createRandom(7, i);
    for (let at = 0; at < input.data.length; at++) {
      input.data[at] = random.normal();
    }
    inputs.set(name, input);
  });
  const copies = new Map([...weights].map(([name, weight]) => [name, { ...weight, data: weight.data.slice() }]));
  const reference = await referenceExecutor.compile(graph, copies, { weights: "live" });
  const ort = await ortExecutor.compile(graph, weights, { weights: "live" });
  const expected = await reference.run(inputs);
  const found = await ort.run(inputs);
  for (const [name, { data }] of expected) assertClose(found.get(name)!.data, data, 2e-5, name);
  for (const [name, { data }] of copies) assertClose(weights.get(name)!.data, data, 2e-5, `${name} after the run`);
  await ort.dispose();
  await reference.dispose();
}

describe("convolutions of blocked activations, and their gradients", () => {
  for (const [x, w, stride, pad, groups = 1] of [
    [[2, 16, 5, 7], [32, 16, 1, 1], 1, 0],
    [[16, 32, 6, 5], [16, 32, 3, 3], 1, 1],
    [[12, 16, 4, 9], [48, 16, 3, 3], 1, 1],
    [[16, 16, 7, 6], [16, 16, 1, 1], 2, 0],
    [[16, 16, 6, 7], [32, 16, 3, 3], 2, 1],
    [[17, 32, 8, 9], [16, 32, 3, 3], 2, 0],
    [[3, 16, 9, 9], [16, 16, 3, 3], 3, 1],
    [[16, 16, 8, 8], [16, 16, 5, 5], 2, 2],
    [[16, 16, 6, 6], [16, 16, 3, 3], 1, 0],
    [[16, 16, 3, 3], [16, 16, 1, 1], 1, 1],
    [[16, 3, 15, 14], [32, 3, 7, 7], 2, 3],
    [[2, 3, 8, 8], [16, 3, 3, 3], 1, 1],
    // Groups: as wide as blocks and wider, narrower, of different widths in and out, too few to fill a block.
    [[16, 32, 6, 5], [32, 16, 3, 3], 1, 1, 2],
    [[12, 64, 5, 6], [128, 32, 3, 3], 2, 1, 2],
    [[16, 64, 6, 5], [64, 4, 3, 3], 1, 1, 16],
    [[16, 64, 7, 6], [64, 8, 3, 3], 2, 1, 8],
    [[17, 32, 6, 9], [64, 4, 3, 3], 2, 1, 8],
    [[16, 32, 7, 7], [32, 1, 3, 3], 1, 0, 32],
    [[16, 32, 9, 9], [32, 8, 5, 5], 3, 2, 4],
    [[3, 32, 5, 5], [64, 8, 1, 1], 2, 0, 4],
    [[2, 48, 5, 5], [48, 24, 3, 3], 1, 1, 2],
    // Rows and columns, and sides, that differ.
    [[16, 16, 5, 9], [32, 16, 1, 7], 1, { top: 0, left: 3, bottom: 0, right: 3 }],
    [[12, 16, 8, 4], [16, 16, 7, 1], 1, { top: 3, left: 0, bottom: 3, right: 0 }],
    [[16, 16, 8, 6], [16, 16, 3, 3], 2, { top: 0, left: 0, bottom: 1, right: 1 }],
    [[16, 64, 8, 6], [64, 8, 3, 3], 2, { top: 0, left: 0, bottom: 1, right: 1 }, 8],
    [[16, 16, 6, 7], [16, 16, 3, 3], [1, 2], { top: 2, left: 0, bottom: 0, right: 1 }],
    [[16, 3, 14, 12], [32, 3, 7, 7], 2, { top: 2, left: 2, bottom: 3, right: 3 }],
    [[16, 16, 6, 6], [16, 16, 1, 1], [2, 1], 0],
  ] as const) {
    const [strides, pads] = [JSON.stringify(stride), JSON.stringify(pad)];
    test(`[${x}] by [${w}], stride ${strides}, padding ${pads}, groups ${groups}`, async () => {
      const builder = new GraphBuilder("conv");
      const attrs = { stride, pad, groups };
      const image = builder.input("x", x);
      const weight = builder.input("w", w);
      const bias = builder.input("b", [w[0]]);
      const y = builder.apply("conv2d", "y", [image, weight, bias], attrs);
      const dy = builder.input("dy", y.type.shape);
      const outputs: Record<string, Value> = {
        y,
        dx: builder.apply("conv2dBackwardInput", "dx", [dy, weight], { ...attrs, inputShape: x }),
        dw: builder.apply("conv2dBackwardWeight", "dw", [image, dy], { ...attrs, weightShape: w }),
        db: builder.apply("channelSum", "db", [dy], {}),
      };
      for (const [name, value] of Object.entries(outputs)) builder.output(name, value);
      await assertAgree(builder.build());
    });
  }
});

describe("what a residual block is made of, on blocked activations", () => {
  const shape = [3, 32, 5, 4];
  const vectors = (builder: GraphBuilder) => [builder.input("gamma", [32]), builder.input("beta", [32])];

  test("batch norm far from zero, and its gradient", async () => {
    const builder = new GraphBuilder("norm");
    const x = builder.input("x", shape);
    const offset = builder.apply("fill", "offset", [], { value: 200, shape, dtype: "float32" });
    const far = builder.apply("add", "far", [held(builder, x), offset], {});
    const [gamma, beta] = vectors(builder) as [Value, Value];
    const [y, mean, variance] = builder.apply("batchNormTraining", "bn", [far, gamma, beta], { eps: 1e-5 });
    const inputs = [far, gamma, mean, variance, builder.input("dy", shape)];
    const [dx, dgamma, dbeta] = builder.apply("batchNormBackward", "backward", inputs, { eps: 1e-5 });
    for (const [name, value] of Object.entries({ y, mean, variance, dx, dgamma, dbeta })) builder.output(name, value);
    await assertAgree(builder.build());
  });

  test("gate, shortcut and the sums of their gradients", async () => {
    const builder = new GraphBuilder("se");
    const branch = held(builder, builder.input("x", shape));
    const shortcut = builder.input("shortcut", shape);
    const gate = builder.input("gate", [3, 32, 1, 1]);
    const scaled = builder.apply("seScaleAdd", "scaled", [gate, branch, shortcut], {});
    const y = builder.apply("relu", "y", [scaled], {});
    const squeezed = builder.apply("globalAvgPool", "squeezed", [branch], {});
    const dy = builder.apply("reluBackward", "dy", [y, builder.input("dz", shape)], {});
    const [dgate, dbranch] = builder.apply("seScaleBackward", "backward", [gate, branch, dy], {});
    const spread = builder.apply("globalAvgPoolBackward", "spread", [squeezed], { inputShape: shape });
    const sum = builder.apply("add", "sum", [dbranch, spread], {});
    const masked = builder.apply("reluBackward", "masked", [y, spread], {});
    const outputs = { scaled, y, squeezed, dgate, dbranch, spread, sum, masked };
    for (const [name, value] of Object.entries(outputs)) builder.output(name, value);
    await assertAgree(builder.build());
  });

  for (const [stride, groups, act] of [
    [1, 1, "relu"],
    [2, 1, "mish"],
    [2, 8, "silu"],
    [2, 8, "relu"],
  ] as const) {
    test(`a whole bottleneck with stride ${stride}, ${groups} groups and ${act}, its loss, gradients and statistics`, async () => {
      const builder = new GraphBuilder("block");
      const scope = new Scope(builder, { training: true, dtype: "float32" });
      const x = builder.input("x", [16, 32, 6, 5]);
      const se = { reduction: 4, bias: true };
      const common = { out: 64, width: 16 * Math.min(groups, 2), groups, se, act } as const;
      const inner = bottleneck(scope.at("first"), x, { ...common, stride, strideOn: groups > 1 ? "3x3" : "1x1" });
      const y = bottleneck(scope.at("second"), inner, { ...common, stride: 1, strideOn: "1x1" });
      const pooled = builder.apply("globalAvgPool", "pool", [y], {});
      const logits = linear(scope.at("fc"), builder.apply("flatten", "flat", [pooled], {}), 5);
      const targets = builder.input("targets", [16, 5]);
      builder.output("loss", builder.apply("softmaxCrossEntropy", "loss", [logits, targets], {}));
      const graph = differentiate(builder.build());
      await assertAgree(graph, initialWeights(graph, 3));
    });
  }
});

test("branches that are joined, pooled and gated stay blocked", async () => {
  const builder = new GraphBuilder("join");
  const x = builder.input("x", [2, 32, 7, 8]);
  const window = { kernel: 3, stride: 1, pad: 1, ceil: true };
  const branch = held(builder, x);
  const averages = builder.apply("avgPool", "averages", [branch], window);
  const joined = builder.apply("concat", "joined", [branch, averages, x], {});
  const gate = builder.input("gate", [2, 96, 1, 1]);
  builder.output("y", builder.apply("seScale", "y", [gate, joined], {}));
  // Windows that hang over the padded input.
  builder.output("clipped", builder.apply("avgPool", "clipped", [joined], { ...window, stride: 2, pad: 0 }));
  const graph = builder.build();
  const { nodes } = lower(graph, { blocked: blockedLayout(16), rules: otherRules }).model;
  assert.equal(nodes.filter(({ op }) => op === "Concat").length, 1);
  assert.equal(nodes.find(({ op, name }) => op === "AveragePool" && name.startsWith("averages"))!.domain, nchwc);
  await assertAgree(graph);
});

test("inference on blocked activations, for the graph's batch and for others in portions", async () => {
  const builder = new GraphBuilder("inference");
  const scope = new Scope(builder, { training: false, dtype: "float32" });
  const x = builder.input("x", [4, 32, 6, 5]);
  const blockOf = (name: string, input: Value, stride: number, reduction: number | undefined) => {
    const se = reduction === undefined ? undefined : { reduction, bias: true };
    return bottleneck(scope.at(name), input, { out: 64, width: 16, stride, strideOn: "3x3", se });
  };
  const y = blockOf("third", blockOf("second", blockOf("first", x, 2, 4), 1, undefined), 1, 4);
  builder.output("y", y);
  const pooled = builder.apply("globalAvgPool", "pool", [y], {});
  builder.output("logits", linear(scope.at("fc"), builder.apply("flatten", "flat", [pooled], {}), 5));
  const graph = builder.build();
  const weights = initialWeights(graph, 3);
  // Statistics that are not those of fresh weights, so that folding them is seen.
  graph.parameters.forEach(({ name, role }, i) => {
    const random = createRandom(11, i);
    const { data } = weights.get(name)!;
    if (role !== "weight") for (let at = 0; at < data.length; at++) data[at] = 0.5 + random.uniform();
  });
  const ort = await ortExecutor.compile(graph, weights);
  const reference = await referenceExecutor.compile(graph, weights);
  for (const batch of [4, 9, 1]) {
    const image = zeros("float32", [batch, 32, 6, 5]);
    const random = createRandom(5, batch);
    for (let at = 0; at < image.data.length; at++) image.data[at] = random.normal();
    const found = await ort.run(new Map([["x", image]]));
    for (const [name, { shape, data }] of await reference.run(new Map([["x", image]]))) {
      assert.deepEqual(found.get(name)!.shape, shape);
      assertClose(found.get(name)!.data, data, 1e-5, `${name} of batch ${batch}`);
    }
  }
  await ort.dispose();
  await reference.dispose();
});

/** A convolution's output is blocked, unlike an input of the graph. */
function held(builder: GraphBuilder, x: Value): Value {
  const weight = builder.input("w", [x.type.shape[1]!, x.type.shape[1]!, 1, 1]);
  return builder.apply("conv2d", "held", [x, weight], { stride: 1, pad: 0, groups: 1 });
}

test("training is lowered to blocked convolutions, inference to plain ONNX without its batch", () => {
  const training = lower(differentiate(lossGraph(model("se-resnet-20"), { batch: 16, imageSize: 32 })), {
    blocked: blockedLayout(16),
    rules: otherRules,
  });
  const convolutions = training.model.nodes.filter((node) => node.op === "Conv");
  assert.deepEqual([...new Set(convolutions.map((node) => node.domain))], ["com.microsoft.nchwc"]);

  // Groups of 4 channels and more, with the stride on some.
  const grouped = lower(differentiate(lossGraph(model("se-resnext-50"), { batch: 16, imageSize: 64 })), {
    blocked: blockedLayout(16),
    rules: otherRules,
  }).model.nodes;
  assert.ok(
    grouped.some(({ op, attributes }) => op === "Conv" && "int" in attributes.group! && attributes.group.int === 8),
  );
  assert.ok(grouped.every(({ op, domain }) => op !== "ConvTranspose" && (op !== "Conv" || domain === nchwc)));

  const graph = inferenceGraph(model("se-resnet-50"), { batch: 13, imageSize: 64 });
  const weights = new Map(graph.parameters.map(({ name, type }) => [name, zeros(type.dtype, type.shape)]));
  const inference = lower(graph, { weights, dynamicBatch: true, rules: otherRules }).model;
  assert.deepEqual(inference.opsets, { "": 18 });
  assert.ok(inference.nodes.every((node) => node.domain === ""));
  assert.deepEqual(
    inference.inputs.map(({ shape }) => shape[0]),
    ["batch"],
  );
  assert.ok(inference.initialisers.every(({ data }) => !(data instanceof BigInt64Array && data.includes(13n))));
});
