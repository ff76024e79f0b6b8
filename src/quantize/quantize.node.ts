/** Post-training quantisation of a network with pictures: ranges, layers that stay in float32, and the loss. */

import type { Dataset, Failure } from "../data/dataset.ts";
import { Loader } from "../data/loader.node.ts";
import { SenetError } from "../errors.ts";
import { type EvaluationBatch, errorsOf, type PictureProbabilities, probabilitiesOf } from "../evaluate/evaluate.ts";
import { rankOf } from "../evaluate/metrics.ts";
import type { Executable, Executor } from "../executors/executor.ts";
import { givenOptions } from "../options.ts";
import { inferencePasses, type Program, runPasses } from "../passes/index.ts";
import { eightBitValues, quantizableLayers } from "../passes/quantize.ts";
import { createRandom } from "../random.ts";
import { copyOf } from "../tensor.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { requireFloat32 } from "../weights/program.ts";
import { inferenceGraph } from "../zoo/index.ts";
import { chooseLayers, divergenceOf, type LayerRow } from "./budget.ts";
import { calibrationBatch } from "./calibrate.ts";
import type { RangeMethodName } from "./methods.ts";
import { PreparedNetwork } from "./network.ts";
import { sourceOf } from "./source.node.ts";

export interface QuantizeOptions {
  readonly checkpoint: Checkpoint;
  /** The pictures, labelled with the checkpoint's classes. */
  readonly dataset: Dataset;
  /** Number of pictures for choosing ranges; default 256. */
  readonly images?: number;
  /** Number of other pictures for measuring the loss; default 1024. */
  readonly checkImages?: number;
  readonly method?: RangeMethodName;
  readonly equalize?: boolean;
  readonly correctBias?: boolean;
  /** Allowed increase of top-1 error, in percentage points; the layers that cost most stay in float32. Default 0.3. */
  readonly budget?: number;
  /** Seed of the choice of pictures. */
  readonly seed?: number;
  /** Runs both networks. */
  readonly executor: Executor;
  readonly threads?: number | undefined;
  readonly workers?: number | undefined;
  /** Where the checkpoint came from, a path or the name of released weights; recorded in the result. */
  readonly file?: string | undefined;
  readonly say?: (line: string) => void;
  /** Told of each picture that cannot be decoded, and is left out. */
  readonly onFailure?: (failure: Failure) => void;
  /** Told which layer is measured alone. */
  readonly onLayer?: (name: string, done: number, total: number) => void;
}

export interface Quantized {
  readonly checkpoint: Checkpoint;
  /** Top-1 error of the float32 network in percent, on the same pictures. */
  readonly float: number;
  readonly int8: number;
  /** The number of those pictures. */
  readonly checked: number;
  /** Measurements of each layer. */
  readonly rows: readonly LayerRow[];
}

const defaults = { images: 256, checkImages: 1024, method: "mse", budget: 0.3, seed: 0 } as const;

/**
 * Quantises a network.
 * @throws SenetError `usage` where it is in eight bits already, there are too few pictures, or no layer stays within the
 * budget; `data` where none of the pictures can be decoded
 */
