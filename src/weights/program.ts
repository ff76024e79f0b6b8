/** A network of a file as executors take it. */

import { SenetError } from "../errors.ts";
import type { Weights } from "../executors/executor.ts";
import type { Graph } from "../ir/graph.ts";
import { foldedGraph } from "../passes/fold-batch-norm.ts";
import { inferencePasses, type Pass, type Program, predictionPasses, runPasses } from "../passes/index.ts";
import { type Quantization, quantizedGraph } from "../passes/quantize.ts";
import { removeDead } from "../passes/remove-dead.ts";

/** As a checkpoint has them: the model's own parameters, or those of the network in eight bits. */
export interface NetworkWeights {
  readonly weights: Weights;
  readonly quantization?: Quantization | undefined;
}

/**
 * The graph after the passes that inference goes through.
 * @param graph the model's, for inference
 */
export const inferenceProgram = (graph: Graph, network: NetworkWeights): Program =>
  programOf(graph, network, inferencePasses);

/** The same for who only wants the network's answers, and neither its layers nor its weights. */
export const predictionProgram = (graph: Graph, network: NetworkWeights): Program =>
  programOf(graph, network, predictionPasses);

function programOf(graph: Graph, { weights, quantization }: NetworkWeights, passes: readonly Pass[]): Program {
  if (quantization === undefined) return runPasses({ graph, weights }, passes);
  return { graph: eightBitGraph(graph, quantization), weights };
}

/** The graph of a network in eight bits, which only needs the weights that are in its file. */
export const eightBitGraph = (graph: Graph, quantization: Quantization): Graph =>
  removeDead({ graph: quantizedGraph(foldedGraph(graph), quantization), weights: new Map() }).graph;

/** @throws SenetError `usage` for a network in eight bits, where only float32 will do */
export function requireFloat32({ quantization }: Pick<NetworkWeights, "quantization">, where: string): void {
  if (quantization === undefined) return;
  throw new SenetError("usage", "this network is in eight bits", {
    where,
    expected: "a network in float32",
    hint: "the file that it was made from",
  });
}
