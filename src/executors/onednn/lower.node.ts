/**
 * Lowers a graph to a plan: fuses operations, prepares primitives, lowers each fused node by its rule, and sets up
 * outputs and updates.
 */

import { option, SenetError } from "../../errors.ts";
import type { AnyNode, Graph, Value } from "../../ir/graph.ts";
import type { StepNumbers } from "../../optim/optimizers.ts";
import type { UpdateRule } from "../../optim/rule.ts";
import type { Tensor } from "../../tensor.ts";
import type { SumOverRanks, Weights } from "../executor.ts";
import type { Api } from "./api.node.ts";
import type { Form } from "./forms.node.ts";
import type { FusedGraph, FusedKind, FusedNode } from "./fused.ts";
import { fuse } from "./fusion.ts";
import { hasEightBits } from "./library.node.ts";
import { Lowering } from "./lowering.node.ts";
import { Masters } from "./masters.node.ts";
import { type BoundPlan, PlanBuilder, type Reorder } from "./plan.node.ts";
import { prepare } from "./prepare.node.ts";
import { rules } from "./rules.node.ts";
import type { ElementType, PlanLayout } from "./spec.ts";
import { type Prepared, Target } from "./target.node.ts";
import { type Tiles, tilesOf } from "./tiles.ts";

/** A graph as a plan of oneDNN primitives. */
export interface Lowered {
  readonly plan: BoundPlan;
  readonly inputs: ReadonlyMap<string, Float32Array | Int32Array>;
  readonly outputs: ReadonlyMap<string, Tensor>;
  /** Writes the parameters' new values (running statistics); to be called after each run. */
  readonly update: () => void;
}

/** A gradient that no step writes or reads any more. */
export interface FinalGradient {
  readonly parameter: string;
  readonly data: Float32Array;
}

/** The same for training, with an optimiser. */
export interface LoweredTraining extends Lowered {
  /** Whether the gradients are finite, as found by the plan's `check`. */
  readonly finite: () => boolean;
  readonly gradientData: Float32Array;
  /** Sets the scalars of an update; to be called before the plan's `update`. */
  readonly setNumbers: (numbers: Omit<StepNumbers, "decay">) => void;
  /** The parameters whose gradients are final after a step of the plan, by the step's index. */
  readonly finals: ReadonlyMap<number, readonly FinalGradient[]>;
}

export interface LowerOptions {
  /** Whether each run reads the current weights; otherwise they never change. */
  readonly live: boolean;
  /** Type of activations and the weights multiplied with them. */
  readonly type: ElementType;
  /** Default: blocks. */
  readonly layout?: PlanLayout;
  /** Size of the processor's last-level cache, which inference takes into account (`tilesOf`); default: 0. */
  readonly cache?: number;
  /** See `CompileOptions`. */
  readonly sumOverRanks?: SumOverRanks | undefined;
}

/** @throws SenetError `executor` naming the operation that no primitive serves */
export function lower(api: Api, graph: Graph, weights: Weights, options: LowerOptions): Lowered {
  const { lowering, parts } = lowered(api, graph, weights, options);
  return { ...parts, plan: lowering.plan.bind() };
}

/** The conversions of activations that a plan of the graph would make, without memory for it. */
export function reordersOf(api: Api, graph: Graph, weights: Weights, options: LowerOptions): readonly Reorder[] {
  return lowered(api, graph, weights, options).lowering.plan.reorders;
}

function lowered(api: Api, graph: Graph, weights: Weights, { live, ...kind }: LowerOptions) {
  // Only for frozen weights, whose layout is converted once; otherwise each part would convert them again.
  const { target, fused, tiles, prepared } = begin(api, graph, kind, live ? 0 : kind.cache);
  const { sumOverRanks } = kind;
  const lowering = new Lowering(target, prepared, { graph, weights, live, masters: undefined, sumOverRanks });
  return { lowering, parts: lowerNodes(lowering, fused, weights, live, tiles) };
}

