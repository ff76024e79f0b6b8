/** A network of a file as executors take it. */

import { SenetError } from "../errors.ts";
import type { Weights } from "../executors/executor.ts";
import type { Graph } from "../ir/graph.ts";
import { foldedGraph } from "../passes/fold-batch-norm.ts";
import { inferencePasses, type Program, runPasses } from "../passes/index.ts";
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
export function inferenceProgram(graph: Graph, { weights, quantization }: NetworkWeights): Program {
  if (quantization === undefined) return runPasses({ graph, weights }, inferencePasses);
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
