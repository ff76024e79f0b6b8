/** From the graph to the plan: inputs, then each operation by its rule, then outputs, updates and the optimiser. */

import { SenetError } from "../../errors.ts";
import type { AnyNode, Graph, Node, Value } from "../../ir/graph.ts";
import type { Op } from "../../ir/ops.ts";
import type { UpdateRule } from "../../optim/rule.ts";
import type { Tensor } from "../../tensor.ts";
import type { Weights } from "../executor.ts";
import type { Api } from "./api.node.ts";
import { Lowering, type LowerOptions } from "./lowering.node.ts";
import { type Form, Masters } from "./masters.node.ts";
import type { BoundPlan } from "./plan.node.ts";
import { rules } from "./rules.node.ts";
import { weightGradient } from "./rules-conv.node.ts";
import { linearGradient } from "./rules-linear.node.ts";

/** A graph in oneDNN's primitives. */
export interface Lowered {
  readonly plan: BoundPlan;
  readonly inputs: ReadonlyMap<string, Float32Array | Int32Array>;
  readonly outputs: ReadonlyMap<string, Tensor>;
  /** Writes the parameters' next values (running statistics); to be done after each run. */
  readonly update: () => void;
}

/** A gradient that nothing writes to any more. */
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
  readonly setNumbers: (numbers: { readonly rate: number; readonly step: number }) => void;
  /** The parameters whose gradients are final after a step of the plan, by the step's place. */
  readonly finals: ReadonlyMap<number, readonly FinalGradient[]>;
}

/** @throws SenetError `executor` naming the operation that no primitive serves */
export function lower(api: Api, graph: Graph, weights: Weights, options: LowerOptions): Lowered {
  return lowerGraph(new Lowering(api, graph, weights, options), graph, weights);
}

/** @throws SenetError `executor` naming the operation that no primitive serves */
export function lowerTraining(
  api: Api,
  graph: Graph,
  weights: Weights,
  rule: UpdateRule,
  options: Pick<LowerOptions, "type">,
): LoweredTraining {
  const gradients = new Map(rule.learnt.map(({ gradient }) => [gradient, graph.outputs.get(gradient)!]));
  const outputs = new Map([...graph.outputs].filter(([name]) => !gradients.has(name)));
  const rest = { ...graph, outputs };
  const lowering = new Lowering(api, rest, weights, { ...options, live: true });
  const masters = new Masters(
    lowering.plan,
    rule,
    ({ gradient }) => gradients.get(gradient)!,
    (gradient) => formOf(lowering, gradient),
  );
  lowering.masters = masters;
  masters.transfer(weights);
  const finite = masters.check();
  const setNumbers = masters.update();
  const lowered = lowerGraph(lowering, rest, weights);
  return { ...lowered, finite, setNumbers, gradientData: masters.gradientData, finals: finalsOf(lowering, masters) };
}

function finalsOf({ plan }: Lowering, masters: Masters): Map<number, FinalGradient[]> {
  const finals = new Map<number, FinalGradient[]>();
  for (const master of masters.gradients()) {
    const last = plan.lastWrite(master.gradient);
    const final = { parameter: master.learnt.parameter.name, data: masters.gradientOf(master) };
    finals.set(last, [...(finals.get(last) ?? []), final]);
  }
  return finals;
}

/** How a gradient is written: as its primitive likes it, or row-major. */
function formOf(lowering: Lowering, gradient: Value): Form {
  const { fusion } = lowering;
  const conv = fusion.maker(gradient, "conv2dBackwardWeight");
  if (conv !== undefined) return weightGradient(lowering, conv);
  const linear = fusion.maker(gradient, "linearBackwardWeight");
  if (linear !== undefined) return linearGradient(lowering, linear);
  return { desc: lowering.plan.describe(gradient.type.shape, "f32", "plain") };
}

function lowerGraph(lowering: Lowering, graph: Graph, weights: Weights): Lowered {
  const { plan, masters, options } = lowering;
  const inputs = new Map(graph.inputs.map((input) => [input.name, lowering.input(input)]));
  for (const node of graph.nodes) {
    refuseOtherTypes(node);
    if (!lowering.done.has(node)) lowerNode(lowering, node);
  }
  for (const { value, gradient } of masters?.gradients() ?? []) {
    // What was not written where it is kept: a sum of gradients, or one that several parameters have.
    const place = lowering.place(value);
    if (place.slot !== gradient.slot) plan.copyWeight(value.name, place, gradient);
  }
  const outputs = new Map([...graph.outputs].map(([name, value]) => [name, lowering.output(name, value)]));
  const updates = [...(options.live ? graph.updates : [])].map(([parameter, value]) => {
    const from = plan.array(lowering.snapshot(value));
    const { data } = weights.get(parameter.name)!;
    return () => data.set(from.data);
  });
  const update = () => {
    for (const update of updates) update();
  };
  return { plan: plan.bind(), inputs, outputs, update };
}

/** TypeScript cannot see that a node and its rule belong together. */
function lowerNode<K extends Op>(lowering: Lowering, node: Node<K>): void {
  rules[node.op](lowering, node);
}

function refuseOtherTypes(node: AnyNode): void {
  const wrong = node.outputs.find(({ type }) => type.dtype !== "float32");
  if (wrong === undefined) return;
  throw new SenetError("executor", "oneDNN runs graphs in float32", {
    where: node.name,
    found: wrong.type.dtype,
    hint: "--executor reference",
  });
}