/** @throws SenetError `executor` naming the operation that no primitive serves */
export function lowerTraining(
  api: Api,
  graph: Graph,
  weights: Weights,
  rule: UpdateRule,
  kind: Omit<LowerOptions, "live" | "cache">,
): LoweredTraining {
  const gradients = new Map(rule.learnt.map(({ gradient }) => [gradient, graph.outputs.get(gradient)!]));
  const outputs = new Map([...graph.outputs].filter(([name]) => !gradients.has(name)));
  const rest = { ...graph, outputs };
  const { target, fused, prepared } = begin(api, rest, kind);
  const masters = new Masters(target.plan, rule, ({ gradient }) => gradients.get(gradient)!, formsOf(target, prepared));
  masters.transfer(weights);
  const finite = masters.check();
  const setNumbers = masters.update();
  const { sumOverRanks } = kind;
  const lowering = new Lowering(target, prepared, { graph: rest, weights, live: true, masters, sumOverRanks });
  const parts = lowerNodes(lowering, fused, weights, true);
  const plan = target.plan.bind();
  return { ...parts, plan, finite, setNumbers, gradientData: masters.gradientData, finals: finalsOf(target, masters) };
}

/** The phases before values are placed: fusion, and primitives that several nodes need. */
function begin(api: Api, graph: Graph, { type, layout = "blocks" }: Omit<LowerOptions, "live">, cache = 0) {
  for (const node of graph.nodes) refuseOtherTypes(node);
  const target = new Target(api, type, new PlanBuilder(api, layout));
  const fused = fuse(graph, target.plan.standing, hasEightBits(api.isa));
  const tiles = cache === 0 ? undefined : tilesOf(fused, type, cache);
  const nodes = tiles === undefined ? fused.nodes : [...tiles.nodes, ...tiles.rest];
  return { target, fused, tiles, prepared: prepare(target, { graph, nodes }) };
}

function finalsOf({ plan }: Target, masters: Masters): Map<number, FinalGradient[]> {
  const finals = new Map<number, FinalGradient[]>();
  for (const master of masters.gradients()) {
    const last = plan.lastUse(master.gradient);
    const final = { parameter: master.learnt.parameter.name, data: masters.gradientOf(master) };
    finals.set(last, [...(finals.get(last) ?? []), final]);
  }
  return finals;
}

/** The form of each gradient: its primitive's own layout, or row-major. */
function formsOf({ plan }: Target, { gradients }: Prepared): (gradient: Value) => Form {
  const forms = new Map<Value | undefined, Form>([...gradients].map(([node, form]) => [node.outputs[0], form]));
  return (gradient) => forms.get(gradient) ?? { desc: plan.describe(gradient.type.shape, "f32", "plain") };
}

function lowerNodes(
  lowering: Lowering,
  { graph, nodes }: FusedGraph,
  weights: Weights,
  live: boolean,
  tiles?: Tiles,
): Omit<Lowered, "plan"> {
  const { plan, masters } = lowering;
  const inputs = new Map(graph.inputs.map((input) => [input.name, lowering.input(input)]));
  if (tiles !== undefined) plan.repeat(tiles.parts, () => lowerPart(lowering, tiles));
  for (const node of tiles?.rest ?? nodes) lowerNode(lowering, node);
  for (const { value, gradient } of masters?.gradients() ?? []) {
    // Gradients not written in their final place: sums, or those shared by several parameters.
    const place = lowering.place(value);
    if (place.slot !== gradient.slot) plan.copyWeight(value.name, place, gradient);
  }
  const outputs = new Map([...graph.outputs].map(([name, value]) => [name, lowering.output(name, value)]));
  const updates = [...(live ? graph.updates : [])].map(([parameter, value]) => {
    const from = plan.array(lowering.snapshot(value));
    const { data } = weights.get(parameter.name)!;
    return () => data.set(from.data);
  });
  const update = () => {
    for (const update of updates) update();
  };
  return { inputs, outputs, update };
}

function lowerPart(lowering: Lowering, { nodes, entering, leaving }: Tiles): void {
  for (const [part, whole] of entering) lowering.enters(part, whole);
  for (const [part, whole] of leaving) lowering.leaves(part, whole);
  for (const node of nodes) lowerNode(lowering, node);
  for (const part of leaving.keys()) lowering.gather(part);
}

/** A cast: TypeScript cannot see that a node and its rule belong together. */
function lowerNode<K extends FusedKind>(lowering: Lowering, node: FusedNode<K>): void {
  rules[node.kind](lowering, node);
}

function refuseOtherTypes(node: AnyNode): void {
  const wrong = node.outputs.find(({ type }) => type.dtype === "float64" || type.dtype === "int32");
  if (wrong === undefined) return;
  throw new SenetError("executor", "oneDNN runs graphs in float32", {
    where: node.name,
    found: wrong.type.dtype,
    hint: `${option("executor")} reference`,
  });
}
