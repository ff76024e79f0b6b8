/** Measures an engine's speed for a network. */

import type { Executor } from "../executors/executor.ts";
import { zeros } from "../tensor.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { inferenceProgram } from "../weights/program.ts";
import { inferenceGraph } from "../zoo/graphs.ts";

/** Milliseconds per picture. */
export async function timed(executor: Executor, checkpoint: Checkpoint): Promise<number> {
  const { model, preprocessing } = checkpoint;
  const graph = inferenceGraph(model, { batch: 1, imageSize: preprocessing.crop });
  const program = await inferenceProgram(graph, checkpoint);
  await using network = await executor.compile(program.graph, program.weights);
  const inputs = new Map(graph.inputs.map(({ name, type }) => [name, zeros(type.dtype, type.shape)]));
  await network.run(inputs);
  const times: number[] = [];
  for (let i = 0; i < 3; i++) {
    const start = performance.now();
    await network.run(inputs);
    times.push(performance.now() - start);
  }
  return Math.min(...times);
}
