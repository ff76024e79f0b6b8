/** Statistics of activations on calibration pictures: a histogram of magnitudes, and the mean of each channel. */

import type { Executor } from "../executors/executor.ts";
import type { Graph, Value } from "../ir/graph.ts";
import type { Program } from "../passes/index.ts";
import { sizeOf, type Tensor } from "../tensor.ts";
import { Histogram } from "./histogram.ts";

export class ActivationFacts {
  readonly histogram = new Histogram();
  readonly #sums: Float64Array;
  #samples = 0;

  constructor({ type: { shape } }: Value) {
    this.#sums = new Float64Array(shape[1]!);
  }

  /** @param data `[N, C, ...]`; the first `size` samples count */
  add({ shape, data }: Tensor, size: number): void {
    const [batch, channels] = shape as [number, number];
    const part = data.subarray(0, (data.length / batch) * size);
    this.histogram.add(part);
    const positions = part.length / size / channels;
    for (let plane = 0; plane < size * channels; plane++) {
      let sum = 0;
      for (let i = plane * positions; i < (plane + 1) * positions; i++) sum += part[i]!;
      this.#sums[plane % channels]! += sum / positions;
    }
    this.#samples += size;
  }

  /** Mean of each channel. */
  get means(): Float64Array {
    return this.#sums.map((sum) => sum / this.#samples);
  }
}

/** Most bytes of activations in memory at once. */
const most = 2 ** 28;

/** The batch size that fits into this. */
export function calibrationBatch(graph: Graph, values: readonly Value[]): number {
  const batch = graph.inputs[0]!.type.shape[0]!;
  const bytes = values.reduce((sum, { type }) => sum + (4 * sizeOf(type.shape)) / batch, 0);
  return Math.min(32, Math.max(1, Math.floor(most / bytes)));
}

/**
 * Runs pictures through a float32 network and collects statistics of these values.
 * @param program its graph has the batch size of the pictures
 * @param batches the first `size` pictures of each batch count
 */
export async function calibrate(
  { graph, weights }: Program,
  executor: Executor,
  values: readonly Value[],
  batches: AsyncIterable<{ readonly images: Tensor; readonly size: number }>,
): Promise<ReadonlyMap<Value, ActivationFacts>> {
  const facts = new Map(values.map((value) => [value, new ActivationFacts(value)]));
  const outputs = new Map(values.map((value) => [value.name, value]));
  const network = await executor.compile({ ...graph, outputs }, weights);
  try {
    const [input] = graph.inputs;
    for await (const { images, size } of batches) {
      const found = await network.run(new Map([[input!.name, images]]));
      for (const [value, fact] of facts) fact.add(found.get(value.name)!, size);
    }
    return facts;
  } finally {
    await network.dispose();
  }
}
