/**
 * How a plan keeps pictures: as the library has fast code for on this processor; where that does not tell, as is faster for the
 * graph's convolutions, measured once and remembered.
 */

import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import * as z from "zod";
import { cacheFolder } from "../../files/cache.node.ts";
import { GraphBuilder } from "../../ir/builder.ts";
import type { Graph, Node } from "../../ir/graph.ts";
import { type Shape, sizeOf, zeros } from "../../tensor.ts";
import { type Api, isReference } from "./api.node.ts";
import { openApi } from "./engine.node.ts";
import { type Library, setThreads } from "./library.node.ts";
import { lower } from "./lower.node.ts";
import type { ElementType, PlanLayout } from "./spec.ts";
import { layoutOf } from "./spec.ts";

export interface LayoutQuestion {
  readonly api: Api;
  /** What `api` speaks to. */
  readonly library: Library;
  readonly graph: Graph;
  readonly type: ElementType;
  readonly threads: number;
}

const layoutVariable = "SENET_ONEDNN_LAYOUT";
const layouts: readonly PlanLayout[] = ["blocks", "channelsLast"];

export function chooseLayout(question: LayoutQuestion): PlanLayout {
  const said = layouts.find((layout) => layout === process.env[layoutVariable]);
  if (said !== undefined) return said;
  const { api, type } = question;
  const [blocks, last] = layouts.map((layout) => implementationOf(api, type, layout));
  return layoutServed(blocks, last) ?? (isWorthwhile(question.graph) ? measuredLayout(question) : "blocks");
}

/** What takes a moment anyway is not worth a measurement, and would be told by chance. */
const isWorthwhile = (graph: Graph): boolean =>
  dearest(graph).reduce((sum, convolution) => sum + costOf(convolution), 0) > 1e9;

/**
 * The only layout that the library has fast code for, or the only one whose code multiplies tiles (AMX), by what it calls its
 * code for a usual convolution in each. `undefined`: both are served alike.
 */
export function layoutServed(blocks: string | undefined, last: string | undefined): PlanLayout | undefined {
  const isSlow = (name: string | undefined) => name === undefined || isReference(name);
  const isTiled = (name: string | undefined) => name?.includes("amx") === true;
  if (isSlow(last)) return "blocks";
  if (isSlow(blocks) || (isTiled(last) && !isTiled(blocks))) return "channelsLast";
  return undefined;
}

/** `brgconv:avx512_core_amx_bf16`, `jit:avx512_core`, `ref:any`: as the library calls its code. */
function implementationOf(api: Api, type: ElementType, layout: PlanLayout): string | undefined {
  const shape = [1, 64, 28, 28];
  const kept = layoutOf(shape, { layout, block: api.block });
  const picture = api.describe(shape, type, kept);
  const primitive = api.primitiveIfServed("layout", {
    ...{ primitive: "convolution", pass: "forward", src: picture, dst: picture },
    weights: api.describe([64, 64, 3, 3], type, "any"),
    window: { strides: [1, 1], padLow: [1, 1], padHigh: [1, 1] },
  });
  return primitive && api.implementation(primitive);
}

const foundSchema = z.object({
  processor: z.string(),
  library: z.string(),
  graph: z.string(),
  type: z.string(),
  threads: z.number(),
  layout: z.enum(["blocks", "channelsLast"]),
  /** Of the convolutions that were measured, in each layout. */
  milliseconds: z.object({ blocks: z.number(), channelsLast: z.number() }),
});

/** What was measured once. */
export type FoundLayout = z.output<typeof foundSchema>;

/** Another layout than blocks is to be faster by this: what is not does not change from run to run. */
const worth = 0.85;

/** Milliseconds. */
const patience = 10_000;

/** As was measured for this processor, library and graph, now or before. */
export function measuredLayout({ api, library, graph, type, threads }: LayoutQuestion): PlanLayout {
  const convolutions = dearest(graph);
  if (convolutions.length === 0) return "blocks";
  const facts = { processor: cpus()[0]?.model.trim() ?? "unknown", library: api.version, type, threads };
  const key = JSON.stringify([facts, convolutions.map(({ key, count }) => [key, count])]);
  const file = join(cacheFolder(), `${prefix}${createHash("sha256").update(key).digest("hex").slice(0, 32)}.json`);
  const known = read(file);
  if (known !== undefined) return known.layout;
  const milliseconds = { blocks: 0, channelsLast: 0 };
  setThreads(threads);
  const begin = performance.now();
  for (const { node, isTraining, count } of convolutions) {
    const times = timesOf(library, node, type, isTraining);
    for (const layout of layouts) milliseconds[layout] += count * times[layout];
    // A machine that is so busy tells nothing, and keeps its user waiting.
    if (performance.now() - begin > patience) return "blocks";
  }
  const layout = milliseconds.channelsLast < worth * milliseconds.blocks ? "channelsLast" : "blocks";
  remember(file, { ...facts, graph: graph.name, layout, milliseconds });
  return layout;
}

