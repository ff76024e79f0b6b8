/**
 * Chooses the oneDNN library and the layout of pictures for a graph: by which have fast code on this processor, or,
 * where that does not decide, by measuring the graph's convolutions once and remembering the result.
 */

import { cpus } from "node:os";
import { SenetError } from "../../errors.ts";
import { GraphBuilder } from "../../ir/builder.ts";
import type { Graph, Node, Value } from "../../ir/graph.ts";
import { GraphUses } from "../../ir/uses.ts";
import { type Shape, sizeOf, zeros } from "../../tensor.ts";
import { Grade, gradeOf } from "./api.node.ts";
import { openApi } from "./engine.node.ts";
import { formatVersion, type Library, setThreads, threadMilliseconds } from "./library.node.ts";
import { lower } from "./lower.node.ts";
import { type ElementType, layoutOf, type PlanLayout, planLayouts } from "./spec.ts";
import { type Found, plans, recall, remember } from "./tuned.node.ts";

/** A way to compute a graph. */
export interface Way {
  readonly library: Library;
  readonly layout: PlanLayout;
}

export interface Question {
  /** The first one is used if nothing decides. */
  readonly libraries: readonly Library[];
  readonly graph: Graph;
  readonly type: ElementType;
  readonly threads: number;
  /** The layout, if it is given. */
  readonly layout?: PlanLayout | undefined;
}

const layoutVariable = "SENET_ONEDNN_LAYOUT";

export function chooseWay(question: Question): Way {
  const ways = possibleWays(question);
  return ways.length > 1 && isWorthwhile(question.graph) ? measuredWay(question, ways) : ways[0]!;
}

/** The ways worth measuring, the usual one first. */
export function possibleWays({ libraries, type, layout: given }: Question): Way[] {
  const said = given ?? saidLayout();
  return libraries.flatMap((library, place) => {
    const { isServed, layout } = servedBy(library, type);
    // The first way is kept even if unsupported: lowering the graph then reports what is missing.
    if (!isServed && place > 0) return [];
    const one = said ?? layout;
    return (one === undefined ? planLayouts : [one]).map((layout) => ({ library, layout }));
  });
}

/** @throws SenetError `usage` where the variable says something else */
function saidLayout(): PlanLayout | undefined {
  const said = process.env[layoutVariable];
  // Empty counts as not set.
  if (!said) return undefined;
  const layout = planLayouts.find((name) => name === said);
  if (layout !== undefined) return layout;
  throw new SenetError("usage", "there is no such layout", {
    where: `${layoutVariable}=${said}`,
    expected: planLayouts.join(", "),
  });
}

/** Small graphs are not worth measuring, and the result would be random. */
const isWorthwhile = (graph: Graph): boolean =>
  dearest(graph).reduce((sum, convolution) => sum + costOf(convolution), 0) > 1e9;

interface Served {
  readonly isServed: boolean;
  /** The only layout worth considering, if there is just one. */
  readonly layout: PlanLayout | undefined;
}

/** Cached by library and type, which never change. */
const known = new Map<string, Served>();

function servedBy(library: Library, type: ElementType): Served {
  const key = `${library.path} ${type}`;
  let served = known.get(key);
  if (served === undefined) {
    const [blocks, last] = planLayouts.map((layout) => implementationOf(library, type, layout));
    served = { isServed: blocks !== undefined || last !== undefined, layout: layoutServed(blocks, last) };
    known.set(key, served);
  }
  return served;
}

/**
 * The only layout with fast code, or the only one with AMX tile code, judging by the library's names of its
 * implementations for a typical convolution. `undefined`: both are equally supported.
 */
export function layoutServed(blocks: string | undefined, last: string | undefined): PlanLayout | undefined {
  const grade = (name: string | undefined) => (name === undefined ? Grade.reference : gradeOf(name));
  if (grade(blocks) < grade(last)) return "channelsLast";
  return grade(blocks) > grade(last) || grade(last) === Grade.reference ? "blocks" : undefined;
}

