/**
 * Batch norm with running statistics is an affine map of each channel, which the preceding convolution can absorb: w' =
 * w · gamma / sqrt(variance + eps), b' = (b − mean) · gamma / sqrt(variance + eps) + beta.
 */

import { SenetError } from "../errors.ts";
import { type AnyNode, type Graph, isTrainable, type Node, type Parameter, type Value } from "../ir/graph.ts";
import { GraphUses } from "../ir/uses.ts";
import { type Tensor, tensor, zeros } from "../tensor.ts";
import type { Program } from "./program.ts";

/** For inference graphs, whose weights do not change. */
export const foldBatchNorm = (program: Program): Program => fold(program, program.graph.parameters);

/** For training graphs: folds frozen batch norms into frozen convolutions. */
export const foldFrozen = (program: Program): Program =>
  fold(
    program,
    program.graph.parameters.filter((parameter) => !isTrainable(parameter) && !program.graph.updates.has(parameter)),
  );

/** The folded inference graph, without weights. */
export const foldedGraph = (graph: Graph): Graph => foldGraph(graph, graph.parameters).graph;

/** @param constants the parameters that do not change */
function fold({ graph, weights }: Program, constants: readonly Parameter[]): Program {
  const { graph: next, foldings } = foldGraph(graph, constants);
  const nextWeights = new Map(weights);
  for (const { norm, conv, bias } of foldings) {
    const [, w, b] = conv.inputs as [Value, Value, Value?];
    const folded = foldWeights(norm, w, b, weights);
    nextWeights.set(w.name, folded.weight);
    nextWeights.set(bias.name, folded.bias);
  }
  return { graph: next, weights: nextWeights };
}

/** A folded batch norm, and the bias of its convolution, new or old. */
interface Folding {
  readonly norm: Node<"batchNorm">;
  readonly conv: Node<"conv2d">;
  readonly bias: Parameter;
}

function foldGraph(graph: Graph, constants: readonly Parameter[]): { graph: Graph; foldings: readonly Folding[] } {
  const uses = new GraphUses(graph);
  const parameters = new Set<Value>(constants);

  /**
   * The convolution into which this batch norm can be folded: read by nothing else, with weights read by nothing else.
   */
  const foldable = (norm: AnyNode): Node<"conv2d"> | undefined => {
    if (norm.op !== "batchNorm") return undefined;
    const conv = uses.maker(norm.inputs[0]!, "conv2d");
    if (conv === undefined || uses.reads(norm.inputs[0]!) !== 1) return undefined;
    const ownsWeights = conv.inputs.slice(1).every((w) => parameters.has(w) && uses.reads(w) === 1);
    return ownsWeights && norm.inputs.slice(1).every((w) => parameters.has(w)) ? conv : undefined;
  };

  const foldedConvs = new Map<AnyNode, AnyNode>();
  for (const node of graph.nodes) {
    const conv = foldable(node);
    if (conv !== undefined) foldedConvs.set(conv, node);
  }

  const nextParameters = [...graph.parameters];
  const foldings: Folding[] = [];
  const nodes = graph.nodes.flatMap((node): AnyNode[] => {
    const norm = foldedConvs.get(node);
    if (norm !== undefined) return []; // comes back where its batch norm stood
    const conv = foldable(node);
    if (conv === undefined) return [node];

    const [x, w, b] = conv.inputs as [Value, Value, Value?];
    const bias: Parameter =
      b === undefined
        ? {
            ...(w as Parameter),
            name: `${conv.name}.bias`,
            type: { ...w.type, shape: [w.type.shape[0]!] },
            role: "bias",
          }
        : (b as Parameter);
    if (b === undefined) nextParameters.push(bias);
    foldings.push({ norm: node as Node<"batchNorm">, conv, bias });
    return [{ ...conv, inputs: [x, w, bias], outputs: node.outputs } as AnyNode];
  });

  return { graph: { ...graph, nodes, parameters: nextParameters }, foldings };
}

function foldWeights(norm: Node<"batchNorm">, w: Value, b: Value | undefined, weights: Program["weights"]) {
  const read = (value: Value): Tensor => {
    const found = weights.get(value.name);
    if (found === undefined) throw new SenetError("weights", `there is no "${value.name}"`, { where: norm.name });
    return found;
  };
  const [gamma, beta, mean, variance] = norm.inputs.slice(1).map((value) => read(value).data);
  const { dtype, shape, data } = read(w);
  const oldBias = b === undefined ? undefined : read(b).data;

  const weight = tensor(shape, data.slice());
  const bias = zeros(dtype, [shape[0]!]);
  const row = data.length / shape[0]!;
  for (let o = 0; o < shape[0]!; o++) {
    const scale = gamma![o]! / Math.sqrt(variance![o]! + norm.attrs.eps);
    for (let i = o * row; i < (o + 1) * row; i++) weight.data[i] = data[i]! * scale;
    bias.data[o] = ((oldBias?.[o] ?? 0) - mean![o]!) * scale + beta![o]!;
  }
  return { weight, bias };
}
