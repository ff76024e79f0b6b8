/**
 * The suite that every executor must pass: values and gradients of every operation against PyTorch's
 * (golden/ops.safetensors), and the guarantees of the executor interface.
 */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { differentiate } from "../src/autodiff/differentiate.ts";
import { vjpRules } from "../src/autodiff/vjp.ts";
import { SenetError } from "../src/errors.ts";
import type { Executor, Weights } from "../src/executors/executor.ts";
import { referenceExecutor } from "../src/executors/reference/reference.ts";
import { parseSafetensors } from "../src/formats/safetensors.ts";
import { GraphBuilder } from "../src/ir/builder.ts";
import { type AnyNode, type Graph, isTrainable, type Role, type Value } from "../src/ir/graph.ts";
import type { Attrs, Op } from "../src/ir/ops.ts";
import type { AverageConfig } from "../src/optim/average.ts";
import { norm } from "../src/optim/host.ts";
import { averageOf, type OptimizerConfig, stateOf, type UpdateRule, updateRule } from "../src/optim/rule.ts";
import { type Shape, scaleInPlace, sizeOf, type Tensor, tensor } from "../src/tensor.ts";
import { Dropout } from "../src/train/dropout.ts";
import { learningRule } from "../src/train/learning.ts";
import { initialWeights } from "../src/weights/init.ts";
import { inputName, lossGraph, model, targetsName } from "../src/zoo/index.ts";
import { assertEightBits, eightBitCases } from "./eight-bits.ts";
import { formulaWeights } from "./formula.ts";
import { assertClose, golden } from "./support.ts";

type FloatDType = "float32" | "float64";

export interface ConformanceOptions {
  /** Prefix of each test's name. */
  readonly name: string;
  readonly executor: Executor;
  /** The largest difference allowed, relative to the largest expected value of a tensor. */
  readonly tolerance: number;
  readonly dtypes: readonly FloatDType[];
  /** `quick`: one of each kind; `rest`: what that leaves out; default: all. */
  readonly part?: "quick" | "rest";
  /** Skipped tests, with reasons: a test's name (`maxPool/ties`), or an operation (`maxPool`) for all of its tests. */
  readonly skip?: Readonly<Record<string, string>>;
}

// --- the golden cases ---

/** Operations of a forward pass; the others are tested through their gradients or by a test below. */
type ForwardOp = Exclude<
  Op,
  `${string}Backward` | `${string}BackwardInput` | `${string}BackwardWeight` | "runningAverage" | "after" | "fill"
>;

/** A case from golden/make_ops.py: names of the operands, whose tensors are `<case>/<operand>`. */
interface GoldenCase<K extends ForwardOp = ForwardOp> {
  readonly name: string;
  readonly op: K;
  readonly attrs: Attrs[K];
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** The inputs with gradients, as `<case>/d<input>`; the incoming gradient is `<case>/d<first output>`. */
  readonly gradients: readonly string[];
}

/** Forward operations without gradients. */
const valuesOnly: ReadonlySet<string> = new Set<ForwardOp>(["channelSum", "softmax"]);

const roles: Readonly<Record<string, Role>> = {
  w: "weight",
  b: "bias",
  gamma: "gamma",
  beta: "beta",
  mean: "mean",
  variance: "variance",
};

function loadGolden(): { cases: readonly GoldenCase[]; tensors: ReadonlyMap<string, Tensor> } {
  const path = golden("ops.safetensors");
  const { tensors, metadata } = parseSafetensors(readFileSync(path), path);
  return { cases: JSON.parse(metadata.get("cases")!), tensors };
}

/** The floats of a tensor in `dtype`; labels stay int32. */
function as(dtype: FloatDType, { shape, data }: Tensor): Tensor {
  if (data instanceof Int32Array) return tensor(shape, data);
  return tensor(shape, dtype === "float32" ? Float32Array.from(data) : Float64Array.from(data));
}

interface Fixture {
  readonly graph: Graph;
  readonly weights: Weights;
  readonly feeds: ReadonlyMap<string, Tensor>;
}

/**
 * A graph of one golden operation (its weights as parameters, everything else as inputs), with its gradients if
 * requested.
 */
function fixtureOf(
  { name, op, attrs, inputs, outputs, gradients }: GoldenCase,
  operand: (name: string) => Tensor,
  withGradients: boolean,
): Fixture {
  const builder = new GraphBuilder(name);
  const weights = new Map<string, Tensor>();
  const feeds = new Map<string, Tensor>();
  const declare = (key: string): Value => {
    const value = operand(key);
    const role = roles[key];
    (role ? weights : feeds).set(key, value);
    return role ? builder.parameter(key, value.shape, role, value.dtype) : builder.input(key, value.shape, value.dtype);
  };
  const operands = new Map(inputs.map((key) => [key, declare(key)]));
  const results = [builder.apply(op, "node", [...operands.values()], attrs)].flat();
  for (const [i, key] of outputs.entries()) builder.output(key, results[i]!);
  if (!withGradients || gradients.length === 0) return { graph: builder.build(), weights, feeds };
  const [of] = outputs as [string];
  const seed = declare(`d${of}`);
  const wrt = gradients.map((key) => operands.get(key)!);
  return { graph: differentiate(builder.build(), { of, wrt, seed }), weights, feeds };
}