export async function quantizeNetwork(options: QuantizeOptions): Promise<Quantized> {
  const { checkpoint, dataset, executor, say = () => {}, onLayer } = options;
  const { model, weights, preprocessing } = checkpoint;
  const failed = new Set<string>();
  const onFailure = (failure: Failure) => {
    // Each is met several times.
    if (!failed.has(failure.file)) options.onFailure?.(failure);
    failed.add(failure.file);
  };
  const from = { ...options, onFailure };
  const { images, checkImages, method, budget, seed } = { ...defaults, ...givenOptions(options) };
  requireFloat32(checkpoint, model.name);
  const { calibration, check } = divided(dataset, images, checkImages, seed);
  const graphOf = (batch: number) => inferenceGraph(model, { batch, imageSize: preprocessing.crop });
  const foldedFor = (batch: number) => runPasses({ graph: graphOf(batch), weights }, inferencePasses);
  const one = foldedFor(1);
  const values = eightBitValues(one.graph, quantizableLayers(one.graph)).map(({ value }) => value);
  const batch = Math.min(calibrationBatch(one.graph, values), calibration.samples.length);
  say(`ranges of ${values.length} activations by ${calibration.samples.length} pictures (${method})`);
  const prepared = await withPictures(from, calibration, batch, (batches) =>
    PreparedNetwork.create(foldedFor(batch), executor, batches, { ...options, method }),
  );
  const calibrated = calibration.samples.length - failed.size;
  if (calibrated === 0) throw noneDecoded(calibration);
  const run = (program: Program, batches: AsyncIterable<EvaluationBatch>): Promise<PictureProbabilities[]> =>
    withNetwork(options, program, async (network) => {
      const found: PictureProbabilities[] = [];
      for await (const batch of probabilitiesOf(network, batches)) found.push(...batch);
      return found;
    });
  const onCheck = (program: Program) => withPictures(from, check, 32, (batches) => run(program, batches));
  const errorOf = (found: readonly PictureProbabilities[]) =>
    errorsOf(
      found.map(({ ranked, label }) => ({ rank: rankOf(ranked, label) })),
      model.classes,
    ).top1Error;

  const answers = await onCheck(foldedFor(32));
  if (answers.length === 0) throw noneDecoded(check);
  const float = errorOf(answers);
  const resolution = 100 / answers.length;
  if (budget > 0 && budget < resolution) {
    say(
      `${answers.length} pictures tell errors in steps of ${resolution.toFixed(1)} points: a budget of ${budget} lets none be lost`,
    );
  }
  const few = await withPictures(from, firstOf(check, fewPictures), 32, kept);
  const expected = await run(foldedFor(32), again(few));
  const divergences: number[] = [];
  for (const layer of prepared.layers) {
    onLayer?.(layer.name, divergences.length, prepared.layers.length);
    const found = await run(prepared.quantized([layer]), again(few));
    const each = found.map(({ probabilities }, i) => divergenceOf(expected[i]!.probabilities, probabilities));
    divergences.push(each.reduce((sum, value) => sum + value, 0) / each.length);
  }
  const chosen = await chooseLayers(prepared.layers, divergences, budget, async (layers) => {
    const loss = errorOf(await onCheck(prepared.quantized(layers))) - float;
    say(`${layers.length} of ${prepared.layers.length} layers in eight bits: ${loss.toFixed(2)} points lost`);
    return loss;
  });
  const { layers, rows, loss } = chosen;
  if (layers.length === 0) {
    throw new SenetError("usage", "no layer can be in eight bits within the budget", {
      where: options.file ?? model.name,
      expected: `a top-1 error of at most ${budget} points more than in float32`,
      found: `more with any of the choices, on ${answers.length} pictures`,
      hint: "a larger budget, or more pictures to choose the ranges by",
    });
  }
  const source = options.file === undefined ? {} : { source: sourceOf(checkpoint, options.file) };
  const stored = { ...prepared.quantization(layers), method, images: calibrated, ...source };
  const { run: _, ...network } = checkpoint;
  return {
    checkpoint: { ...network, weights: new Map(prepared.quantized(layers).weights), quantization: stored },
    float,
    int8: float + loss,
    checked: answers.length,
    rows,
  };
}

/** Number of pictures on which each layer is measured alone. */
const fewPictures = 64;

const firstOf = (dataset: Dataset, most: number): Dataset => ({ ...dataset, samples: dataset.samples.slice(0, most) });

/** Copies of the batches, to be used many times. */
async function kept(batches: AsyncIterable<EvaluationBatch>): Promise<EvaluationBatch[]> {
  const all: EvaluationBatch[] = [];
  for await (const { images, labels, samples, size } of batches) {
    all.push({ images: copyOf(images), labels: copyOf(labels), samples: Array.from(samples), size });
  }
  return all;
}

async function* again(batches: readonly EvaluationBatch[]): AsyncGenerator<EvaluationBatch, void, undefined> {
  yield* batches;
}

async function withNetwork<T>(
  { executor, threads }: QuantizeOptions,
  program: Program,
  use: (network: Executable) => Promise<T>,
): Promise<T> {
  const network = await executor.compile(program.graph, program.weights, threads === undefined ? {} : { threads });
  try {
    return await use(network);
  } finally {
    await network.dispose();
  }
}

/** Splits the pictures into those for ranges and those for measuring; proportionally if there are too few for both. */
function divided(dataset: Dataset, images: number, checkImages: number, seed: number) {
  const { samples } = dataset;
  const order = createRandom(seed).shuffled(samples.length);
  const most = Math.min(images, Math.floor((samples.length * images) / (images + checkImages)) || 1);
  const pick = (from: number, to: number): Dataset => ({
    ...dataset,
    samples: Array.from(order.subarray(from, to), (place) => samples[place]!),
  });
  const calibration = pick(0, most);
  const check = pick(most, most + checkImages);
  if (check.samples.length === 0) {
    throw new SenetError("usage", "there are too few pictures", {
      where: dataset.root,
      expected: "pictures to choose ranges by, and others to measure the loss on",
      found: `${samples.length}`,
    });
  }
  return { calibration, check };
}

const noneDecoded = ({ root }: Dataset): SenetError =>
  new SenetError("data", "none of the pictures can be decoded", { where: root });

async function withPictures<T>(
  { checkpoint: { preprocessing }, workers, onFailure }: QuantizeOptions,
  dataset: Dataset,
  batchSize: number,
  use: (batches: ReturnType<Loader["epoch"]>) => Promise<T>,
): Promise<T> {
  const loader = new Loader({
    dataset,
    batchSize,
    cacheBytes: 0,
    tolerant: true,
    transform: { kind: "evaluate", preprocessing },
    ...(workers === undefined ? {} : { workers }),
    ...(onFailure && { onFailure }),
  });
  try {
    return await use(loader.epoch(0));
  } finally {
    await loader.dispose();
  }
}
