/**
 * Checks a network's demands before meeting them: a file of a few bytes can describe one that takes all memory, or
 * hours for a picture. Honest networks with large demands have large weights, so the bounds depend on these.
 */

import { SenetError } from "../errors.ts";
import { nodeCost } from "../ir/cost.ts";
import type { AnyNode, Graph, Value } from "../ir/graph.ts";
import { pairOf } from "../ir/window.ts";
import { sizeOf } from "../tensor.ts";

/** A little more than the largest public sets of classes, with some 200,000. */
const mostClasses = 250_000;
/** Numbers in memory at the same time: 64 MiB of float32, or ten times the weights. */
const [fewestNumbers, numbersPerWeight] = [2 ** 24, 10];
/**
 * Arithmetic operations for one picture. The released networks have 160 per weight; with 16 times as many pixels,
 * 2,600.
 */
const [fewestSteps, stepsPerWeight] = [2 ** 29, 2 ** 14];

/**
 * @param graph the graph for a batch of one
 * @param where the file that describes it
 * @throws SenetError `weights` where it demands more than a network with so many weights can need
 */
export function checkDemands(graph: Graph, where: string): void {
  const fail = (what: string, most: number, found: number): never => {
    throw new SenetError("weights", `the network that this file describes ${what}`, {
      where,
      expected: `at most ${shown(most)} for its weights`,
      found: shown(found),
    });
  };
  for (const { type } of graph.outputs.values()) {
    const classes = sizeOf(type.shape);
    if (classes > mostClasses) fail("has too many classes", mostClasses, classes);
  }
  const weights = graph.parameters.reduce((sum, { type }) => sum + sizeOf(type.shape), 0);
  const mostNumbers = Math.max(fewestNumbers, numbersPerWeight * weights);
  const numbers = numbersAtOnce(graph);
  if (numbers > mostNumbers) fail("needs too much memory for a picture", mostNumbers, numbers);
  const mostSteps = Math.max(fewestSteps, stepsPerWeight * weights);
  const steps = graph.nodes.reduce((sum, node) => sum + stepsOf(node), 0);
  if (steps > mostSteps) fail("takes too long for a picture", mostSteps, steps);
}

const shown = (count: number) => Math.round(count).toLocaleString("en-US");

/** Peak size of the values between layers, each alive from its computation to its last use. */
function numbersAtOnce(graph: Graph): number {
  const last = new Map<Value, number>();
  for (const [i, node] of graph.nodes.entries()) for (const input of node.inputs) last.set(input, i);
  const size = ({ type }: Value) => sizeOf(type.shape);
  let alive = graph.inputs.reduce((sum, value) => sum + size(value), 0);
  let most = alive;
  const parameters = new Set<Value>(graph.parameters);
  for (const [i, node] of graph.nodes.entries()) {
    for (const output of node.outputs) alive += size(output);
    most = Math.max(most, alive);
    for (const input of new Set(node.inputs)) if (last.get(input) === i && !parameters.has(input)) alive -= size(input);
  }
  return most;
}

function stepsOf(node: AnyNode): number {
  const { multiplyAdds } = nodeCost(node);
  const size = sizeOf(node.outputs[0]!.type.shape);
  if (node.op !== "maxPool" && node.op !== "avgPool") return multiplyAdds + size;
  // Only the part of a window within the picture is computed.
  const [, , height, width] = node.inputs[0]!.type.shape as [number, number, number, number];
  const [rows, columns] = pairOf(node.attrs.kernel);
  return size * Math.min(rows, height) * Math.min(columns, width);
}
