/** A network of a file as executors take it. */

import { SenetError } from "../errors.ts";
import type { Weights } from "../executors/executor.ts";
import type { Graph } from "../ir/graph.ts";
import { inferencePasses, type Program, runPasses } from "../passes/index.ts";
import type { Quantization } from "../passes/quantize.ts";

/** As a checkpoint has them: the model's own parameters, or those of the network in eight bits. */
export interface NetworkWeights {
  readonly weights: Weights;
  readonly quantization?: Quantization | undefined;
}

/**
 * The graph after the passes that inference goes through.
 * @param graph the model's, for inference
 */
export async function inferenceProgram(graph: Graph, { weights, quantization }: NetworkWeights): Promise<Program> {
  if (quantization === undefined) return runPasses({ graph, weights }, inferencePasses);
  const { eightBitGraph } = await import("./eight-bit-graph.ts");
  return { graph: eightBitGraph(graph, quantization), weights };
}

/** @throws SenetError `usage` for a network in eight bits, where only float32 will do */
export function requireFloat32({ quantization }: Pick<NetworkWeights, "quantization">, where: string): void {
  if (quantization === undefined) return;
  throw new SenetError("usage", "this network is in eight bits", {
    where,
    expected: "a network in float32",
    hint: "the file that it was made from",
  });
}
