/** Mean gates of a network by class: the paper's excitation figures (arXiv 1709.01507, figures 6 and 7). */

import type { Executor } from "../executors/executor.ts";
import type { Block, Graph, Value } from "../ir/graph.ts";
import { inferenceProgram, type NetworkWeights } from "../weights/program.ts";
import { inferenceGraph, inputName, type Model } from "../zoo/index.ts";
import { type EvaluationBatch, type PicturePrediction, predictionsOf } from "./evaluate.ts";

/** The place of a gate in its network. */
export interface GatePlace {
  /** Name of the block, such as `layer2.0`; the gate's own name if it is in no block. */
  readonly block: string;
  /** From 1; 0 for a gate outside all blocks. */
  readonly stage: number;
  readonly channels: number;
}

export interface GateMeans extends GatePlace {
  /** `[classes, channels]`: mean over each class's pictures; NaN for a class without pictures. */
  readonly means: Float64Array;
}

export interface ExcitationOptions extends NetworkWeights {
  readonly executor: Executor;
  readonly model: Model;
  readonly batches: AsyncIterable<EvaluationBatch>;
  readonly batchSize: number;
  readonly imageSize: number;
  /**
   * Is given the predictions for each batch, so that one pass over the pictures gives both; also for networks without
   * gates.
   */
  readonly onPredictions?: (predictions: readonly PicturePrediction[]) => void;
  /** Is given the gates of each batch, by block, `[N · channels]`. */
  readonly onGates?: (gates: readonly Float32Array[], batch: EvaluationBatch) => void;
}

/** A gate of a graph: its value is `[N, channels, 1, 1]`. */
export interface GateOf extends GatePlace {
  readonly value: Value;
}

/** The gates of a network, in order. */
export const gatesOf = ({ nodes }: Graph): readonly GateOf[] =>
  nodes.filter(({ tag }) => tag === "se.gate").map(({ outputs: [value], block }) => gateAt(value!, block));

const gateAt = (value: Value, block: Block | undefined): GateOf => ({
  block: block?.name ?? value.name,
  stage: block?.stage ?? 0,
  channels: value.type.shape[1]!,
  value,
});

/** The mean gate of each SE block for each class; empty for a network without squeeze and excitation. */
export async function meanGates(options: ExcitationOptions): Promise<GateMeans[]> {
  const { executor, model, batchSize, imageSize, onPredictions, onGates } = options;
  const graph = inferenceGraph(model, { batch: batchSize, imageSize });
  const gates = gatesOf(graph);
  if (gates.length === 0 && onPredictions === undefined) return [];
  const wanted = onPredictions === undefined ? [] : graph.outputs;
  const exposed = {
    ...graph,
    outputs: new Map([...wanted, ...gates.map(({ value }) => [value.name, value] as const)]),
  };
  const program = await inferenceProgram(exposed, options);
  const network = await executor.compile(program.graph, program.weights);
  const counts = new Uint32Array(model.classes);
  const sums = gates.map((gate) => new Float64Array(model.classes * gate.channels));
  try {
    for await (const batch of options.batches) {
      const { images, labels, size } = batch;
      const outputs = await network.run(new Map([[inputName, images]]));
      onPredictions?.(predictionsOf(outputs.get("logits")!, batch));
      const answered = gates.map(({ value }) => outputs.get(value.name)!.data as Float32Array);
      onGates?.(answered, batch);
      for (let row = 0; row < size; row++) counts[labels.data[row]!]!++;
      gates.forEach(({ channels }, i) => {
        for (let row = 0; row < size; row++) {
          const start = labels.data[row]! * channels;
          for (let c = 0; c < channels; c++) sums[i]![start + c]! += answered[i]![row * channels + c]!;
        }
      });
    }
  } finally {
    await network.dispose();
  }

  return gates.map(({ value: _, ...place }, i) => ({
    ...place,
    means: sums[i]!.map((sum, at) => sum / counts[Math.floor(at / place.channels)]!),
  }));
}
