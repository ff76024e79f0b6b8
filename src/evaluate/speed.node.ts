/**
 * Measures how fast a small network runs here, on each executor in each precision, for `senet doctor`. Measures the processor
 * time of one thread: on a busy machine several threads wait for each other, which says nothing about the code.
 */

import { SenetError } from "../errors.ts";
import type { Executor } from "../executors/executor.ts";
import { executorNames, selectExecutor } from "../executors/select.node.ts";
import { cpuMilliseconds } from "../machine.node.ts";
import { inferencePasses, type Program, runPasses } from "../passes/index.ts";
import { eightBitValues, quantizableLayers } from "../passes/quantize.ts";
import { quantizeProgram } from "../passes/quantize-weights.ts";
import { createRandom } from "../random.ts";
import { sizeOf, tensor } from "../tensor.ts";
import { initialWeights } from "../weights/init.ts";
import { inferenceGraph, inputName, model } from "../zoo/index.ts";

/** Precisions to measure, including eight bits. */
export const speedPrecisions = ["float32", "bf16", "int8"] as const;
type SpeedPrecision = (typeof speedPrecisions)[number];

/** The network measured: large enough that convolutions dominate. */
export const speedWorkload = { model: "se-resnet-18", imageSize: 96, batchSize: 4 } as const;

export interface Speed {
  readonly executor: string;
  /** Pictures per second of one thread, by precision; absent if the executor does not have it on this processor. */
  readonly imagesPerSecond: Readonly<Partial<Record<SpeedPrecision, number>>>;
}

/** How often each executor has its turn. */
const rounds = 2;
/** Processor time of each turn; at least a few runs. */
const turnMilliseconds = 200;
const leastRuns = 3;

/**
 * Measures all executors that load here, in a few seconds. The reference executor, which is always slow, only runs one
 * picture in float32.
 */
export async function measureSpeeds(): Promise<readonly Speed[]> {
  const { imageSize, batchSize } = speedWorkload;
  const network = (batch: number) => inferenceGraph(model(speedWorkload.model), { batch, imageSize });
  const weights = initialWeights(network(1), 0);
  const folded = (batch: number) => runPasses({ graph: network(batch), weights }, inferencePasses);
  const float32 = folded(batchSize);
  const programs = { float32, bf16: float32, int8: inEightBits(float32) };
  const speeds = new Map<string, Partial<Record<SpeedPrecision, number>>>();
  for (let round = 0; round < rounds; round++) {
    for (const name of executorNames) {
      const isSlow = name === "reference";
      const precisions = isSlow ? (round === 0 ? (["float32"] as const) : []) : speedPrecisions;
      for (const precision of precisions) {
        const executor = await served(name, precision === "bf16" ? "bf16" : "float32");
        if (executor === undefined) continue;
        const rate = isSlow ? rateOf(executor, folded(1), 1) : rateOf(executor, programs[precision]);
        const found = speeds.get(name) ?? {};
        speeds.set(name, { ...found, [precision]: Math.max(await rate, found[precision] ?? 0) });
      }
    }
  }
  return [...speeds].map(([executor, imagesPerSecond]) => ({ executor, imagesPerSecond }));
}

/** The executor; `undefined` if it does not load or lacks the precision. */
async function served(name: string, precision: "float32" | "bf16"): Promise<Executor | undefined> {
  try {
    return (await selectExecutor({ name, precision })).executor;
  } catch (cause) {
    if (cause instanceof SenetError) return undefined;
    throw cause;
  }
}

/**
 * Quantises all possible layers, with arbitrary scales, since the results are not used. @param program batch norm
 * folded, float32
 */
export function inEightBits(program: Program): Program {
  const layers = quantizableLayers(program.graph);
  const scales = eightBitValues(program.graph, layers).map(({ value }) => [value.name, 1 / 32] as const);
  return quantizeProgram(program, { layers: layers.map(({ name }) => name), scales: Object.fromEntries(scales) });
}

/** Images a second, by the fastest run of a turn. */
async function rateOf(executor: Executor, { graph, weights }: Program, runs = leastRuns): Promise<number> {
  const network = await executor.compile(graph, weights, { threads: 1 });
  try {
    const { shape } = graph.inputs.find(({ name }) => name === inputName)!.type;
    const random = createRandom(1);
    const pictures = Float32Array.from({ length: sizeOf(shape) }, () => random.normal());
    const inputs = new Map([[inputName, tensor(shape, pictures)]]);
    const begin = cpuMilliseconds();
    let fastest = Number.POSITIVE_INFINITY;
    for (let run = 0; run < runs || cpuMilliseconds() - begin < turnMilliseconds; run++) {
      const start = cpuMilliseconds();
      await network.run(inputs);
      fastest = Math.min(fastest, cpuMilliseconds() - start);
    }
    return (1000 * shape[0]!) / fastest;
  } finally {
    await network.dispose();
  }
}
