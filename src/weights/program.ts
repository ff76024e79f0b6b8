/** Prepares a stored network for executors. */

import { SenetError } from "../errors.ts";
import type { Weights } from "../executors/executor.ts";
import type { Graph } from "../ir/graph.ts";
import { inferencePasses, type Program, runPasses } from "../passes/index.ts";
import type { Quantization } from "../passes/quantize.ts";

/** Weights as in a checkpoint: the model's own parameters, or those of the eight-bit network. */
export interface NetworkWeights {
  readonly weights: Weights;
  readonly quantization?: Quantization | undefined;
}

/**
 * Runs the inference passes.
 * @param graph the model's inference graph
 */
export async function inferenceProgram(graph: Graph, { weights, quantization }: NetworkWeights): Promise<Program> {
  if (quantization === undefined) return runPasses({ graph, weights }, inferencePasses);
  const { eightBitGraph } = await import("./eight-bit-graph.ts");
  return { graph: eightBitGraph(graph, quantization), weights };
}

/** @throws SenetError `usage` for a network in eight bits, where float32 is required */
export function requireFloat32({ quantization }: Pick<NetworkWeights, "quantization">, where: string): void {
  if (quantization === undefined) return;
  throw new SenetError("usage", "this network is in eight bits", {
    where,
    expected: "a network in float32",
    hint: "the file that it was made from",
  });
}
