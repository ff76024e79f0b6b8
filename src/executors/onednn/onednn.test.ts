import assert from "node:assert/strict";
import { test } from "node:test";
import { conformance } from "../../../tests/conformance.ts";
import { formulaLabels, formulaPictures, formulaTensor, formulaWeights } from "../../../tests/formula.ts";
import { networkTests } from "../../../tests/networks.ts";
import { onednnOrReason } from "../../../tests/onednn.ts";
import { assertClose } from "../../../tests/support.ts";
import { differentiate } from "../../autodiff/differentiate.ts";
import { GraphBuilder } from "../../ir/builder.ts";
import { inferencePasses, runPasses } from "../../passes/index.ts";
import { recompute } from "../../passes/recompute.ts";
import { createRandom } from "../../random.ts";
import { type Shape, sizeOf, tensor } from "../../tensor.ts";
import { learningRule } from "../../train/learning.ts";
import { TrainingStep } from "../../train/step.ts";
import { inferenceGraph, inputName, lossGraph, model } from "../../zoo/index.ts";
import { referenceExecutor } from "../reference/reference.ts";
import { type Api, Grade, gradeOf, type Primitive } from "./api.node.ts";
import { openApi } from "./engine.node.ts";
import { hasIsa } from "./library.node.ts";
import { lower, lowerTraining } from "./lower.node.ts";
import { type PlanLayout, planLayouts } from "./spec.ts";
import { isRight } from "./trial.node.ts";

const float32 = onednnOrReason("float32");
if (typeof float32 === "string") test("onednn", { skip: float32 }, () => {});
else {
  conformance({ name: "onednn", executor: float32, tolerance: 1e-5, dtypes: ["float32"], part: "quick" });
  networkTests("onednn", float32, "quick");
}

const bf16 = onednnOrReason("bf16");
if (typeof bf16 === "string") test("onednn in bf16", { skip: bf16 }, () => {});

