// Runs our graph with another library, node by node, so that all do the same work.

/** The forward graph with its loss, and our initial weights. */
export async function workOf({ batch, imageSize, model: name }) {
  const senet = await import("senet");
  const network = senet.model(name, 10);
  const graph = senet.lossGraph(network, { batch, imageSize });
  const weights = senet.initialWeights(senet.inferenceGraph(network, { batch: 1, imageSize }), 0);
  const learnt = graph.parameters.filter(({ role }) => role !== "mean" && role !== "variance");
  return { graph, weights, learnt };
}

/**
 * @param ops for each operation, a function from a node's inputs to its output
 * @param last called with values that are no longer needed
 */
export function lossBy(graph, ops, { image, targets, parameters, take = (value) => value }) {
  const reads = new Map();
  for (const { op, inputs } of graph.nodes) {
    if (op !== "runningAverage") for (const value of inputs) reads.set(value, (reads.get(value) ?? 0) + 1);
  }
  const values = new Map();
  for (const value of graph.inputs) values.set(value, value.name === "image" ? image : targets);
  for (const value of graph.parameters) if (value.name in parameters) values.set(value, parameters[value.name]);
  const get = (value) => {
    const left = reads.get(value) - 1;
    reads.set(value, left);
    return take(values.get(value), left === 0);
  };
  const loss = graph.outputs.get("loss");
  for (const node of graph.nodes) {
    // Running statistics are skipped, in the others' favour.
    if (node.op === "runningAverage") continue;
    const rule = ops[node.op];
    if (rule === undefined) throw new Error(`no rule for ${node.op}`);
    values.set(node.outputs[0], rule(node.inputs.map(get), node.attrs, node));
  }
  return values.get(loss);
}