/** The golden file's name of an output: `gradient/x` is `dx`. */
const goldenName = (output: string): string => output.replace(/^gradient\//, "d");

// --- numbers for the other tests ---

/** Numbers from −1 to 1, without a pattern on which a test could depend. */
function noise(shape: Shape, seed: number): number[] {
  return Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin((i + 1) * 12.9898 + seed * 78.233));
}

const floats = (dtype: FloatDType, shape: Shape, values: readonly number[]): Tensor =>
  tensor(shape, dtype === "float32" ? Float32Array.from(values) : Float64Array.from(values));

const feed = (entries: Readonly<Record<string, Tensor>>): Map<string, Tensor> => new Map(Object.entries(entries));

const isError =
  (code: SenetError["code"], ...parts: string[]) =>
  (error: unknown): boolean => {
    assert.ok(error instanceof SenetError, `a SenetError, not ${error}`);
    assert.equal(error.code, code);
    for (const part of parts) assert.ok(error.message.includes(part), `"${part}" is not in: ${error.message}`);
    return true;
  };

/** A residual SE unit and a head, forward only, with everything that engines fuse or fold. */
function seNetwork(dtype: FloatDType, batch: number): { graph: Graph; weights: Weights } {
  const builder = new GraphBuilder(`network of batch ${batch}`);
  const weights = new Map<string, Tensor>();
  const parameter = (name: string, shape: Shape, role: Role): Value => {
    const values = noise(shape, weights.size);
    weights.set(name, floats(dtype, shape, role === "variance" ? values.map((value) => value * value + 0.5) : values));
    return builder.parameter(name, shape, role, dtype);
  };
  const conv = (name: string, x: Value, shape: Shape, pad: number, stride = 1): Value =>
    builder.apply("conv2d", name, [x, parameter(`${name}.weight`, shape, "weight")], { stride, pad, groups: 1 });
  const x = builder.input("x", [batch, 3, 9, 7], dtype);
  const norms = (["gamma", "beta", "mean", "variance"] as const).map((role) => parameter(`bn.${role}`, [4], role));
  const stem = conv("stem", x, [4, 3, 3, 3], 1);
  const relu = builder.apply("relu", "relu", [builder.apply("batchNorm", "bn", [stem, ...norms], { eps: 1e-5 })], {});
  const pooled = builder.apply("maxPool", "pool", [relu], { kernel: 3, stride: 2, pad: 1, ceil: false });
  const branch = conv("branch", pooled, [4, 4, 3, 3], 1);
  const squeezed = builder.apply("globalAvgPool", "se.squeeze", [branch], {});
  const hidden = builder.apply("relu", "se.relu", [conv("se.fc1", squeezed, [2, 4, 1, 1], 0)], {});
  const gate = builder.apply("sigmoid", "se.gate", [conv("se.fc2", hidden, [4, 2, 1, 1], 0)], {});
  const scaled = builder.apply("seScaleAdd", "se.scale", [gate, branch, pooled], {});
  const sum = builder.apply("add", "sum", [scaled, conv("shortcut", relu, [4, 4, 1, 1], 0, 2)], {});
  const average = builder.apply("avgPool", "average", [sum], { kernel: 2, stride: 2, pad: 0, ceil: true });
  const flat = builder.apply("flatten", "flat", [average], {});
  const head = [parameter("fc.weight", [5, flat.type.shape[1]!], "weight"), parameter("fc.bias", [5], "bias")];
  const logits = builder.apply("linear", "fc", [flat, ...head], {});
  builder.output("logits", logits);
  builder.output("probabilities", builder.apply("softmax", "softmax", [logits], {}));
  return { graph: builder.build(), weights };
}

interface Rule {
  readonly name: string;
  /** The quick ones cover every number of states, averages, lookahead, and changing rates. */
  readonly quick?: true;
  readonly optimizer: OptimizerConfig;
  readonly decay: number;
  /** Factors of the rate, step by step; default: 1. */
  readonly rates?: readonly number[];
  /** The momentum of each step, for rules that take it from there. */
  readonly momenta?: readonly number[];
  /** Number of earlier updates; default: none. */
  readonly first?: number;
  readonly average?: AverageConfig;
  /** Factor of the usual tolerance. */
  readonly tolerance?: number;
}