/** `brgconv:avx512_core_amx_bf16`, `jit:avx512_core`, `ref:any`: as the library calls its code. */
function implementationOf(library: Library, type: ElementType, layout: PlanLayout): string | undefined {
  const api = openApi(library);
  try {
    const shape = [1, 64, 28, 28];
    const picture = api.describe(shape, type, layoutOf(shape, { layout, block: api.block }));
    const primitive = api.primitiveIfServed("layout", {
      ...{ primitive: "convolution", pass: "forward", src: picture, dst: picture },
      weights: api.describe([64, 64, 3, 3], type, "any"),
      window: { strides: [1, 1], padLow: [1, 1], padHigh: [1, 1] },
    });
    return primitive && api.implementation(primitive);
  } finally {
    api.dispose();
  }
}

/** Another way must be this much faster than the first, so that the choice does not change between runs. */
const worth = 0.85;

/** Time limit for measuring, in milliseconds. */
const patience = 20_000;

/** The way measured to be fastest for this processor and graph, now or earlier. */
export function measuredWay(question: Question, ways: readonly Way[] = possibleWays(question)): Way {
  const { graph, type, threads } = question;
  const convolutions = dearest(graph);
  const first = ways[0]!;
  if (convolutions.length === 0) return first;
  const facts = {
    processor: cpus()[0]?.model.trim() ?? "unknown",
    purpose: isTraining(graph) ? "training" : "inference",
    type: convolutions.some(({ eightBits }) => eightBits !== undefined) ? "int8" : type,
    threads,
  } as const;
  const names = ways.map(({ library, layout }) => ({ library: formatVersion(library.version), layout }));
  // Processors of several kinds may have one name, and a library may be told to use less of one.
  const isas = ways.map(({ library }) => library.isa);
  const key = JSON.stringify([plans, facts, isas, names, convolutions.map(({ key, count }) => [key, count])]);
  const before = recall(key);
  if (before !== undefined && before.ways.length === ways.length) return ways[before.chosen]!;
  const milliseconds = ways.map(() => 0);
  const begin = performance.now();
  // Measures one thread's part of the work in processor time: on a busy machine threads wait for each other, whichever
  // code they run.
  setThreads(1);
  try {
    for (const convolution of convolutions) {
      const times = timesOf(ways, alone(convolution, threads), type, convolution.isTraining);
      for (const [way, time] of times.entries()) milliseconds[way]! += convolution.count * time;
      // A machine that is so busy keeps its user waiting: the dearest have to tell.
      if (performance.now() - begin > patience) break;
    }
  } finally {
    setThreads(threads);
  }
  const least = milliseconds.indexOf(Math.min(...milliseconds));
  const chosen = milliseconds[least]! < worth * milliseconds[0]! ? least : 0;
  const found: Found = {
    ...facts,
    plans,
    graph: graph.name,
    input: [...graph.inputs[0]!.type.shape],
    chosen,
    ways: names.map((name, way) => ({ ...name, milliseconds: milliseconds[way]! })),
  };
  remember(key, found);
  return ways[chosen]!;
}

interface Convolution {
  readonly key: string;
  readonly node: Node<"conv2d">;
  /** Whether its gradients are needed too. */
  readonly isTraining: boolean;
  /** Set for eight bits, with the input's signedness. */
  readonly eightBits: { readonly signed: boolean } | undefined;
  readonly count: number;
}

/** Number of kinds of convolutions to measure: those with the most multiply-adds. */
const most = 6;

const isTraining = ({ nodes }: Graph): boolean => nodes.some(({ op }) => op === "conv2dBackwardWeight");