if (typeof float32 !== "string") {
  const train = async (recompute: boolean, executor = float32, steps = 3) => {
    const network = model("se-resnet-8", 4);
    const shape = { batch: 8, imageSize: 16 };
    const weights = formulaWeights(lossGraph(network, shape));
    const optimizer = { name: "sgd", nesterov: true } as const;
    const learning = { optimizer, weightDecay: 5e-4 };
    const options = { batchSize: 8, imageSize: 16, labelSmoothing: 0.1, ...learning, threads: 2, recompute };
    const step = await TrainingStep.create(executor, network, weights, options);
    const losses: number[] = [];
    for (let i = 0; i < steps; i++) {
      losses.push((await step.run(formulaPictures(8, 16, i), formulaLabels(8, 4, i), 0.02)).loss);
    }
    await step.dispose();
    return { losses, weights };
  };
  // Once, for all tests that compare with it.
  let trained: ReturnType<typeof train> | undefined;
  const plainly = () => {
    trained ??= train(false);
    return trained;
  };

  test("onednn: a plan that this machine has no memory for is refused, not begun", async () => {
    const builder = new GraphBuilder("large");
    const x = builder.input("x", [2 ** 20, 64, 64, 64]);
    const once = builder.apply("relu", "once", [x], {});
    builder.output("y", builder.apply("relu", "twice", [once], {}));
    await assert.rejects(
      async () => float32.compile(builder.build(), new Map()),
      /there is not enough memory for the plan/,
    );
  });

  test("onednn: the same seed and threads give the same losses and weights to the last bit", async () => {
    assert.deepEqual(await train(false), await plainly());
  });

  if (typeof bf16 !== "string") {
    test("onednn in bf16: losses are those in float32 but for the precision", async () => {
      const [rounded, exact] = [await train(false, bf16), await plainly()];
      assertClose(rounded.losses, exact.losses, 2e-2, "losses");
      assert.notDeepEqual(rounded.losses, exact.losses);
    });
  }

  test("onednn: far more threads than the machine can use are not started", async () => {
    const graph = inferenceGraph(model("se-resnet-20", 4), { batch: 1, imageSize: 16 });
    const executable = await float32.compile(graph, formulaWeights(graph), { threads: 100_000 });
    await executable.run(new Map([[inputName, formulaPictures(1, 16, 0)]]));
    await executable.dispose();
  });

  test("onednn: recomputing gives the same losses and weights", async () => {
    const [kept, again] = [await plainly(), await train(true)];
    assertClose(again.losses, kept.losses, 1e-6, "losses");
    for (const [name, { data }] of kept.weights) assertClose(again.weights.get(name)!.data, data, 1e-5, name);
  });

  const planOf = (recomputed: boolean, layout: PlanLayout = "blocks") => {
    const forward = lossGraph(model("se-resnet-20", 10), { batch: 32, imageSize: 32 });
    const gradients = differentiate(forward);
    const graph = recomputed ? recompute(gradients, forward) : gradients;
    const api = openApi();
    try {
      return lower(api, graph, formulaWeights(forward), { live: true, type: "f32", layout }).plan;
    } finally {
      api.dispose();
    }
  };

  test("onednn: Winograd's transforms of the weights are made once where these stay, else only for many positions", () => {
    const api = openApi();
    const kinds = (batch: number, live: boolean) => {
      const graph = inferenceGraph(model("se-resnet-20", 10), { batch, imageSize: 32 });
      const { plan } = lower(api, graph, formulaWeights(graph), { live, type: "f32", layout: "blocks" });
      const all = plan.steps.map(({ kind }) => kind);
      const words = all.filter((kind) => kind.startsWith("Winograd's")).map((kind) => kind.split(" ").at(-1));
      return [...new Set(words)];
    };
    try {
      assert.deepEqual(kinds(1, true), []);
      if (!api.version.startsWith("2.") || !hasIsa(api.isa, "avx512")) return;
      assert.deepEqual(kinds(1, false), ["inference"]);
      assert.deepEqual(kinds(32, true), ["forward"]);
    } finally {
      api.dispose();
    }
  });

  test("onednn: no activation is reordered on its way, in either direction", () => {
    assert.deepEqual(planOf(false).reorders, []);
    // But around the first convolution, whose pictures have their channels first.
    const reorders = planOf(false, "channelsLast").reorders.filter((name) => !/^conv1\b/.test(name));
    assert.deepEqual(reorders, []);
  });

  for (const type of ["f32", "bf16"] as const) {
    test(`onednn: nothing of a training step in ${type} runs on the library's reference code, in either layout`, {
      skip: type === "bf16" && typeof bf16 === "string" && bf16,
    }, () => {
      const graph = differentiate(lossGraph(model("se-resnet-8"), { batch: 2, imageSize: 16 }));
      for (const layout of planLayouts) {
        const api = openApi();
        const slow = new Set<string>();
        const call = api.call.bind(api);
        api.call = (primitive, args) => {
          if (gradeOf(api.implementation(primitive)) === Grade.reference) slow.add(primitive.kind);
          return call(primitive, args);
        };
        try {
          lower(api, graph, formulaWeights(graph), { live: true, type, layout });
          // Without AVX-512 the library has little else in bf16, and with channels last.
          if (hasIsa(api.isa, "avx512")) assert.deepEqual([...slow], [], layout);
        } finally {
          api.dispose();
        }
      }
    });
  }

  test("onednn: a convolution goes where the library has tiles for other layouts only, and gives the same", {
    skip: typeof bf16 === "string" && bf16,
  }, () => {
    const builder = new GraphBuilder("convolution");
    const attrs = { stride: 1, pad: 1, groups: 1 };
    const x = builder.input("x", [2, 32, 9, 8]);
    const dy = builder.input("dy", [2, 32, 9, 8]);
    const w = builder.parameter("w", [32, 32, 3, 3], "weight");
    builder.output("y", builder.apply("conv2d", "y", [x, w], attrs));
    const inputShape = x.type.shape;
    builder.output("dx", builder.apply("conv2dBackwardInput", "dx", [dy, w], { ...attrs, inputShape }));
    const weightShape = w.type.shape;
    builder.output("dw", builder.apply("conv2dBackwardWeight", "dw", [x, dy], { ...attrs, weightShape }));
    const graph = builder.build();
    const weights = formulaWeights(graph);
    const lowered = (hasTilesElsewhere: boolean) => {
      const api = openApi();
      const free = new Set<Primitive>();
      const made = api.primitiveIfServed.bind(api);
      const asIfTiled: Partial<Api> = {
        isa: api.isa | 0x3e7,
        primitiveIfServed(...args) {
          const primitive = made(...args);
          if (primitive !== undefined) free.add(primitive);
          return primitive;
        },
        implementation: (primitive) => (free.has(primitive) ? "brgconv:avx512_core_amx" : "jit:avx512_core_bf16"),
      };
      if (hasTilesElsewhere) Object.assign(api, asIfTiled);
      try {
        const { plan, inputs, outputs } = lower(api, graph, weights, {
          live: true,
          type: "bf16",
          layout: "channelsLast",
        });
        for (const [name, into] of inputs) into.set(formulaTensor("weight", inputShape, name.length).data);
        for (const { run } of plan.steps) run();
        return { plan, outputs: new Map([...outputs].map(([name, { data }]) => [name, data.slice()])) };
      } finally {
        api.dispose();
      }
    };
    const [usual, elsewhere] = [lowered(false), lowered(true)];
    assert.ok(elsewhere.plan.reorders.length > usual.plan.reorders.length, "the layouts are others");
    for (const [name, data] of usual.outputs) assertClose(elsewhere.outputs.get(name)!, data, 1e-2, name);
  });

  // By Winograd's algorithm, as the gradient of the turned one, and as neither.
  for (const [from, to] of [
    [32, 48],
    [32, 16],
    [16, 32],
  ] as const) {
    test(`onednn: a 3x3 convolution from ${from} to ${to} channels and its gradients`, async () => {
      const builder = new GraphBuilder("convolution");
      const attrs = { stride: 1, pad: 1, groups: 1 };
      const x = builder.input("x", [8, from, 9, 8]);
      const dy = builder.input("dy", [8, to, 9, 8]);
      const w = builder.parameter("w", [to, from, 3, 3], "weight");
      builder.output("y", builder.apply("conv2d", "y", [x, w], attrs));
      builder.output("dx", builder.apply("conv2dBackwardInput", "dx", [dy, w], { ...attrs, inputShape: x.type.shape }));
      builder.output(
        "dw",
        builder.apply("conv2dBackwardWeight", "dw", [x, dy], { ...attrs, weightShape: w.type.shape }),
      );
      const graph = builder.build();
      const random = createRandom(from + to);
      const drawn = ({ shape }: { shape: Shape }) =>
        tensor(
          shape,
          Float32Array.from({ length: sizeOf(shape) }, () => random.normal()),
        );
      const weights = new Map([["w", drawn(w.type)]]);
      const inputs = new Map([
        ["x", drawn(x.type)],
        ["dy", drawn(dy.type)],
      ]);
      const expected = await (await referenceExecutor.compile(graph, weights)).run(inputs);
      for (const mode of ["live", "frozen"] as const) {
        const executable = await float32.compile(graph, weights, { weights: mode });
        for (const [name, { data }] of await executable.run(inputs)) {
          assertClose(data, expected.get(name)!.data, 1e-5, `${name}, ${mode}`);
        }
        await executable.dispose();
      }
    });
  }

  test("onednn: a library's trial finds results that are wrong", () => {
    const right = openApi();
    const wrong = openApi();
    const call = wrong.call.bind(wrong);
    wrong.call = (primitive, args) => (primitive.kind.endsWith("backwardData") ? () => 0 : call(primitive, args));
    assert.deepEqual([isRight(right), isRight(wrong)], [true, false]);
    for (const api of [right, wrong]) api.dispose();
  });

  test("onednn: the squeeze's gradient is not lost where it is a result itself", async () => {
    const builder = new GraphBuilder("gate");
    const shape = [2, 32, 5, 3];
    const [branch, dy] = [builder.input("branch", shape), builder.input("dy", shape)];
    const [gate, dmean] = [builder.input("gate", [2, 32, 1, 1]), builder.input("dmean", [2, 32, 1, 1])];
    const [dgate, dbranch] = builder.apply("seScaleBackward", "scale", [gate, branch, dy], {});
    const dx = builder.apply("globalAvgPoolBackward", "mean", [dmean], { inputShape: shape });
    for (const value of [dgate, dx, builder.apply("add", "sum", [dbranch, dx], {})]) builder.output(value.name, value);
    const graph = builder.build();
    const inputs = new Map(
      graph.inputs.map(({ name, type }, i) => [name, formulaTensor("weight", type.shape, i)] as const),
    );
    const expected = await (await referenceExecutor.compile(graph, new Map())).run(inputs);
    const executable = await float32.compile(graph, new Map());
    for (const [name, { data }] of await executable.run(inputs)) {
      assertClose(data, expected.get(name)!.data, 1e-5, name);
    }
    await executable.dispose();
  });

  test("onednn: with channels last, the gate's gradient goes through memory once, by parts of the batch that stay in a cache", () => {
    for (const [batch, side, parts] of [
      [6, 60, 3],
      [5, 60, 5],
      [6, 12, 1],
    ] as const) {
      const builder = new GraphBuilder("gate");
      const [branch, dy] = [
        builder.input("branch", [batch, 32, side, side]),
        builder.input("dy", [batch, 32, side, side]),
      ];
      const gate = builder.input("gate", [batch, 32, 1, 1]);
      const [dgate, dbranch] = builder.apply("seScaleBackward", "scale", [gate, branch, dy], {});
      for (const value of [dgate, dbranch]) builder.output(value.name, value);
      const graph = builder.build();
      const inputs = new Map(graph.inputs.map(({ name, type }, i) => [name, formulaTensor("weight", type.shape, i)]));
      const api = openApi();
      try {
        const {
          plan,
          inputs: into,
          outputs,
        } = lower(api, graph, new Map(), {
          ...{ live: true, type: "f32", layout: "channelsLast" },
        });
        for (const [name, data] of into) data.set(inputs.get(name)!.data);
        for (const { run } of plan.steps) assert.equal(run(), 0);
        const { branch: x, dy: y } = Object.fromEntries(inputs) as Record<string, { data: Float32Array }>;
        const sums = Float64Array.from({ length: batch * 32 }, (_, at) => {
          let sum = 0;
          for (let i = at * side ** 2; i < (at + 1) * side ** 2; i++) sum += x!.data[i]! * y!.data[i]!;
          return sum;
        });
        assertClose(outputs.get(dgate.name)!.data, sums, 1e-4, `${batch} pictures of ${side}`);
        if (plan.layout.startsWith("channelsLast 16")) {
          assert.equal(plan.steps.filter(({ kind }) => kind === "pooling inference").length, parts);
        }
      } finally {
        api.dispose();
      }
    }
  });

  test("onednn: a gate, its shortcut and its ReLU are one call for the whole batch, in either layout", () => {
    const graph = lossGraph(model("se-resnet-8"), { batch: 4, imageSize: 16 });
    for (const layout of planLayouts) {
      const api = openApi();
      const { plan } = lower(api, graph, formulaWeights(graph), { live: true, type: "f32", layout });
      api.dispose();
      assert.equal(plan.steps.filter(({ kind }) => kind.startsWith("binary")).length, 3, layout);
    }
  });

  test("onednn: at inference bias, shortcut and ReLU are done by the convolution before them", () => {
    const graph = inferenceGraph(model("resnet-20", 10), { batch: 4, imageSize: 32 });
    const program = runPasses({ graph, weights: formulaWeights(graph) }, inferencePasses);
    const api = openApi();
    const { plan } = lower(api, program.graph, program.weights, { live: false, type: "f32" });
    api.dispose();
    const kinds = new Set(plan.steps.map(({ kind }) => kind));
    assert.deepEqual(
      [...kinds].filter((kind) => kind === "binary" || kind.startsWith("eltwise")),
      [],
    );
  });

  test("onednn: weights that are trained stay in one layout, forward and backward", () => {
    const forward = lossGraph(model("se-resnet-20", 10), { batch: 32, imageSize: 32 });
    const graph = differentiate(forward);
    const weights = formulaWeights(forward);
    const optimizer = { name: "sgd", nesterov: true } as const;
    const rule = learningRule(graph, { optimizer, weightDecay: 5e-4 });
    const api = openApi();
    const { plan } = lowerTraining(api, graph, weights, rule, { type: "f32" });
    api.dispose();
    const reordered = plan.steps.filter(({ kind }) => kind === "reorder").map(({ name }) => name);
    // Those of the head and the gates are small; the gradient by the input wants others where it does not go Winograd's way.
    const large = reordered.filter((name) => !/fc|\.se\.|backward\.input/.test(name));
    assert.deepEqual(large, []);
  });

  test("onednn: recomputing makes the arena smaller", () => {
    assert.ok(planOf(true).arenaBytes < 0.8 * planOf(false).arenaBytes);
  });

  test("onednn: the event loop goes on during a step", async () => {
    const network = model("se-resnet-18", 10);
    const graph = inferenceGraph(network, { batch: 32, imageSize: 96 });
    const executable = await float32.compile(graph, formulaWeights(graph));
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    await executable.run(new Map([[inputName, formulaPictures(32, 96, 0)]]));
    clearInterval(timer);
    await executable.dispose();
    assert.ok(turns > 2, `${turns} turns of the event loop in one run`);
  });
}