/** eps is so large that Adam does not amplify rounding errors of gradients near zero. */
const rules: readonly Rule[] = [
  { name: "Nesterov's momentum and decay", quick: true, optimizer: { name: "sgd", nesterov: true }, decay: 0.1 },
  { name: "momentum alone", optimizer: { name: "sgd" }, decay: 0 },
  { name: "neither", optimizer: { name: "sgd", momentum: 0, nesterov: true }, decay: 0.1 },
  { name: "the rate in the velocity", optimizer: { name: "sgd", rateInVelocity: true }, decay: 0.1 },
  {
    name: "a momentum of each step's own",
    optimizer: { name: "sgd", momentumCycles: true, nesterov: true },
    decay: 0.1,
    momenta: [0.5, 0.7, 0.9],
  },
  {
    name: "an average of the weights",
    optimizer: { name: "sgd" },
    decay: 0.1,
    average: { decay: 0.4, warmup: true },
  },
  {
    name: "LAMB and an average of the weights",
    quick: true,
    optimizer: { name: "lamb", eps: 0.01 },
    decay: 0.1,
    average: { decay: 0.3, warmup: false },
  },
  { name: "AdamW", optimizer: { name: "adamw", eps: 0.01 }, decay: 0.1 },
  {
    name: "RAdam from the step on that it trusts squares",
    optimizer: { name: "radam", eps: 0.01 },
    decay: 0.1,
    first: 4,
  },
  {
    name: "lookahead and an average of the weights",
    quick: true,
    optimizer: { name: "adamw", eps: 0.01, lookahead: { steps: 1, alpha: 0.3 } },
    decay: 0.1,
    average: { decay: 0.4, warmup: false },
  },
  // In directions in which a gradient of few samples has only noise, orthogonal matrices have as much of it as in
  // others.
  { name: "Muon", quick: true, optimizer: { name: "muon", eps: 0.01 }, decay: 0.1, tolerance: 200 },
  {
    name: "Muon without Nesterov at rates of their own",
    optimizer: { name: "muon", nesterov: false, eps: 0.01 },
    decay: 0,
    rates: [1, 2],
    tolerance: 1000,
  },
  { name: "RMSprop", quick: true, optimizer: { name: "rmsprop", eps: 0.01 }, decay: 0.1 },
  { name: "LAMB", optimizer: { name: "lamb", eps: 0.01 }, decay: 0.1 },
  { name: "LARS", quick: true, optimizer: { name: "lars", trustCoeff: 0.1 }, decay: 0.1 },
  {
    name: "LARS with the rate in the velocity and an average of the weights",
    optimizer: { name: "lars", trustCoeff: 0.1, rateInVelocity: true },
    decay: 0.1,
    average: { decay: 0.3, warmup: false },
  },
  { name: "momentum at rates of their own", quick: true, optimizer: { name: "sgd" }, decay: 0.1, rates: [1, 0.25, 3] },
  { name: "AdamW at rates of their own", optimizer: { name: "adamw", eps: 0.01 }, decay: 0.1, rates: [0.5, 2] },
];

/** Decays parameters with more than one dimension. */
const ruleOf = ({ parameters }: Graph, { optimizer, decay, rates = [1], average }: Rule): UpdateRule =>
  updateRule({
    optimizer,
    parameters,
    gradientOf: ({ name }) => `d${name}`,
    decayOf: ({ type }) => (type.shape.length > 1 ? decay : 0),
    rateOf: (parameter) => rates[parameters.indexOf(parameter) % rates.length]!,
    average,
  });

/**
 * Parameters that engines keep in their own layouts, with their gradients: convolutions with whole blocks of channels,
 * with few channels, with groups; a layer of single positions, a head; vectors; a weight that is used twice.
 */
function trainable(dtype: FloatDType): {
  graph: Graph;
  weights: Weights;
  feeds: (seed: number) => Map<string, Tensor>;
} {
  const builder = new GraphBuilder("trainable");
  const weights = new Map<string, Tensor>();
  const parameter = (name: string, shape: Shape, role: Role): Value => {
    const values = noise(shape, weights.size);
    // Small enough to stay stable for three steps.
    weights.set(
      name,
      floats(
        dtype,
        shape,
        values.map((value) => 0.1 * value),
      ),
    );
    return builder.parameter(name, shape, role, dtype);
  };
  const x = builder.input("x", [2, 3, 6, 5], dtype);
  const wide = { stride: 1, pad: 1, groups: 1 };
  const grouped = { stride: 1, pad: 1, groups: 8 };
  const [w1, w2, w3] = [
    parameter("stem", [16, 3, 3, 3], "weight"),
    parameter("wide", [32, 16, 3, 3], "weight"),
    parameter("twice", [32, 4, 3, 3], "weight"),
  ];
  const w6 = parameter("grouped", [32, 4, 3, 3], "weight");
  const [w4, b4] = [parameter("fc1", [32, 32, 1, 1], "weight"), parameter("fc1.bias", [32], "bias")];
  const [w5, b5] = [parameter("head", [5, 32], "weight"), parameter("head.bias", [5], "bias")];
  const a = builder.apply("conv2d", "a", [x, w1], wide);
  const b = builder.apply("conv2d", "b", [a, w2], wide);
  const g = builder.apply("conv2d", "g", [b, w6], grouped);
  const c = builder.apply("conv2d", "c", [g, w3], grouped);
  const again = builder.apply("conv2d", "again", [c, w3], grouped);
  const squeezed = builder.apply("globalAvgPool", "squeezed", [again], {});
  const one = { stride: 1, pad: 0, groups: 1 };
  const hidden = builder.apply("conv2d", "hidden", [squeezed, w4, b4], one);
  const flat = builder.apply("flatten", "flat", [hidden], {});
  builder.output("y", builder.apply("linear", "y", [flat, w5, b5], {}));
  const dy = builder.input("dy", [2, 5], dtype);
  const dflat = builder.apply("linearBackwardInput", "dflat", [dy, w5], {});
  const dhidden = builder.apply("flattenBackward", "dhidden", [dflat], { inputShape: hidden.type.shape });
  const dsqueezed = builder.apply("conv2dBackwardInput", "dsqueezed", [dhidden, w4], {
    ...one,
    inputShape: squeezed.type.shape,
  });
  const inputShape = c.type.shape;
  const dagain = builder.apply("globalAvgPoolBackward", "dagain", [dsqueezed], { inputShape });
  const dc = builder.apply("conv2dBackwardInput", "dc", [dagain, w3], { ...grouped, inputShape });
  const dg = builder.apply("conv2dBackwardInput", "dg", [dc, w3], { ...grouped, inputShape });
  const db = builder.apply("conv2dBackwardInput", "db", [dg, w6], { ...grouped, inputShape });
  const da = builder.apply("conv2dBackwardInput", "da", [db, w2], { ...wide, inputShape: a.type.shape });
  const dw = (name: string, from: Value, gradient: Value, w: Value, attrs: Attrs["conv2d"]) =>
    builder.apply("conv2dBackwardWeight", name, [from, gradient], { ...attrs, weightShape: w.type.shape });
  const [once, twice] = [dw("dw3.once", g, dc, w3, grouped), dw("dw3.twice", c, dagain, w3, grouped)];
  builder.output("dstem", dw("dw1", x, da, w1, wide));
  builder.output("dwide", dw("dw2", a, db, w2, wide));
  builder.output("dtwice", builder.apply("add", "dw3", [once, twice], {}));
  builder.output("dgrouped", dw("dw6", b, dg, w6, grouped));
  builder.output("dfc1", dw("dw4", squeezed, dhidden, w4, one));
  builder.output("dfc1.bias", builder.apply("channelSum", "db4", [dhidden], {}));
  builder.output("dhead", builder.apply("linearBackwardWeight", "dw5", [flat, dy], {}));
  builder.output("dhead.bias", builder.apply("channelSum", "db5", [dy], {}));
  const feeds = (seed: number) =>
    feed({
      x: floats(dtype, x.type.shape, noise(x.type.shape, seed)),
      dy: floats(dtype, dy.type.shape, noise(dy.type.shape, seed + 0.5)),
    });
  return { graph: builder.build(), weights, feeds };
}

