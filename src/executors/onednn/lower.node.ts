/** From the graph to the plan: operations fused, primitives prepared, then each fused node by its rule; outputs, updates. */

import { option, SenetError } from "../../errors.ts";
import type { AnyNode, Graph, Value } from "../../ir/graph.ts";
import type { StepNumbers } from "../../optim/optimizers.ts";
import type { UpdateRule } from "../../optim/rule.ts";
import type { Tensor } from "../../tensor.ts";
import type { SumOverRanks, Weights } from "../executor.ts";
import type { Api } from "./api.node.ts";
import type { FusedGraph, FusedKind, FusedNode } from "./fused.ts";
import { fuse } from "./fusion.ts";
import { hasEightBits } from "./library.node.ts";
import { Lowering } from "./lowering.node.ts";
import { type Form, Masters } from "./masters.node.ts";
import { type BoundPlan, PlanBuilder } from "./plan.node.ts";
import { prepare } from "./prepare.node.ts";
import { rules } from "./rules.node.ts";
import type { ElementType, PlanLayout } from "./spec.ts";
import { type Prepared, Target } from "./target.node.ts";
import { type Tiles, tilesOf } from "./tiles.ts";

/** A graph in oneDNN's primitives. */
export interface Lowered {
  readonly plan: BoundPlan;
  readonly inputs: ReadonlyMap<string, Float32Array | Int32Array>;
  readonly outputs: ReadonlyMap<string, Tensor>;
  /** Writes the parameters' next values (running statistics); to be done after each run. */
  readonly update: () => void;
}

/** A gradient that no step writes or reads any more. */
export interface FinalGradient {
  readonly parameter: string;
  readonly data: Float32Array;
}

/** The same with an optimiser. */
export interface LoweredTraining extends Lowered {
  /** Whether the gradients are finite, as the plan's `check` has found. */
  readonly finite: () => boolean;
  readonly gradientData: Float32Array;
  /** Sets the numbers of this update, before the plan's `update`. */
  readonly setNumbers: (numbers: Omit<StepNumbers, "decay">) => void;
  /** The parameters whose gradients are final after a step of the plan, by the step's place. */
  readonly finals: ReadonlyMap<number, readonly FinalGradient[]>;
}

export interface LowerOptions {
  /** Each run reads the weights as they are then; else they never change. */
  readonly live: boolean;
  /** What activations are, and the weights that meet them. */
  readonly type: ElementType;
  /** Default: blocks. */
  readonly layout?: PlanLayout;
  /** Bytes of the processor's last cache, which inference goes by (`tilesOf`); default: no cache. */
  readonly cache?: number;
  /** See `CompileOptions`. */
  readonly sumOverRanks?: SumOverRanks | undefined;
}

/** @throws SenetError `executor` naming the operation that no primitive serves */
export function lower(api: Api, graph: Graph, weights: Weights, { live, ...kind }: LowerOptions): Lowered {
  // What never changes is brought into its layout once; else that would be done for each part.
  const { target, fused, tiles, prepared } = begin(api, graph, kind, live ? 0 : kind.cache);
  const { sumOverRanks } = kind;
  const lowering = new Lowering(target, prepared, { graph, weights, live, masters: undefined, sumOverRanks });
  return lowerNodes(lowering, fused, weights, live, tiles);
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
  const lowered = lowerNodes(lowering, fused, weights, true);
  return { ...lowered, finite, setNumbers, gradientData: masters.gradientData, finals: finalsOf(target, masters) };
}

/** The phases before values get places: which nodes there are, and the primitives that several of them need. */
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

/** How gradients are written: as their primitives like it, or row-major. */
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
): Lowered {
  const { plan, masters } = lowering;
  const inputs = new Map(graph.inputs.map((input) => [input.name, lowering.input(input)]));
  if (tiles !== undefined) plan.repeat(tiles.parts, () => lowerPart(lowering, tiles));
  for (const node of tiles?.rest ?? nodes) lowerNode(lowering, node);
  for (const { value, gradient } of masters?.gradients() ?? []) {
    // What was not written where it is kept: a sum of gradients, or one that several parameters have.
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
  return { plan: plan.bind(), inputs, outputs, update };
}

function lowerPart(lowering: Lowering, { nodes, entering, leaving }: Tiles): void {
  for (const [part, whole] of entering) lowering.enters(part, whole);
  for (const [part, whole] of leaving) lowering.leaves(part, whole);
  for (const node of nodes) lowerNode(lowering, node);
  for (const part of leaving.keys()) lowering.gather(part);
}

/** TypeScript cannot see that a node and its rule belong together. */
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
