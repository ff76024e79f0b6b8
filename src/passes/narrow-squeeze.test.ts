import assert from "node:assert/strict";
import { test } from "node:test";
import { formulaPictures, formulaWeights } from "../../tests/formula.ts";
import { everyExecutor, onednnOrReason } from "../../tests/onednn.ts";
import { assertClose } from "../../tests/support.ts";
import type { Executor } from "../executors/executor.ts";
import { openApi } from "../executors/onednn/engine.node.ts";
import { lower } from "../executors/onednn/lower.node.ts";
import { referenceExecutor } from "../executors/reference/reference.ts";
import { GraphBuilder } from "../ir/builder.ts";
import type { Graph, Parameter, Value } from "../ir/graph.ts";
import { type DType, type Shape, type Tensor, zeros } from "../tensor.ts";
import { inferenceGraph, inputName, type Model, type ModelConfig, model } from "../zoo/index.ts";
import { inferencePasses, type Pass, type Program, predictionPasses, runPasses } from "./index.ts";
import { narrowSqueeze } from "./narrow-squeeze.ts";

const { config } = model("se-resnet-50-modern");
/** Two bottlenecks, whose squeezes have 32 and 64 channels, and 8 and 16 before the last convolution. */
const bottlenecks: Model = {
  name: "bottlenecks",
  config: { ...config, stem: "cifar", depths: [1, 1], widths: [8, 16] } as ModelConfig,
  classes: 5,
};

function folded(network: Model, dtype: DType = "float32"): Program {
  const graph = inferenceGraph(network, { batch: 2, imageSize: 16, dtype });
  const weights = [...formulaWeights(graph)].map(([name, { shape, data }]): [string, Tensor] => [
    name,
    dtype === "float64" ? { dtype, shape, data: Float64Array.from(data) } : { dtype, shape, data },
  ]);
  return runPasses({ graph, weights: new Map(weights) }, inferencePasses);
}

const alone: readonly Pass[] = [{ name: "narrow", run: narrowSqueeze }];

/** The channels that each squeeze reads. */
const squeezed = ({ nodes }: Graph): number[] =>
  nodes.filter(({ tag }) => tag === "se.squeeze").map(({ inputs }) => inputs[0]!.type.shape[1]!);

async function logitsOf({ graph, weights }: Program, executor: Executor): Promise<Tensor> {
  const [input] = graph.inputs;
  const picture = formulaPictures(2, 16, 0);
  const given = input!.type.dtype === "float64" ? Float64Array.from(picture.data) : picture.data;
  const executable = await executor.compile(graph, weights);
  const found = await executable.run(new Map([[inputName, { ...picture, dtype: input!.type.dtype, data: given }]]));
  const logits = found.get("logits")!;
  await executable.dispose();
  return logits;
}

test("the squeeze is read off the narrow side, exactly", async () => {
  const before = folded(bottlenecks, "float64");
  const after = runPasses(before, alone);
  assert.deepEqual(
    [squeezed(before.graph), squeezed(after.graph)],
    [
      [32, 64],
      [8, 16],
    ],
  );
  assert.deepEqual(after.weights.get("layer1.0.se.fc1.weight")!.shape, [2, 8, 1, 1]);
  assert.deepEqual(before.weights.get("layer1.0.se.fc1.weight")!.shape, [2, 32, 1, 1], "others' weights stay");
  const [found, expected] = [await logitsOf(after, referenceExecutor), await logitsOf(before, referenceExecutor)];
  assertClose(found.data, expected.data, 1e-13, "logits");
});

for (const [name, executor] of Object.entries(everyExecutor())) {
  test(`${name}: the same answers, to rounding, without biases too`, async () => {
    const bare = {
      ...bottlenecks,
      config: { ...bottlenecks.config, se: { reduction: 16, bias: false } } as ModelConfig,
    };
    for (const network of [bottlenecks, bare]) {
      const before = folded(network);
      const after = runPasses(before, alone);
      assert.ok(after.weights.has("layer1.0.se.fc1.bias"), "of the batch norm's beta");
      const [found, expected] = [await logitsOf(after, executor), await logitsOf(before, executor)];
      assertClose(found.data, expected.data, 1e-5, "logits");
    }
  });
}

const reason = onednnOrReason("float32");
test("onednn has as many steps as before", { skip: typeof reason === "string" && reason }, () => {
  const api = openApi();
  try {
    const kindsOf = ({ graph, weights }: Program) =>
      lower(api, graph, weights, { live: false, type: "f32" }).plan.steps.map(({ kind }) => kind);
    const before = folded(bottlenecks);
    assert.deepEqual(kindsOf(runPasses(before, alone)), kindsOf(before));
  } finally {
    api.dispose();
  }
});

test("in SE-ResNet-50 the first two stages pay for it, in a basic block nothing does", () => {
  const hollow = (name: string, imageSize: number) => {
    const graph = inferenceGraph(model(name), { batch: 1, imageSize });
    return runPasses(
      { graph, weights: new Map(graph.parameters.map(({ name, type }) => [name, zeros(type.dtype, type.shape)])) },
      predictionPasses,
    ).graph;
  };
  assert.deepEqual(squeezed(hollow("se-resnet-50", 224)).slice(0, 8), [64, 64, 64, 128, 128, 128, 128, 1024]);
  assert.deepEqual(squeezed(hollow("se-resnet-20", 32)).slice(0, 3), [16, 16, 16]);
});

/** `y = conv(x)`, the squeeze of `y`, and the gate's first layer; four channels become twelve. */
function sketch(change: {
  readonly stride?: number;
  readonly kernel?: number;
  readonly groups?: number;
  readonly isRead?: boolean;
  readonly isTied?: boolean;
  readonly from?: number;
}): Graph {
  const { from = 4, stride = 1, kernel = 1, groups = 1, isRead = false, isTied = false } = change;
  const builder = new GraphBuilder("sketch");
  const weight = (name: string, shape: Shape): Parameter => builder.parameter(name, shape, "weight");
  const conv = (name: string, x: Value, w: Parameter, attrs: { stride: number; groups: number }): Value =>
    builder.apply("conv2d", name, [x, w], { pad: 0, ...attrs });
  const plain = { stride: 1, groups: 1 };
  const x = builder.input("image", [1, from, 9, 9]);
  const y = conv("y", x, weight("w", [12, from / groups, kernel, kernel]), { stride, groups });
  const squeeze = builder.apply("globalAvgPool", "squeeze", [y], {}, { tag: "se.squeeze" });
  const v = weight("v", [2, 12, 1, 1]);
  builder.output("hidden", conv("fc1", squeeze, v, plain));
  builder.output("y", y);
  if (isRead) builder.output("squeeze", squeeze);
  if (isTied) builder.output("other", conv("other", y, v, plain));
  return builder.build();
}

test("it stays where it is read off something else, or by others, or is no narrower", () => {
  const width = (change: Parameters<typeof sketch>[0]) => {
    const graph = sketch(change);
    const found = runPasses({ graph, weights: formulaWeights(graph) }, alone);
    if (squeezed(found.graph)[0] === 12) assert.deepEqual(found.graph, graph);
    return squeezed(found.graph)[0];
  };
  assert.equal(width({}), 4);
  for (const change of [
    { stride: 2 },
    { kernel: 3 },
    { groups: 2 },
    { isRead: true },
    { isTied: true },
    { from: 16 },
  ]) {
    assert.equal(width(change), 12, JSON.stringify(change));
  }
});
