/**
 * Checks every reverse rule of autodiff/vjp.ts against finite differences, in float64 on the `reference` executor:
 * rules must agree with the operations.
 */

import { differentiate, gradientOf } from "../src/autodiff/differentiate.ts";
import { type Backward, type VjpRule, type VjpRules, vjpRules } from "../src/autodiff/vjp.ts";
import { referenceExecutor } from "../src/executors/reference/reference.ts";
import { GraphBuilder } from "../src/ir/builder.ts";
import type { Graph, Value } from "../src/ir/graph.ts";
import type { Attrs, Op } from "../src/ir/ops.ts";
import { createRandom } from "../src/random.ts";
import { type Shape, sizeOf, type Tensor, tensor } from "../src/tensor.ts";

/** One use of an operation: the shapes of its inputs, and which of them have gradients. */
interface Case<K extends Op> {
  readonly attrs: Attrs[K];
  readonly inputs: readonly Shape[];
  /** Indices of the inputs without gradients: targets, masks, running statistics. */
  readonly constant?: readonly number[];
  /** Values of an input for which a normal distribution is unsuitable. */
  readonly values?: Readonly<Record<number, (random: () => number) => number>>;
}

const conv = { stride: 1, pad: 1, groups: 1 };
const pool = { kernel: 3, stride: 2, pad: 1, ceil: true };
const behind = { top: 0, left: 0, bottom: 0, right: 1 };
const uneven = { kernel: [3, 2], stride: [2, 1], pad: { ...behind, bottom: 1 }, ceil: false } as const;
const positive = (random: () => number) => 0.5 + Math.abs(random());
const x: Shape = [2, 4, 5, 3];

/** A row for every operation with a reverse rule; the test fails if one has no row. */
const cases: { readonly [K in Op]?: readonly Case<K>[] } = {
  conv2d: [
    { attrs: conv, inputs: [x, [3, 4, 3, 3], [3]] },
    { attrs: { stride: 2, pad: 1, groups: 2 }, inputs: [x, [4, 2, 3, 3]] },
    { attrs: { stride: [1, 2], pad: behind, groups: 1 }, inputs: [x, [3, 4, 1, 3], [3]] },
  ],
  linear: [
    { attrs: {}, inputs: [[3, 4], [5, 4], [5]] },
    {
      attrs: {},
      inputs: [
        [3, 4],
        [2, 4],
      ],
    },
  ],
  batchNorm: [{ attrs: { eps: 1e-3 }, inputs: [x, [4], [4], [4], [4]], constant: [3, 4], values: { 4: positive } }],
  batchNormTraining: [{ attrs: { eps: 1e-3 }, inputs: [x, [4], [4]] }],
  relu: [{ attrs: {}, inputs: [x] }],
  sigmoid: [{ attrs: {}, inputs: [x] }],
  silu: [{ attrs: {}, inputs: [x] }],
  mish: [{ attrs: {}, inputs: [x] }],
  add: [{ attrs: {}, inputs: [x, x] }],
  multiply: [{ attrs: { factor: -0.3 }, inputs: [x] }],
  dropout: [
    { attrs: { rate: 0.2 }, inputs: [x, x], constant: [1], values: { 1: (random) => (random() > 0 ? 1.25 : 0) } },
  ],
  concat: [
    {
      attrs: {},
      inputs: [
        [2, 1, 3, 2],
        [2, 4, 3, 2],
        [2, 2, 3, 2],
      ],
    },
  ],
  channelSlice: [
    { attrs: { start: 1, length: 2 }, inputs: [x] },
    { attrs: { start: 0, length: 4 }, inputs: [x] },
  ],
  maxPool: [
    { attrs: pool, inputs: [x] },
    { attrs: uneven, inputs: [x] },
  ],
  avgPool: [
    { attrs: pool, inputs: [x] },
    { attrs: { ...pool, countPad: false }, inputs: [x] },
    { attrs: { ...uneven, countPad: false }, inputs: [x] },
  ],
  globalAvgPool: [{ attrs: {}, inputs: [x] }],
  seScaleAdd: [{ attrs: {}, inputs: [[2, 4, 1, 1], x, x] }],
  seScale: [{ attrs: {}, inputs: [[2, 4, 1, 1], x] }],
  flatten: [{ attrs: {}, inputs: [x] }],
  softmaxCrossEntropy: [
    {
      attrs: {},
      inputs: [
        [3, 4],
        [3, 4],
      ],
      constant: [1],
      values: { 1: positive },
    },
  ],
  binaryCrossEntropy: [
    {
      attrs: {},
      inputs: [
        [3, 4],
        [3, 4],
      ],
      constant: [1],
      values: { 1: positive },
    },
  ],
};

export const differentiable: readonly Op[] = (Object.keys(vjpRules) as Op[]).filter((op) => vjpRules[op] !== null);

const step = 1e-5;
/** Central differences of such smooth functions agree to about nine digits. */
const tolerance = 1e-6;