// --- the suite ---

/** Defines the tests of one executor, a group for each dtype. */
export function conformance({ name, executor, tolerance, dtypes, part, skip = {} }: ConformanceOptions): void {
  const { cases, tensors } = loadGolden();
  const unusedSkips = new Set(Object.keys(skip));
  const reasonToSkip = (testName: string): string | false => {
    for (const key of [testName, testName.split("/")[0]!]) {
      if (Object.hasOwn(skip, key)) {
        unusedSkips.delete(key);
        return skip[key]!;
      }
    }
    return false;
  };

  test(`${name}: the golden file has every forward operation, and the gradient of every one that has a rule`, () => {
    for (const [op, rule] of Object.entries(vjpRules)) {
      const own = cases.filter((entry) => entry.op === op);
      const isForward = rule !== null || valuesOnly.has(op);
      assert.equal(own.length > 0, isForward, op);
      assert.equal(
        own.some(({ gradients }) => gradients.length > 0),
        rule !== null,
        `gradients of ${op}`,
      );
    }
  });

  for (const dtype of dtypes) {
    describe(`${name} ${dtype}`, () => {
      const checkIn = (own: "quick" | "rest") => (testName: string, body: () => Promise<void>) => {
        const reason = reasonToSkip(testName);
        if (part === undefined || part === own) test(testName, { skip: reason }, body);
      };
      const check = checkIn("quick");
      const checkFurther = checkIn("rest");

      for (const entry of cases) {
        check(entry.name, async () => {
          const operand = (key: string) => as(dtype, tensors.get(`${entry.name}/${key}`)!);
          for (const training of [false, true]) {
            const { graph, weights, feeds } = fixtureOf(entry, operand, training);
            const executable = await executor.compile(graph, weights, { weights: training ? "live" : "frozen" });
            // The second run starts from what the first one left in memory.
            for (const run of [1, 2]) {
              const found = await executable.run(feeds);
              assert.deepEqual([...found.keys()].sort(), [...graph.outputs.keys()].sort());
              for (const [key, { shape, data, dtype: foundDType }] of found) {
                const expected = tensors.get(`${entry.name}/${goldenName(key)}`)!;
                const what = `${key} of run ${run}, ${training ? "live with gradients" : "frozen"}`;
                assert.equal(foundDType, dtype, what);
                assert.deepEqual(shape, expected.shape, what);
                assertClose(data, expected.data, tolerance, what);
              }
            }
            await executable.dispose();
          }
        });
      }

      for (const name of dtype === "float32" ? Object.keys(eightBitCases) : []) {
        check(`eight bits: ${name}`, () => assertEightBits(executor, name, tolerance));
      }

      check("runningAverage", async () => {
        const builder = new GraphBuilder("average");
        const running = builder.parameter("running", [3], "variance", dtype);
        const batch = builder.input("batch", [3], dtype);
        builder.output("y", builder.apply("runningAverage", "y", [running, batch], { decay: 0.75, scale: 1.5 }));
        const weights = feed({ running: floats(dtype, [3], [1, -2, 3]) });
        const executable = await executor.compile(builder.build(), weights);
        const found = await executable.run(feed({ batch: floats(dtype, [3], [8, 16, -4]) }));
        assertClose(found.get("y")!.data, [0.75 + 3, -1.5 + 6, 2.25 - 1.5], tolerance, "0.75·running + 0.25·1.5·batch");
        await executable.dispose();
      });

      check("after", async () => {
        const builder = new GraphBuilder("after");
        const x = builder.input("x", [1, 16, 2, 2], dtype);
        const weight = builder.parameter("weight", [16, 16, 1, 1], "weight", dtype);
        const y = builder.apply("conv2d", "y", [x, weight], { stride: 1, pad: 0, groups: 1 });
        const [some, cue] = [builder.input("some", [3], dtype), builder.input("cue", [2, 2], dtype)];
        builder.output("y", builder.apply("relu", "relu", [builder.apply("after", "later", [y, some, cue], {})], {}));
        builder.output("x", builder.apply("after", "x later", [x, cue], {}));
        const weights = feed({ weight: floats(dtype, [16, 16, 1, 1], noise([256], 1)) });
        const values = noise([64], 2);
        const executable = await executor.compile(builder.build(), weights, { weights: "live" });
        const expected = await referenceExecutor.compile(builder.build(), weights, { weights: "live" });
        for (const bad of [0, Number.NaN, Number.POSITIVE_INFINITY]) {
          const inputs = feed({
            x: floats(dtype, x.type.shape, values),
            some: floats(dtype, [3], [1, 2, 3]),
            cue: floats(dtype, [2, 2], [bad, bad, bad, bad]),
          });
          const found = await executable.run(inputs);
          assertClose(found.get("x")!.data, values, tolerance, `x after ${bad}`);
          assertClose(found.get("y")!.data, (await expected.run(inputs)).get("y")!.data, tolerance, `y after ${bad}`);
        }
        await executable.dispose();
        await expected.dispose();
      });

      check("fill", async () => {
        const builder = new GraphBuilder("fill");
        const x = builder.input("x", [2, 3], dtype);
        const filled = builder.apply("fill", "filled", [], { value: 0.25, shape: [2, 3], dtype });
        builder.output("scalar", builder.apply("fill", "scalar", [], { value: -3, shape: [], dtype }));
        builder.output("sum", builder.apply("add", "sum", [x, filled], {}));
        const executable = await executor.compile(builder.build(), new Map());
        const found = await executable.run(feed({ x: floats(dtype, [2, 3], [1, 2, 3, 4, 5, 6]) }));
        assert.deepEqual(found.get("scalar")!.shape, []);
        assertClose(found.get("scalar")!.data, [-3], 0, "scalar");
        assertClose(found.get("sum")!.data, [1.25, 2.25, 3.25, 4.25, 5.25, 6.25], tolerance, "sum");
        await executable.dispose();
      });

      check("each run sees its own inputs", async () => {
        const { graph, weights } = seNetwork(dtype, 2);
        const shape = graph.inputs[0]!.type.shape;
        const inputs = (seed: number) => feed({ x: floats(dtype, shape, noise(shape, seed)) });
        const executable = await executor.compile(graph, weights);
        const logits = async (seed: number) => Array.from((await executable.run(inputs(seed))).get("logits")!.data);
        const [first, other, again] = [await logits(1), await logits(2), await logits(1)];
        assertClose(again, first, tolerance, "the same input");
        assert.ok(
          first.some((value, i) => Math.abs(value - other[i]!) > 0.01),
          "another input, another output",
        );
        await executable.dispose();
      });

      check("live weights are read anew by each run", async () => {
        const builder = new GraphBuilder("live");
        const x = builder.input("x", [1, 2, 1, 2], dtype);
        const conv = builder.parameter("conv", [2, 2, 1, 1], "weight", dtype);
        const fc = builder.parameter("fc", [1, 2], "weight", dtype);
        const bias = builder.parameter("bias", [1], "bias", dtype);
        const y = builder.apply("conv2d", "y", [x, conv], { stride: 1, pad: 0, groups: 1 });
        const flat = builder.apply("flatten", "flat", [builder.apply("globalAvgPool", "squeezed", [y], {})], {});
        builder.output("y", builder.apply("linear", "z", [flat, fc, bias], {}));
        const weights = feed({
          conv: floats(dtype, [2, 2, 1, 1], [1, 0, 0, 1]),
          fc: floats(dtype, [1, 2], [1, 10]),
          bias: floats(dtype, [1], [0.5]),
        });
        const executable = await executor.compile(builder.build(), weights, { weights: "live" });
        const inputs = feed({ x: floats(dtype, [1, 2, 1, 2], [1, 3, 5, 7]) });
        const run = async () => (await executable.run(inputs)).get("y")!.data;
        assertClose(await run(), [2 + 60 + 0.5], tolerance, "before");
        weights.get("conv")!.data.set([0, 1, 1, 0]);
        assertClose(await run(), [6 + 20 + 0.5], tolerance, "the convolution's weight changed");
        weights.get("bias")!.data[0] = -1;
        weights.get("fc")!.data[1] = 0;
        assertClose(await run(), [6 - 1], tolerance, "the head's weights changed");
        await executable.dispose();
      });

      check("frozen weights are those of the time of compiling", async () => {
        const { graph, weights } = seNetwork(dtype, 1);
        const executable = await executor.compile(graph, weights, { weights: "frozen" });
        const inputs = feed({ x: floats(dtype, [1, 3, 9, 7], noise([189], 1)) });
        const before = Array.from((await executable.run(inputs)).get("logits")!.data);
        for (const { data } of weights.values()) data.fill(0);
        assertClose((await executable.run(inputs)).get("logits")!.data, before, tolerance, "logits");
        await executable.dispose();
      });

      check("updates are written into live weights in place", async () => {
        const shape = [4, 2, 3, 3];
        const count = 4 * 3 * 3;
        const builder = new GraphBuilder("updates");
        const x = builder.input("x", shape, dtype);
        const gamma = builder.parameter("gamma", [2], "gamma", dtype);
        const beta = builder.parameter("beta", [2], "beta", dtype);
        const running = {
          mean: builder.parameter("mean", [2], "mean", dtype),
          variance: builder.parameter("variance", [2], "variance", dtype),
        };
        const [y, mean, variance] = builder.apply("batchNormTraining", "bn", [x, gamma, beta], { eps: 1e-5 });
        const average = (name: "mean" | "variance", batch: Value, scale: number) =>
          builder.apply("runningAverage", `bn.running.${name}`, [running[name], batch], { decay: 0.9, scale });
        builder.update(running.mean, average("mean", mean, 1));
        builder.update(running.variance, average("variance", variance, count / (count - 1)));
        builder.output("y", y);
        const graph = builder.build();

        const start = { gamma: [1, 2], beta: [0, 1], mean: [0.5, -0.5], variance: [1, 2] };
        const fresh = () =>
          feed(Object.fromEntries(Object.entries(start).map(([key, values]) => [key, floats(dtype, [2], values)])));
        const live = fresh();
        const arrays = new Map([...live].map(([key, { data }]) => [key, data]));
        const executable = await executor.compile(graph, live, { weights: "live" });
        const expected = { mean: [...start.mean], variance: [...start.variance] };
        for (const seed of [1, 2, 3]) {
          const values = noise(shape, seed);
          await executable.run(feed({ x: floats(dtype, shape, values) }));
          for (const channel of [0, 1]) {
            const own = values.filter((_, i) => Math.floor(i / 9) % 2 === channel);
            const m = own.reduce((sum, value) => sum + value) / count;
            const unbiased = own.reduce((sum, value) => sum + (value - m) ** 2, 0) / (count - 1);
            expected.mean[channel] = 0.9 * expected.mean[channel]! + 0.1 * m;
            expected.variance[channel] = 0.9 * expected.variance[channel]! + 0.1 * unbiased;
          }
          assertClose(live.get("mean")!.data, expected.mean, tolerance, `running mean after run ${seed}`);
          assertClose(live.get("variance")!.data, expected.variance, tolerance, `running variance after run ${seed}`);
        }
        for (const [key, array] of arrays) assert.equal(live.get(key)!.data, array, `${key} is the same array`);
        assert.deepEqual([...live.get("gamma")!.data], start.gamma, "what has no update stays");
        await executable.dispose();

        const frozen = fresh();
        const other = await executor.compile(graph, frozen, { weights: "frozen" });
        await other.run(feed({ x: floats(dtype, shape, noise(shape, 1)) }));
        assert.deepEqual([...frozen.get("mean")!.data], start.mean, "frozen weights are not written");
        await other.dispose();
      });

      check("updates and outputs take the values of before the run", async () => {
        const builder = new GraphBuilder("swap");
        const x = builder.input("x", [2], dtype);
        const a = builder.parameter("a", [2], "mean", dtype);
        const b = builder.parameter("b", [2], "variance", dtype);
        builder.update(a, b);
        builder.update(b, a);
        builder.output("x", x);
        builder.output("a", a);
        const sum = builder.apply("add", "sum", [a, x], {});
        builder.output("sum", sum);
        builder.output("sum again", sum);
        const weights = feed({ a: floats(dtype, [2], [1, 2]), b: floats(dtype, [2], [3, 4]) });
        const executable = await executor.compile(builder.build(), weights, { weights: "live" });
        const found = await executable.run(feed({ x: floats(dtype, [2], [10, 20]) }));
        const values = Object.fromEntries([...found].map(([key, { data }]) => [key, [...data]]));
        assert.deepEqual(values, { x: [10, 20], a: [1, 2], sum: [11, 22], "sum again": [11, 22] });
        assert.deepEqual([...weights.get("a")!.data], [3, 4]);
        assert.deepEqual([...weights.get("b")!.data], [1, 2]);
        await executable.dispose();
      });

      for (const rule of rules) {
        (rule.quick ? check : checkFurther)(`training: ${rule.name}`, async () => {
          const { graph, weights, feeds } = trainable(dtype);
          const allowed = (rule.tolerance ?? 1) * tolerance;
          const start = new Map(
            [...weights].map(([key, { shape, data }]) => [key, { dtype, shape, data: data.slice() }]),
          );
          const expected = trainable(dtype).weights;
          const [own, truth] = [ruleOf(graph, rule), ruleOf(graph, rule)];
          const trainer = await executor.compileTraining(graph, weights, own);
          const reference = await referenceExecutor.compileTraining(graph, expected, truth);
          for (let step = 0; step < 3; step++) {
            const [found, wanted] = [await trainer.gradients(feeds(step)), await reference.gradients(feeds(step))];
            assert.ok(await trainer.areFinite());
            assertClose(found.get("y")!.data, wanted.get("y")!.data, allowed, `y of step ${step}`);
            const momentum = rule.momenta?.[step];
            const numbers = { rate: 0.05, step: (rule.first ?? 0) + step, ...(momentum !== undefined && { momentum }) };
            await trainer.update(numbers);
            await reference.update(numbers);
            if (step === 1) await trainer.synchronise();
          }
          await trainer.synchronise();
          const [state, wantedState] = [stateOf(own), stateOf(truth)];
          assert.deepEqual([...state.keys()], [...wantedState.keys()]);
          assert.equal(averageOf(own).size, rule.average === undefined ? 0 : own.learnt.length);
          for (const [key, { data }] of averageOf(truth)) {
            assertClose(averageOf(own).get(key)!.data, data, allowed, `average of ${key}`);
          }
          for (const [key, { data }] of expected) {
            assertClose(weights.get(key)!.data, data, allowed, `${key} after three steps`);
            assert.notDeepEqual(weights.get(key)!.data, start.get(key)!.data, `${key} was learnt`);
            for (const [slot, values] of wantedState) {
              assertClose(state.get(slot)!.get(key)!.data, values.get(key)!.data, 3 * allowed, `${slot} of ${key}`);
            }
          }
          await trainer.dispose();
          await reference.dispose();
        });
      }

      check("training: where a gradient is not finite it is told, and training can go on", async () => {
        const { graph, weights, feeds } = trainable(dtype);
        const trainer = await executor.compileTraining(graph, weights, ruleOf(graph, rules[0]!));
        await trainer.gradients(feeds(0));
        assert.ok(await trainer.areFinite());
        const bad = feeds(1);
        bad.get("dy")!.data[3] = Number.NaN;
        await trainer.gradients(bad);
        assert.equal(await trainer.areFinite(), false);
        await trainer.gradients(feeds(1));
        assert.ok(await trainer.areFinite());
        await trainer.dispose();
      });

      check("training: gradients lie open between the halves of a step", async () => {
        const { graph, weights, feeds } = trainable(dtype);
        const told: string[] = [];
        const given = new Map<string, number>();
        let numbers = 0;
        const trainer = await executor.compileTraining(graph, weights, ruleOf(graph, { ...rules[2]!, decay: 0 }), {
          onGradient: (parameter, data) => {
            told.push(parameter);
            given.set(parameter, norm(data));
            numbers += data.length;
            // The executor must not need it any more.
            scaleInPlace(data, 3);
          },
        });
        const reference = await referenceExecutor.compile(graph, trainable(dtype).weights);
        const truth = await reference.run(feeds(0));
        await trainer.gradients(feeds(0));
        // Each once, with its final value.
        assert.deepEqual([...told].sort(), [...weights.keys()].sort());
        for (const [parameter, length] of given) {
          assertClose([length], [norm(truth.get(`d${parameter}`)!.data)], 10 * tolerance, `length of d${parameter}`);
        }
        // All in one piece.
        const [all, ...none] = trainer.gradientData;
        assert.deepEqual([all!.length, none], [numbers, []]);
        scaleInPlace(all!, 1 / 3);
        const whole = Math.hypot(...trainer.gradientData.map(norm));
        const lengths = [...weights.keys()].map((name) => norm(truth.get(`d${name}`)!.data));
        assertClose([whole], [Math.hypot(...lengths)], 10 * tolerance, "length of all gradients");
        // Halving the doubled gradients restores them.
        for (const data of trainer.gradientData) scaleInPlace(data, 2);
        await trainer.update({ rate: 0.05, step: 0, scale: 0.5 });
        await trainer.synchronise();
        for (const [name, { data }] of trainable(dtype).weights) {
          const gradient = truth.get(`d${name}`)!.data;
          const expected = Array.from(data, (value, i) => value - 0.05 * gradient[i]!);
          assertClose(weights.get(name)!.data, expected, tolerance, name);
        }
        await trainer.dispose();
        await reference.dispose();
      });

      checkFurther(
        "training: the last layer's gradient is the first to be there, and the first layer's the last",
        async () => {
          const network = model("se-resnet-8", 4);
          const forward = lossGraph(network, { batch: 2, imageSize: 8, dtype });
          const graph = differentiate(forward);
          const weights = initialWeights(forward, 1);
          const told: string[] = [];
          const rule = learningRule(graph, { optimizer: { name: "sgd" }, weightDecay: 0 });
          const onGradient = (parameter: string) => told.push(parameter);
          const trainer = await executor.compileTraining(graph, weights, rule, { onGradient });
          const image = floats(dtype, [2, 3, 8, 8], noise([2, 3, 8, 8], 1));
          await trainer.gradients(
            feed({ [inputName]: image, [targetsName]: floats(dtype, [2, 4], [0, 1, 0, 0, 1, 0, 0, 0]) }),
          );
          assert.equal(told.length, rule.learnt.length);
          assert.ok(
            told.slice(0, 2).every((name) => name.startsWith("fc.")),
            `${told.slice(0, 3)}`,
          );
          const stem = told.indexOf("conv1.weight");
          assert.ok(
            told.every((name, i) => i <= stem || name.startsWith("bn1.")),
            `${told.slice(-4)}`,
          );
          await trainer.dispose();
        },
      );

      for (const freezing of [
        { freeze: "stage2" },
        { freeze: ({ block }: AnyNode) => block?.stage === 2 },
        { freezeBatchNorm: true },
      ]) {
        const what = "freezeBatchNorm" in freezing ? "all batch norms" : `${typeof freezing.freeze}`;
        (what === "string" ? check : checkFurther)(`training: frozen, ${what}`, async () => {
          const network = model("se-resnet-8", 4);
          const forward = lossGraph(network, { batch: 2, imageSize: 16, dtype, ...freezing });
          const graph = differentiate(forward);
          const fresh = () => new Map([...formulaWeights(forward)].map(([key, value]) => [key, as(dtype, value)]));
          const [own, truth] = [fresh(), fresh()];
          const rule = () => learningRule(graph, { optimizer: { name: "sgd", momentum: 0.9 } });
          const trainer = await executor.compileTraining(graph, own, rule());
          const reference = await referenceExecutor.compileTraining(graph, truth, rule());
          const shape = [2, 3, 16, 16];
          for (let step = 0; step < 3; step++) {
            const inputs = feed({
              [inputName]: floats(dtype, shape, noise(shape, step)),
              [targetsName]: floats(dtype, [2, 4], [0, 1, 0, 0, 1, 0, 0, 0]),
            });
            const [found, wanted] = [await trainer.gradients(inputs), await reference.gradients(inputs)];
            assertClose(found.get("loss")!.data, wanted.get("loss")!.data, tolerance, `loss ${step}`);
            await trainer.update({ rate: 0.02, step });
            await reference.update({ rate: 0.02, step });
          }
          await trainer.synchronise();
          const moved = new Set([...graph.parameters.filter(isTrainable), ...graph.updates.keys()].map((p) => p.name));
          assert.ok(moved.size > 0 && moved.size < truth.size);
          for (const [name, { data }] of fresh()) {
            const now = own.get(name)!.data;
            if (moved.has(name)) assertClose(now, truth.get(name)!.data, 20 * tolerance, name);
            else assert.deepEqual(now, data, name);
          }
          await trainer.dispose();
          await reference.dispose();
        });
      }

      for (const name of ["se-resnet-8", "resnet-8"]) {
        (name === "resnet-8" ? check : checkFurther)(`training: blocks left out by picture, ${name}`, async () => {
          const forward = lossGraph(model(name, 4), { batch: 4, imageSize: 16, dtype, dropPath: 0.6 });
          const graph = differentiate(forward);
          const fresh = () => new Map([...formulaWeights(forward)].map(([key, value]) => [key, as(dtype, value)]));
          const [own, truth] = [fresh(), fresh()];
          const rule = () => learningRule(graph, { optimizer: { name: "sgd" }, weightDecay: 0 });
          const trainer = await executor.compileTraining(graph, own, rule());
          const reference = await referenceExecutor.compileTraining(graph, truth, rule());
          const shape = [4, 3, 16, 16];
          const inputs = feed({
            [inputName]: floats(dtype, shape, noise(shape, 0)),
            [targetsName]: floats(dtype, [4, 4], [0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]),
          });
          new Dropout(graph, 5).feed(inputs, 0);
          assert.ok(graph.inputs.some(({ name }) => inputs.get(name)!.data.includes(0) && name.endsWith(".keep")));
          const [found, wanted] = [await trainer.gradients(inputs), await reference.gradients(inputs)];
          assertClose(found.get("loss")!.data, wanted.get("loss")!.data, tolerance, "loss");
          await trainer.update({ rate: 0.02, step: 0 });
          await reference.update({ rate: 0.02, step: 0 });
          await trainer.synchronise();
          for (const [key, { data }] of truth) assertClose(own.get(key)!.data, data, 20 * tolerance, key);
          await trainer.dispose();
          await reference.dispose();
        });
      }

      check("weights that are missing or do not fit are all named", async () => {
        const { graph, weights } = seNetwork(dtype, 1);
        const broken = new Map(weights);
        broken.delete("stem.weight");
        broken.delete("fc.bias");
        broken.set("se.fc1.weight", floats(dtype, [4, 2, 1, 1], noise([8], 1)));
        const otherDType = dtype === "float32" ? "float64" : "float32";
        broken.set("bn.mean", floats(otherDType, [4], [0, 0, 0, 0]));
        const names = [
          "stem.weight",
          "fc.bias",
          "se.fc1.weight",
          "[4, 2, 1, 1]",
          "[2, 4, 1, 1]",
          "bn.mean",
          otherDType,
        ];
        for (const mode of ["live", "frozen"] as const) {
          await assert.rejects(executor.compile(graph, broken, { weights: mode }), isError("weights", ...names));
        }
        const spare = new Map(weights).set("optimiser.step", floats(dtype, [], [1]));
        await (await executor.compile(graph, spare)).dispose();
      });

      check("inputs that are missing or do not fit are named", async () => {
        const { graph, weights } = seNetwork(dtype, 1);
        const x = floats(dtype, [1, 3, 9, 7], noise([189], 1));
        for (const mode of ["live", "frozen"] as const) {
          const executable = await executor.compile(graph, weights, { weights: mode });
          await assert.rejects(executable.run(new Map()), isError("shape", "x", "missing"));
          await assert.rejects(
            executable.run(feed({ x: floats(dtype, [1, 3, 7, 9], noise([189], 1)) })),
            isError("shape", "[1, 3, 9, 7]", "[1, 3, 7, 9]"),
          );
          await assert.rejects(
            executable.run(feed({ x: as(dtype === "float32" ? "float64" : "float32", x) })),
            isError("shape", "x"),
          );
          await assert.rejects(executable.run(feed({ x, z: x })), isError("shape", "z"));
          assert.equal((await executable.run(feed({ x }))).size, 2, "a refused run leaves the executable usable");
          await executable.dispose();
        }
      });

      check("dynamic batch", async () => {
        const { graph, weights } = seNetwork(dtype, 2);
        const dynamic = await executor.compile(graph, weights, { weights: "frozen" });
        for (const batch of [2, 5, 1, 2]) {
          const exact = await executor.compile(seNetwork(dtype, batch).graph, weights, { weights: "frozen" });
          const shape = [batch, 3, 9, 7];
          const inputs = feed({ x: floats(dtype, shape, noise(shape, batch)) });
          const [found, expected] = [await dynamic.run(inputs), await exact.run(inputs)];
          for (const [key, { shape, data }] of expected) {
            assert.deepEqual(found.get(key)!.shape, shape, `${key} at batch ${batch}`);
            assertClose(found.get(key)!.data, data, tolerance, `${key} at batch ${batch}`);
          }
          await exact.dispose();
        }
        await dynamic.dispose();
      });
    });
  }
  assert.deepEqual([...unusedSkips], [], `${name}: these skips name no test`);
}
