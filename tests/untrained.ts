/** Networks with weights from the formula whose logits differ from picture to picture, and how far others' logits are from them. */

import type { Executor, Weights } from "../src/executors/executor.ts";
import { type Tensor, zeros } from "../src/tensor.ts";
import { inputName, lossGraph, type Model } from "../src/zoo/index.ts";

/** Gives each batch norm the statistics of these pictures. @param images `[N, 3, S, S]` */
export async function withStatistics(
  network: Model,
  weights: Weights,
  images: Tensor,
  executor: Executor,
): Promise<Map<string, Tensor>> {
  const [batch, , , imageSize] = images.shape as [number, number, number, number];
  const graph = lossGraph(network, { batch, imageSize });
  const makers = new Map(graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
  // The inputs of running averages.
  const outputs = new Map([...graph.updates].map(([{ name: of }, next]) => [of, makers.get(next)!.inputs[1]!]));
  const compiled = await executor.compile({ ...graph, outputs, updates: new Map() }, weights, { threads: 1 });
  const given = graph.inputs.map(({ name: of, type }) => [of, zeros("float32", type.shape)] as const);
  const found = await compiled.run(new Map([...given, [inputName, images]]));
  await compiled.dispose();
  return new Map([...weights, ...found]);
}

/** The mean of each column. */
export const meanOf = (rows: readonly Float32Array[]): Float64Array =>
  Float64Array.from(rows[0]!, (_, c) => rows.reduce((sum, row) => sum + row[c]!, 0) / rows.length);

/**
 * Signal to noise in dB, by rows of numbers for each picture. The signal is what they differ by from their means over the
 * pictures, since what is the same for every picture tells nothing; or, if not `isCentred`, the numbers themselves.
 */
export function signalToNoise(
  expected: readonly Float32Array[],
  found: readonly Float32Array[],
  isCentred = true,
): number {
  const means = isCentred ? meanOf(expected) : new Float64Array(expected[0]!.length);
  let [signal, noise] = [0, 0];
  for (const [i, row] of expected.entries())
    for (const [c, value] of row.entries()) {
      signal += (value - means[c]!) ** 2;
      noise += (found[i]![c]! - value) ** 2;
    }
  return 10 * Math.log10(signal / noise);
}