function dearest(graph: Graph): Convolution[] {
  const forTraining = isTraining(graph);
  const uses = new GraphUses(graph);
  const found = new Map<string, Convolution>();
  for (const node of graph.nodes) {
    if (node.op !== "conv2d" || sizeOf(node.outputs[0]!.type.shape.slice(2)) === 1) continue;
    const source = uses.maker(node.inputs[0]!, "dequantize")?.inputs[0]?.type.dtype;
    const eightBits = source && { signed: source === "int8" };
    const shapes = node.inputs.slice(0, 2).map(({ type }) => type.shape);
    const key = JSON.stringify([shapes, node.attrs, forTraining, source]);
    const count = (found.get(key)?.count ?? 0) + 1;
    found.set(key, { key, node, isTraining: forTraining, eightBits, count });
  }
  return [...found.values()].sort((a, b) => costOf(b) - costOf(a)).slice(0, most);
}

/** Multiply-adds. */
const costOf = ({ node, count }: Convolution): number =>
  count * sizeOf(node.outputs[0]!.type.shape) * sizeOf(node.inputs[1]!.type.shape.slice(1));

/**
 * Milliseconds of a graph's convolutions in each way; the minimum of a few alternating runs.
 * @param live whether weights change between runs
 */
function timesOf(ways: readonly Way[], graph: Graph, type: ElementType, live: boolean): number[] {
  const weights = new Map(graph.parameters.map(({ name, type: { dtype, shape } }) => [name, zeros(dtype, shape)]));
  const apis = ways.map(({ library }) => openApi(library));
  try {
    const plans = ways.map(({ layout }, way) => lower(apis[way]!, graph, weights, { live, type, layout }).plan);
    for (const plan of plans) for (const { run } of plan.aside.load) run();
    const least = ways.map(() => Number.POSITIVE_INFINITY);
    for (let round = 0; round < 3; round++) {
      for (const [way, plan] of plans.entries()) {
        let time = 0;
        for (const { kind, run } of plan.steps) {
          const start = threadMilliseconds();
          run();
          if (kind.includes("convolution")) time += threadMilliseconds() - start;
        }
        least[way] = Math.min(least[way]!, time);
      }
    }
    return least;
  } finally {
    for (const api of apis) api.dispose();
  }
}

/** A graph with one convolution on one of `parts` parts of the batch, with gradients if needed. */
function alone({ node: { inputs, outputs, attrs }, isTraining, eightBits }: Convolution, parts: number): Graph {
  const partOf = ({ type: { shape } }: Value): Shape => [Math.ceil(shape[0]! / parts), ...shape.slice(1)];
  const pictures = partOf(inputs[0]!);
  const filters = inputs[1]!.type.shape;
  const builder = new GraphBuilder("a convolution");
  const x = builder.input("x", pictures);
  if (eightBits !== undefined) {
    // The results are not used.
    const scale = 1 / 32;
    const bits = builder.apply("quantize", "x.quantize", [x], { scale, signed: eightBits.signed });
    const w = builder.parameter("w", filters, "weight", "int8");
    const scales = builder.parameter("w.scale", [filters[0]!], "gamma");
    const y = builder.apply(
      "conv2d",
      "y",
      [
        builder.apply("dequantize", "x.dequantize", [bits], { scale }),
        builder.apply("dequantizeWeight", "w.dequantize", [w, scales], {}),
      ],
      attrs,
    );
    const rounded = builder.apply("quantize", "y.quantize", [y], { scale, signed: true });
    builder.output("y", builder.apply("dequantize", "y.dequantize", [rounded], { scale }));
    return builder.build();
  }
  const w = builder.parameter("w", filters, "weight");
  builder.output("y", builder.apply("conv2d", "y", [x, w], attrs));
  if (isTraining) {
    const dy = builder.input("dy", partOf(outputs[0]!));
    const dx = builder.apply("conv2dBackwardInput", "dx", [dy, w], { ...attrs, inputShape: pictures });
    builder.output("dx", dx);
    const dw = builder.apply("conv2dBackwardWeight", "dw", [x, dy], { ...attrs, weightShape: filters });
    builder.output("dw", dw);
  }
  return builder.build();
}
