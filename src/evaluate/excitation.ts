/** What the gates of a network answer, class by class: the paper's excitation figures (arXiv 1709.01507, figures 6 and 7). */

import type { Executor } from "../executors/executor.ts";
import { inferenceProgram, type NetworkWeights } from "../weights/program.ts";
import { inferenceGraph, inputName, type Model } from "../zoo/index.ts";
import { type EvaluationBatch, type PicturePrediction, predictionsOf } from "./evaluate.ts";

export interface GateMeans {
  /** `layer2.0`; the gate's own name where it stands in no block. */
  readonly block: string;
  /** From 1; 0 for a gate outside of all blocks. */
  readonly stage: number;
  readonly channels: number;
  /** `[classes, channels]`: the mean over the pictures of a class; NaN in the row of a class without pictures. */
  readonly means: Float64Array;
}

export interface ExcitationOptions extends NetworkWeights {
  readonly executor: Executor;
  readonly model: Model;
  readonly batches: AsyncIterable<EvaluationBatch>;
  readonly batchSize: number;
  readonly imageSize: number;
  /** Told what the network says of each batch, of one without gates too: one pass over the pictures gives both. */
  readonly onPredictions?: (predictions: readonly PicturePrediction[]) => void;
}

/** The mean gate of each SE block for each class; empty for a network without squeeze and excitation. */
export async function meanGates(options: ExcitationOptions): Promise<GateMeans[]> {
  const { executor, model, batchSize, imageSize, onPredictions } = options;
  const graph = inferenceGraph(model, { batch: batchSize, imageSize });
  const gateNodes = graph.nodes.filter(({ tag }) => tag === "se.gate");
  if (gateNodes.length === 0 && onPredictions === undefined) return [];
  const gates = gateNodes.map((node) => node.outputs[0]!);

  const wanted = onPredictions === undefined ? [] : graph.outputs;
  const exposed = { ...graph, outputs: new Map([...wanted, ...gates.map((gate) => [gate.name, gate] as const)]) };
  const program = inferenceProgram(exposed, options);
  const network = await executor.compile(program.graph, program.weights);
  const counts = new Uint32Array(model.classes);
  const sums = gates.map((gate) => new Float64Array(model.classes * gate.type.shape[1]!));
  try {
    for await (const batch of options.batches) {
      const { images, labels, size } = batch;
      const outputs = await network.run(new Map([[inputName, images]]));
      onPredictions?.(predictionsOf(outputs.get("logits")!, batch));
      for (let row = 0; row < size; row++) counts[labels.data[row]!]!++;
      gates.forEach((gate, i) => {
        const channels = gate.type.shape[1]!;
        const values = outputs.get(gate.name)!.data;
        for (let row = 0; row < size; row++) {
          const start = labels.data[row]! * channels;
          for (let c = 0; c < channels; c++) sums[i]![start + c]! += values[row * channels + c]!;
        }
      });
    }
  } finally {
    await network.dispose();
  }

  return gates.map((gate, i) => {
    const channels = gate.type.shape[1]!;
    return {
      block: gateNodes[i]!.block?.name ?? gate.name,
      stage: gateNodes[i]!.block?.stage ?? 0,
      channels,
      means: sums[i]!.map((sum, place) => sum / counts[Math.floor(place / channels)]!),
    };
  });
}