/** Errors of an operation's rule, one line for each input; empty if it is right. */
export async function faultsOf<K extends Op>(op: K, rules: VjpRules = vjpRules): Promise<string[]> {
  const own = cases[op] as readonly Case<K>[] | undefined;
  if (own === undefined) return [`${op} has a reverse rule and no case in tests/gradients.ts`];
  const faults: string[] = [];
  for (const [i, one] of own.entries()) {
    try {
      faults.push(...(await compare(op, one, rules)).map((fault) => `${op}, case ${i}: ${fault}`));
    } catch (error) {
      // The rule's gradients have wrong shapes.
      faults.push(`${op}, case ${i}: ${String(error)}`);
    }
  }
  return faults;
}

async function compare<K extends Op>(op: K, one: Case<K>, rules: VjpRules): Promise<string[]> {
  const builder = new GraphBuilder(op);
  const random = createRandom(7);
  const feeds = new Map<string, Tensor>();
  const declare = (name: string, shape: Shape, value: (random: () => number) => number): Value => {
    feeds.set(
      name,
      tensor(
        shape,
        Float64Array.from({ length: sizeOf(shape) }, () => value(() => random.normal())),
      ),
    );
    return builder.input(name, shape, "float64");
  };
  const operands = one.inputs.map((shape, i) => declare(`input${i}`, shape, one.values?.[i] ?? ((normal) => normal())));
  const y = [builder.apply(op, "node", operands, one.attrs)].flat()[0] as Value;
  const seed = declare("seed", y.type.shape, (normal) => normal());
  builder.output("y", y);
  const graph = builder.build();
  const wrt = operands.filter((_, i) => !one.constant?.includes(i));
  const found = await run(differentiate(graph, { of: "y", wrt, seed, rules }), feeds);

  const sum = async () => {
    const { data } = (await run(graph, feeds)).get("y")!;
    const weights = feeds.get("seed")!.data;
    let total = 0;
    for (let i = 0; i < data.length; i++) total += data[i]! * weights[i]!;
    return total;
  };
  const faults: string[] = [];
  for (const value of wrt) {
    const { data } = feeds.get(value.name)!;
    const gradient = found.get(gradientOf(value.name))!.data;
    for (let i = 0; i < data.length; i++) {
      const at = data[i]!;
      data[i] = at + step;
      const above = await sum();
      data[i] = at - step;
      const below = await sum();
      data[i] = at;
      const expected = (above - below) / (2 * step);
      if (Math.abs(gradient[i]! - expected) <= tolerance * Math.max(1, Math.abs(expected))) continue;
      faults.push(`gradient of ${value.name} at ${i} is ${gradient[i]}, by finite differences ${expected}`);
      break;
    }
  }
  return faults;
}

async function run(graph: Graph, feeds: ReadonlyMap<string, Tensor>): Promise<ReadonlyMap<string, Tensor>> {
  const weights = new Map<string, Tensor>();
  const executable = await referenceExecutor.compile(graph, weights, { weights: "live" });
  try {
    return await executable.run(feeds);
  } finally {
    await executable.dispose();
  }
}

/** Replaces a rule's gradients; `emit` adds an operation. */
type Mutation = (
  gradients: readonly (Value | undefined)[],
  place: number,
  emit: Backward["emit"],
) => readonly (Value | undefined)[];

/** Ways in which a rule can be wrong about one of its inputs. */
export const mutations: Readonly<Record<string, Mutation>> = {
  "twice as large": (gradients, place, emit) =>
    gradients.map((gradient, i) =>
      i === place && gradient !== undefined ? emit("add", "mutated", [gradient, gradient], {}) : gradient,
    ),
  "left out": (gradients, place) => gradients.map((gradient, i) => (i === place ? undefined : gradient)),
  "swapped with the next": (gradients, place) => {
    const next = (place + 1) % gradients.length;
    return gradients.map((gradient, i) => gradients[i === place ? next : i === next ? place : i] ?? gradient);
  },
};

/** All effective ways to break an operation's rule, by name. */
export function brokenRules(op: Op): ReadonlyMap<string, VjpRules> {
  const broken = new Map<string, VjpRules>();
  const [first] = cases[op] ?? [];
  const places = first?.inputs.map((_, i) => i).filter((i) => !first.constant?.includes(i)) ?? [];
  for (const [name, mutate] of Object.entries(mutations)) {
    for (const place of places) {
      // Both inputs of a sum have the same gradient, and a single gradient has no next one.
      if (name === "swapped with the next" && (op === "add" || places.length === 1)) continue;
      const rule = vjpRules[op] as VjpRule<Op>;
      const wrong: VjpRule<Op> = (back, node, dy) => mutate(rule(back, node, dy), place, back.emit);
      broken.set(`input ${place} ${name}`, { ...vjpRules, [op]: wrong });
    }
  }
  return broken;
}
