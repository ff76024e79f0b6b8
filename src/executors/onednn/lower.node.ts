/** From the graph to the plan: inputs, then each operation by its rule, then outputs and updates. */

import { SenetError } from "../../errors.ts";
import type { AnyNode, Graph, Node } from "../../ir/graph.ts";
import type { Op } from "../../ir/ops.ts";
import type { Tensor } from "../../tensor.ts";
import type { Weights } from "../executor.ts";
import type { Api } from "./api.node.ts";
import { Lowering, type LowerOptions } from "./lowering.node.ts";
import type { BoundPlan } from "./plan.node.ts";
import { rules } from "./rules.node.ts";

/** A graph in oneDNN's primitives. */
export interface Lowered {
  readonly plan: BoundPlan;
  readonly inputs: ReadonlyMap<string, Float32Array | Int32Array>;
  readonly outputs: ReadonlyMap<string, Tensor>;
  /** Writes the parameters' next values; to be done after each run. */
  readonly update: () => void;
}

/** @throws SenetError `executor` naming the operation that no primitive serves */
export function lower(api: Api, graph: Graph, weights: Weights, options: LowerOptions): Lowered {
  const lowering = new Lowering(api, graph, weights, options);
  const inputs = new Map(graph.inputs.map((input) => [input.name, lowering.input(input)]));
  for (const node of graph.nodes) {
    refuseOtherTypes(node);
    if (!lowering.done.has(node)) lowerNode(lowering, node);
  }
  const outputs = new Map([...graph.outputs].map(([name, value]) => [name, lowering.output(name, value)]));
  const updates = [...(options.live ? graph.updates : [])].map(([parameter, value]) => {
    const from = lowering.plan.array(lowering.snapshot(value));
    const { data } = weights.get(parameter.name)!;
    return () => data.set(from.data);
  });
  const update = () => {
    for (const update of updates) update();
  };
  return { plan: lowering.plan.bind(), inputs, outputs, update };
}

/** TypeScript cannot see that a node and its rule belong together. */
function lowerNode<K extends Op>(lowering: Lowering, node: Node<K>): void {
  rules[node.op](lowering, node);
}

function refuseOtherTypes(node: AnyNode): void {
  const wrong = node.outputs.find(({ type }) => type.dtype !== "float32");
  if (wrong === undefined) return;
  throw new SenetError("executor", "oneDNN serves float32 graphs", {
    where: node.name,
    found: wrong.type.dtype,
    hint: "--executor reference",
  });
}
