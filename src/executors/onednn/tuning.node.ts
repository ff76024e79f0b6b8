/**
 * Which of this machine's libraries computes a graph, and how its plan keeps pictures: as there is fast code for on this
 * processor; where that does not tell, as is faster for the graph's convolutions, measured once and remembered.
 */

import { cpus } from "node:os";
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

/** What a graph may be computed with. */
export interface Way {
  readonly library: Library;
  readonly layout: PlanLayout;
}

export interface Question {
  /** First the one that is taken where nothing tells. */
  readonly libraries: readonly Library[];
  readonly graph: Graph;
  readonly type: ElementType;
  readonly threads: number;
  /** The layout, where that is not asked. */
  readonly layout?: PlanLayout | undefined;
}

const layoutVariable = "SENET_ONEDNN_LAYOUT";

export function chooseWay(question: Question): Way {
  const ways = possibleWays(question);
  return ways.length > 1 && isWorthwhile(question.graph) ? measuredWay(question, ways) : ways[0]!;
}

/** Those that are worth a measurement, the usual one first. */
export function possibleWays({ libraries, type, layout: given }: Question): Way[] {
  const said = given ?? planLayouts.find((layout) => layout === process.env[layoutVariable]);
  return libraries.flatMap((library, place) => {
    const { isServed, layout } = servedBy(library, type);
    // The first is there even where it serves nothing: what it lacks is said when the graph is lowered.
    if (!isServed && place > 0) return [];
    const one = said ?? layout;
    return (one === undefined ? planLayouts : [one]).map((layout) => ({ library, layout }));
  });
}

/** What takes a moment anyway is not worth a measurement, and would be told by chance. */
const isWorthwhile = (graph: Graph): boolean =>
  dearest(graph).reduce((sum, convolution) => sum + costOf(convolution), 0) > 1e9;

interface Served {
  readonly isServed: boolean;
  /** The only layout that is worth a thought, if there is one. */
  readonly layout: PlanLayout | undefined;
}

/** By library and type: they never change. */
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
 * The only layout that the library has fast code for, or the only one whose code multiplies tiles (AMX), by what it calls its
 * code for a usual convolution in each. `undefined`: both are served alike.
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

/** Another way than the first is to be faster by this: what is not does not change from run to run. */
const worth = 0.85;

/** Milliseconds. */
const patience = 20_000;

/** As was measured for this processor, these ways and this graph, now or before. */
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
  // One thread's part of the work, by what it has of its processor: on a busy machine threads wait for each other, whatever
  // the code is worth.
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
  /** Whether its gradients are wanted too. */
  readonly isTraining: boolean;
  /** In eight bits: whether what it reads has a sign. */
  readonly eightBits: { readonly signed: boolean } | undefined;
  readonly count: number;
}

/** How many kinds of convolutions are measured: those with the most multiply-adds. */
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
 * Milliseconds of a graph's convolutions in each way, the least of a few runs by turns.
 * @param live whether weights change from run to run
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

/** The convolution of one of so many parts of the batch, as a graph of its own, with its gradients where they are wanted. */
function alone({ node: { inputs, outputs, attrs }, isTraining, eightBits }: Convolution, parts: number): Graph {
  const partOf = ({ type: { shape } }: Value): Shape => [Math.ceil(shape[0]! / parts), ...shape.slice(1)];
  const pictures = partOf(inputs[0]!);
  const filters = inputs[1]!.type.shape;
  const builder = new GraphBuilder("a convolution");
  const x = builder.input("x", pictures);
  if (eightBits !== undefined) {
    // Nobody looks at the numbers.
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
