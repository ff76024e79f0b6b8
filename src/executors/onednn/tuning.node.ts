/**
 * Chooses the oneDNN library and the layout of pictures for a graph. Which have fast code on this processor decides
 * first; then, for small graphs, which layout has fewer bytes reordered, and for others the time that the dearest
 * convolutions and the reorders of the whole plan take, measured once and remembered.
 */

import { cpus } from "node:os";
import { SenetError } from "../../errors.ts";
import type { Graph } from "../../ir/graph.ts";
import { Grade, gradeOf } from "./api.node.ts";
import { openApi } from "./engine.node.ts";
import { formatVersion, type Library } from "./library.node.ts";
import {
  convolutionAlone,
  costOf,
  countedReorders,
  dearest,
  isPicture,
  isTraining,
  timedReorders,
  timesOf,
  type Way,
} from "./measuring.node.ts";
import { setThreads } from "./openmp.node.ts";
import { type ElementType, layoutOf, type PlanLayout, planLayouts } from "./spec.ts";
import { type Found, plans, recall, remember } from "./tuned.node.ts";

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
  if (ways.length === 1) return ways[0]!;
  return isWorthwhile(question.graph) ? measuredWay(question, ways) : leastReordered(question, ways);
}

/** Of the first library's layouts, the one with fewer bytes reordered; the usual one if they have the same. */
export function leastReordered({ graph, type }: Question, ways: readonly Way[]): Way {
  const usual = ways[0]!;
  const layouts = ways.filter(({ library }) => library === usual.library);
  // Pictures that all stand in the layout need no reorders but of the plan's inputs and results.
  if (layouts.length === 1 || standsIn(usual, graph)) return usual;
  const bytes = layouts.map((way) => countedReorders(way, graph, type).bytes);
  return layouts[bytes.indexOf(Math.min(...bytes))]!;
}

/** Whether the layout has a place for every picture that is computed. */
function standsIn({ library, layout }: Way, { nodes }: Graph): boolean {
  const api = openApi(library);
  const { block } = api;
  api.dispose();
  const pictures = nodes.flatMap(({ outputs }) => outputs.map(({ type }) => type.shape)).filter(isPicture);
  return pictures.every((shape) => layoutOf(shape, { layout, block }) !== "plain");
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
const isWorthwhile = (graph: Graph): boolean => dearest(graph).all > 1e9;

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
 * implementations for a typical convolution. `undefined`: both are equally supported. Other code takes convolutions
 * four to a hundred times as long (docs/engines.md), which fewer reorders do not make up for.
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
      primitive: "convolution",
      pass: "forward",
      src: picture,
      dst: picture,
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
  const { convolutions } = dearest(graph);
  if (convolutions.length === 0) return ways[0]!;
  const facts = {
    processor: cpus()[0]?.model.trim() ?? "unknown",
    purpose: isTraining(graph) ? "training" : "inference",
    type: convolutions.some(({ eightBits }) => eightBits !== undefined) ? "int8" : type,
    threads,
  } as const;
  const names = ways.map(({ library, layout }) => ({ library: formatVersion(library.version), layout }));
  // Processors of several kinds may have one name, and a library may be told to use less of one.
  const isas = ways.map(({ library }) => library.isa);
  const key = JSON.stringify([plans, facts, isas, names, picturesOf(graph)]);
  const before = recall(key);
  if (before !== undefined && before.ways.length === ways.length) return ways[before.chosen]!;
  // Measures one thread's part of the work in processor time: on a busy machine threads wait for each other, whichever
  // code they run.
  setThreads(1);
  try {
    const measured = measure(question, ways);
    const { chosen } = measured;
    remember(key, {
      ...facts,
      plans,
      graph: graph.name,
      input: [...graph.inputs[0]!.type.shape],
      chosen,
      ways: names.map((name, way) => ({ ...name, ...measured.ways[way]! })),
    });
    return ways[chosen]!;
  } finally {
    setThreads(threads);
  }
}

/** What a plan depends on: the operations on pictures. The head, with its number of classes, makes no difference. */
const picturesOf = ({ nodes }: Graph) =>
  nodes
    .map(({ op, attrs, inputs, outputs }) => ({ op, attrs, shapes: [...inputs, ...outputs].map(({ type }) => type) }))
    .filter(({ shapes }) => shapes.some(({ shape }) => isPicture(shape)))
    .map(({ op, attrs, shapes }) => [op, attrs, shapes.map(({ dtype, shape }) => [dtype, shape])]);

interface Measured {
  readonly chosen: number;
  readonly ways: readonly Pick<Found["ways"][number], "milliseconds" | "reorders">[];
}

function measure({ graph, type, threads }: Question, ways: readonly Way[]): Measured {
  const { all, convolutions } = dearest(graph);
  const sums = ways.map(() => 0);
  let done = 0;
  const begin = performance.now();
  for (const convolution of convolutions) {
    const times = timesOf(ways, convolutionAlone(convolution, threads), type, convolution.isTraining);
    for (const [way, time] of times.entries()) sums[way]! += convolution.count * time;
    done += costOf(convolution);
    // A machine that is so busy keeps its user waiting: the dearest have to tell.
    if (performance.now() - begin > patience) break;
  }
  // The other convolutions count as if they ran at the same rate.
  const milliseconds = sums.map((sum) => (sum * all) / done);
  const reordersOf = (way: Way) => {
    const reorders = timedReorders(way, graph, type);
    return { ...reorders, milliseconds: reorders.milliseconds / threads };
  };
  const { chosen, reorders } = fastest(milliseconds, (way) => reordersOf(ways[way]!));
  return {
    chosen,
    ways: milliseconds.map((time, way) => ({ milliseconds: time, ...(reorders[way] && { reorders: reorders[way] }) })),
  };
}

/**
 * The way that is fastest by its convolutions and reorders together. Only the usual way's reorders are counted, and
 * those of others whose convolutions alone are fast enough: that takes a whole plan.
 */
export function fastest<T extends { readonly milliseconds: number }>(
  convolutions: readonly number[],
  reordersOf: (way: number) => T,
): { readonly chosen: number; readonly reorders: readonly (T | undefined)[] } {
  const usual = reordersOf(0);
  const bar = worth * (convolutions[0]! + usual.milliseconds);
  const reorders = convolutions.map((time, way) => (way === 0 ? usual : time < bar ? reordersOf(way) : undefined));
  const totals = convolutions.map((time, way) => time + (reorders[way]?.milliseconds ?? 0));
  const least = totals.indexOf(Math.min(...totals));
  return { chosen: totals[least]! < bar ? least : 0, reorders };
}