interface Convolution {
  readonly key: string;
  readonly node: Node<"conv2d">;
  /** Whether its gradients are wanted too. */
  readonly isTraining: boolean;
  readonly count: number;
}

/** How many kinds of convolutions are measured: those with the most multiply-adds. */
const most = 6;

function dearest(graph: Graph): Convolution[] {
  const isTraining = graph.nodes.some(({ op }) => op === "conv2dBackwardWeight");
  const found = new Map<string, Convolution>();
  for (const node of graph.nodes) {
    if (node.op !== "conv2d" || sizeOf(node.outputs[0]!.type.shape.slice(2)) === 1) continue;
    const key = JSON.stringify([...node.inputs.slice(0, 2).map(({ type }) => type.shape), node.attrs, isTraining]);
    found.set(key, { key, node, isTraining, count: (found.get(key)?.count ?? 0) + 1 });
  }
  return [...found.values()].sort((a, b) => costOf(b) - costOf(a)).slice(0, most);
}

/** Multiply-adds. */
const costOf = ({ node, count }: Convolution): number =>
  count * sizeOf(node.outputs[0]!.type.shape) * sizeOf(node.inputs[1]!.type.shape.slice(1));

/** Milliseconds of its primitives, the least of a few runs by turns. */
function timesOf(
  library: Library,
  node: Node<"conv2d">,
  type: ElementType,
  isTraining: boolean,
): Record<PlanLayout, number> {
  const graph = alone(node, isTraining);
  const weights = new Map(graph.parameters.map(({ name, type: { shape } }) => [name, zeros("float32", shape)]));
  const apis = layouts.map((layout) => ({ layout, api: openApi(library) }));
  const least = { blocks: Number.POSITIVE_INFINITY, channelsLast: Number.POSITIVE_INFINITY };
  try {
    const plans = apis.map(({ layout, api }) => ({
      layout,
      ...lower(api, graph, weights, { live: false, type, layout }),
    }));
    for (const { plan } of plans) for (const { run } of plan.aside.load) run();
    for (let round = 0; round < 4; round++) {
      for (const { layout, plan } of plans) {
        let time = 0;
        for (const { kind, run } of plan.steps) {
          const start = performance.now();
          run();
          if (kind.includes("convolution")) time += performance.now() - start;
        }
        least[layout] = Math.min(least[layout], time);
      }
    }
    return least;
  } finally {
    for (const { api } of apis) api.dispose();
  }
}

/** The convolution as a graph of its own, with its gradients where they are wanted. */
function alone({ inputs, outputs, attrs }: Node<"conv2d">, isTraining: boolean): Graph {
  const shapeOf = (index: number): Shape => inputs[index]!.type.shape;
  const builder = new GraphBuilder("a convolution");
  const x = builder.input("x", shapeOf(0));
  const w = builder.parameter("w", shapeOf(1), "weight");
  builder.output("y", builder.apply("conv2d", "y", [x, w], attrs));
  if (isTraining) {
    const dy = builder.input("dy", outputs[0]!.type.shape);
    const dx = builder.apply("conv2dBackwardInput", "dx", [dy, w], { ...attrs, inputShape: shapeOf(0) });
    builder.output("dx", dx);
    const dw = builder.apply("conv2dBackwardWeight", "dw", [x, dy], { ...attrs, weightShape: shapeOf(1) });
    builder.output("dw", dw);
  }
  return builder.build();
}

const prefix = "onednn-layout-";

/** All that was measured and is remembered. */
export const foundLayouts = (): readonly FoundLayout[] => files().flatMap((file) => read(file) ?? []);

/** Forgets it. @returns how many there were */
export function forgetLayouts(): number {
  const all = files();
  for (const file of all) rmSync(file, { force: true });
  return all.length;
}

function files(): string[] {
  try {
    const names = readdirSync(cacheFolder()).filter((name) => name.startsWith(prefix) && name.endsWith(".json"));
    return names.sort().map((name) => join(cacheFolder(), name));
  } catch {
    return [];
  }
}

function read(file: string): FoundLayout | undefined {
  try {
    return foundSchema.parse(JSON.parse(readFileSync(file, "utf8")));
  } catch {
    return undefined;
  }
}

function remember(file: string, found: FoundLayout): void {
  try {
    mkdirSync(cacheFolder(), { recursive: true });
    writeFileSync(`${file}.${process.pid}`, JSON.stringify(found), { flag: "wx" });
    renameSync(`${file}.${process.pid}`, file);
  } catch {
    // Then it is measured again the next time.
  }
}
