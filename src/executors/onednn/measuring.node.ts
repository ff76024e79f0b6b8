/** What the choice of a library and a layout is measured by: a graph's dearest convolutions, and its plan's reorders. */

import { memoryAddress } from "../../c-library.node.ts";
import { GraphBuilder } from "../../ir/builder.ts";
import type { Graph, Node, Value } from "../../ir/graph.ts";
import { GraphUses } from "../../ir/uses.ts";
import { type Shape, sizeOf, type Tensor, zeros } from "../../tensor.ts";
import type { Api } from "./api.node.ts";
import { openApi } from "./engine.node.ts";
import { type Library, threadMilliseconds } from "./library.node.ts";
import { lower, reordersOf } from "./lower.node.ts";
import type { Reorder } from "./plan.node.ts";
import { Arg, type ElementType, type PlanLayout } from "./spec.ts";

/** A way to compute a graph. */
export interface Way {
  readonly library: Library;
  readonly layout: PlanLayout;
}

export interface Convolution {
  readonly key: string;
  readonly node: Node<"conv2d">;
  /** Whether its gradients are needed too. */
  readonly isTraining: boolean;
  /** Set for eight bits, with the input's signedness. */
  readonly eightBits: { readonly signed: boolean } | undefined;
  readonly count: number;
}

/** How often each is run. */
const runs = 3;

/** Number of kinds of convolutions to measure: those with the most multiply-adds. */
const most = 6;

export const isTraining = ({ nodes }: Graph): boolean => nodes.some(({ op }) => op === "conv2dBackwardWeight");

/** The multiply-adds of all convolutions, and those kinds of them that have the most. */
export function dearest(graph: Graph): { readonly all: number; readonly convolutions: readonly Convolution[] } {
  const forTraining = isTraining(graph);
  const uses = new GraphUses(graph);
  const found = new Map<string, Convolution>();
  for (const node of graph.nodes) {
    if (node.op !== "conv2d" || !isPicture(node.outputs[0]!.type.shape)) continue;
    const source = uses.maker(node.inputs[0]!, "dequantize")?.inputs[0]?.type.dtype;
    const eightBits = source && { signed: source === "int8" };
    const shapes = node.inputs.slice(0, 2).map(({ type }) => type.shape);
    const key = JSON.stringify([shapes, node.attrs, forTraining, source]);
    const count = (found.get(key)?.count ?? 0) + 1;
    found.set(key, { key, node, isTraining: forTraining, eightBits, count });
  }
  const kinds = [...found.values()].sort((a, b) => costOf(b) - costOf(a));
  return { all: kinds.reduce((sum, kind) => sum + costOf(kind), 0), convolutions: kinds.slice(0, most) };
}

/** Whether values of this shape have a layout. */
export const isPicture = (shape: Shape): boolean => shape.length === 4 && sizeOf(shape.slice(2)) > 1;

/** Multiply-adds. */
export const costOf = ({ node, count }: Convolution): number =>
  count * sizeOf(node.outputs[0]!.type.shape) * sizeOf(node.inputs[1]!.type.shape.slice(1));

/**
 * Milliseconds of a graph's convolutions in each way; the minimum of a few alternating runs.
 * @param live whether weights change between runs
 */
export function timesOf(ways: readonly Way[], graph: Graph, type: ElementType, live: boolean): number[] {
  const weights = anyWeights(graph);
  const apis = ways.map(({ library }) => openApi(library));
  try {
    const plans = ways.map(({ layout }, way) => lower(apis[way]!, graph, weights, { live, type, layout }).plan);
    for (const plan of plans) for (const { run } of plan.aside.load) run();
    const least = ways.map(() => Number.POSITIVE_INFINITY);
    for (let round = 0; round < runs; round++) {
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
export function convolutionAlone(
  { node: { inputs, outputs, attrs }, isTraining, eightBits }: Convolution,
  parts: number,
): Graph {
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

const anyWeights = (graph: Graph): Map<string, Tensor> =>
  new Map(graph.parameters.map(({ name, type: { dtype, shape } }) => [name, zeros(dtype, shape)]));

/** The layout conversions in a graph's plan. */
export interface Reorders {
  readonly count: number;
  /** What they write. */
  readonly bytes: number;
}

/** Lowers the whole graph, but runs nothing. */
export const countedReorders = (way: Way, graph: Graph, type: ElementType): Reorders =>
  withReorders(way, graph, type, totalOf);

/** The same, and how long they take, in milliseconds of one thread. */
export const timedReorders = (
  way: Way,
  graph: Graph,
  type: ElementType,
): Reorders & { readonly milliseconds: number } =>
  withReorders(way, graph, type, (reorders, api) => {
    const kinds: { readonly reorder: Reorder; count: number }[] = [];
    for (const reorder of reorders) {
      const same = ({ src, dst }: Reorder) => api.isEqual(src, reorder.src) && api.isEqual(dst, reorder.dst);
      const known = kinds.find((kind) => same(kind.reorder));
      if (known === undefined) kinds.push({ reorder, count: 1 });
      else known.count++;
    }
    const milliseconds = kinds.reduce((sum, { reorder, count }) => sum + count * timeOf(reorder, api), 0);
    return { ...totalOf(reorders, api), milliseconds };
  });

function withReorders<T>(
  { library, layout }: Way,
  graph: Graph,
  type: ElementType,
  use: (reorders: readonly Reorder[], api: Api) => T,
): T {
  const api = openApi(library);
  try {
    return use(reordersOf(api, graph, anyWeights(graph), { live: isTraining(graph), type, layout }), api);
  } finally {
    api.dispose();
  }
}

const totalOf = (reorders: readonly Reorder[], api: Api): Reorders => ({
  count: reorders.length,
  bytes: reorders.reduce((sum, { dst }) => sum + api.sizeOf(dst), 0),
});

/** The least of a few runs. */
function timeOf({ name, src, dst }: Reorder, api: Api): number {
  // Written once, so that the system provides the memory before the first run.
  const [from, into] = [src, dst].map((desc) => new Uint8Array(api.sizeOf(desc)).fill(1)) as [Uint8Array, Uint8Array];
  const args = new Map([
    [Arg.src, api.memory(src, memoryAddress(from))],
    [Arg.dst, api.memory(dst, memoryAddress(into))],
  ]);
  const run = api.call(api.primitive(name, { primitive: "reorder", src, dst }), args);
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < runs; round++) {
    const start = threadMilliseconds();
    run();
    least = Math.min(least, threadMilliseconds() - start);
  }
  return least;
}
