/**
 * Trades time for memory: a block's activations are not kept for the backward pass but recomputed when it reaches the
 * block. Only the values between blocks stay alive (Chen, Xu, Zhang, Guestrin: arXiv 1604.06174).
 */

import type { AnyNode, Graph, Node, Value } from "../ir/graph.ts";

/**
 * The same gradients with less memory, at the cost of about one more forward pass.
 * @param graph a graph with gradients
 * @param forward the graph without gradients that it was made from, whose nodes come first in it
 */
export function recompute(graph: Graph, forward: Graph): Graph {
  const forwardNodes = graph.nodes.slice(0, forward.nodes.length);
  const backwardNodes = graph.nodes.slice(forward.nodes.length);
  const blocks = new Map<string, AnyNode[]>();
  for (const node of forwardNodes) {
    if (node.block === undefined) continue;
    const { name } = node.block;
    blocks.set(name, [...(blocks.get(name) ?? []), node]);
  }
  /** Values of blocks to their recomputed copies. */
  const again = new Map<Value, Value>();
  /** The copies to insert before each node of the backward pass. */
  const before = new Map<AnyNode, AnyNode[]>();
  for (const nodes of blocks.values()) {
    const copied = copiesOf(nodes, forwardNodes, backwardNodes, graph);
    for (const value of copied.flatMap((node) => node.outputs)) {
      again.set(value, { ...value, name: `${value.name}.again` });
    }
    const first = backwardNodes.find((node) => node.inputs.some((input) => again.has(input) && isOf(copied, input)));
    if (first !== undefined)
      before.set(
        first,
        copied.map((node) => copyOf(node, again)),
      );
  }
  const results = new Set(graph.outputs.values());
  const made = new Set(forwardNodes.flatMap((node) => node.outputs));
  const renewed: AnyNode[] = [];
  /** Weight gradients computed since the start of the last block. */
  let done: Value[] = [];
  for (const node of backwardNodes) {
    const copies = before.get(node);
    if (copies !== undefined) {
      renewed.push(...heldBack(copies, done, made));
      done = [];
    }
    renewed.push(withInputs(node, again));
    done.push(...node.outputs.filter((output) => results.has(output)));
  }
  return { ...graph, nodes: [...forwardNodes, ...renewed] };
}

/**
 * Delays a block's recomputation until all gradients of later blocks are done: an engine with its own order (ONNX
 * Runtime) would otherwise recompute all blocks at once and save nothing.
 * @param made values computed by the forward pass
 */
function heldBack(copies: readonly AnyNode[], done: readonly Value[], made: ReadonlySet<Value>): readonly AnyNode[] {
  if (done.length === 0) return copies;
  const held = new Map<Value, Value>();
  for (const value of copies.flatMap((node) => node.inputs)) {
    if (made.has(value)) held.set(value, { ...value, name: `${copies[0]!.name}.after.${value.name}` });
  }
  const waiting = [...held].map(
    ([value, later]): Node<"after"> => ({
      op: "after",
      name: later.name,
      inputs: [value, ...done],
      attrs: {},
      outputs: [later],
    }),
  );
  return [...waiting, ...copies.map((node) => withInputs(node, held))];
}

const isOf = (nodes: readonly AnyNode[], value: Value) => nodes.some((node) => node.outputs.includes(value));

/** The nodes of a block whose values the backward pass needs and nothing else outside the block reads, in order. */
function copiesOf(
  nodes: readonly AnyNode[],
  forwardNodes: readonly AnyNode[],
  backwardNodes: readonly AnyNode[],
  graph: Graph,
): readonly AnyNode[] {
  const own = new Set(nodes);
  const kept = new Set<Value>(graph.outputs.values());
  for (const node of forwardNodes) if (!own.has(node)) for (const input of node.inputs) kept.add(input);
  const needed = new Set<Value>();
  for (const node of backwardNodes) for (const input of node.inputs) if (!kept.has(input)) needed.add(input);
  const copied = nodes.toReversed().filter((node) => {
    if (!node.outputs.some((output) => needed.has(output))) return false;
    for (const input of node.inputs) if (!kept.has(input)) needed.add(input);
    return true;
  });
  return copied.reverse();
}

const renamed = (values: readonly Value[], again: ReadonlyMap<Value, Value>) =>
  values.map((value) => again.get(value) ?? value);

/** A cast: spreading the union loses which operation it is. */
const withInputs = (node: AnyNode, again: ReadonlyMap<Value, Value>): AnyNode =>
  ({ ...node, inputs: renamed(node.inputs, again) }) as AnyNode;

const copyOf = (node: AnyNode, again: ReadonlyMap<Value, Value>): AnyNode =>
  ({
    ...node,
    name: `${node.name}.again`,
    inputs: renamed(node.inputs, again),
    outputs: renamed(node.outputs, again),
  }) as AnyNode;
