/** Evaluates weights on pictures; can be interrupted and continued. */

import { createHash } from "node:crypto";
import type { Dataset, Sample } from "../data/dataset.ts";
import { classFailed } from "../data/failures.ts";
import { Loader, type LoadingOptions } from "../data/loader.node.ts";
import { nameIn } from "../data/sample-name.node.ts";
import { SenetError } from "../errors.ts";
import type { Executor } from "../executors/executor.ts";
import { shownResize } from "../images/preprocessing-facts.ts";
import { type Views, viewCounts } from "../images/views.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { digestOf } from "../weights/digest.node.ts";
import { checkChannels } from "./channels.ts";
import { type Errors, errorsOf, type PicturePrediction, predict } from "./evaluate.ts";
import { compileFor } from "./folder.node.ts";
import type { Entry, Failed, Journal, Outcome, Settings } from "./journal.node.ts";
import { failNotNumber } from "./not-number.ts";

export interface MeasureOptions extends LoadingOptions {
  readonly checkpoint: Checkpoint;
  /** The pictures, labelled with the checkpoint's classes. */
  readonly dataset: Dataset;
  readonly views: Views;
  readonly executor: Executor;
  /** Images per run of the network; each picture takes as many as there are views. */
  readonly batchSize: number;
  readonly threads?: number | undefined;
  /** Continue even if no picture of a class can be decoded. */
  readonly tolerant?: boolean;
  /** Records results, and provides earlier ones for this name. */
  readonly journal?: { readonly file: Journal; readonly name: string };
  readonly onProgress?: (progress: MeasureProgress) => void;
}

export interface MeasureProgress {
  readonly done: number;
  readonly total: number;
  readonly imagesPerSecond: number;
  readonly secondsLeft: number;
}

export interface Measurement extends Errors {
  /** Results for each picture, those of earlier runs first. */
  readonly outcomes: readonly Outcome[];
  readonly failures: readonly Failed[];
  /** False if the signal stopped it. */
  readonly finished: boolean;
  /** Speed of this run; 0 if nothing was left to do. */
  readonly imagesPerSecond: number;
}

/**
 * @throws SenetError `usage` where the journal has other settings; `data` where no picture can be decoded; and others
 */
export async function measure(options: MeasureOptions): Promise<Measurement> {
  const { dataset, journal } = options;
  const found = new Found(options);
  found.add(journal?.file.begin(journal.name, settingsOf(options)) ?? []);
  const samples = dataset.samples.filter(({ file }) => !found.has(nameIn(dataset, file)));
  const keep = (entries: readonly Entry[]) => {
    if (entries.length === 0) return;
    journal?.file.add(entries);
    found.add(entries);
  };
  const rate = samples.length === 0 ? 0 : await run(options, samples, keep);
  const { outcomes, failures } = found;
  const finished = outcomes.length + failures.length === dataset.samples.length;
  if (finished && outcomes.length === 0) {
    throw new SenetError("data", "no picture can be decoded", {
      where: dataset.root,
      found: `${failures.length} bad pictures, the first ${failures[0]!.picture}: ${failures[0]!.failed}`,
    });
  }
  return {
    ...errorsOf(outcomes, options.checkpoint.model.classes),
    outcomes,
    failures,
    finished,
    imagesPerSecond: rate,
  };
}

/** The results of this and earlier runs. */
class Found {
  readonly outcomes: Outcome[] = [];
  readonly failures: Failed[] = [];
  readonly #names = new Set<string>();
  readonly #options: MeasureOptions;

  constructor(options: MeasureOptions) {
    this.#options = options;
  }

  has(name: string): boolean {
    return this.#names.has(name);
  }

  add(entries: readonly Entry[]): void {
    for (const entry of entries) {
      this.#names.add(entry.picture);
      if ("failed" in entry) this.failures.push(entry);
      else this.outcomes.push(entry);
    }
    if (entries.some((entry) => "failed" in entry)) this.#checkClasses();
  }

  /** Checks that each class has a usable picture; the loader only knows the remaining ones. */
  #checkClasses(): void {
    const { dataset, tolerant = false } = this.#options;
    if (tolerant) return;
    const failed = new Set(this.failures.map(({ picture }) => picture));
    const usable = new Set<number>();
    const affected = new Set<number>();
    for (const { file, label } of dataset.samples) (failed.has(nameIn(dataset, file)) ? affected : usable).add(label);
    const dead = [...affected].find((label) => !usable.has(label));
    if (dead === undefined) return;
    const failures = this.failures.map(({ picture, failed: reason }) => ({ file: picture, reason }));
    throw classFailed(dataset, dead, failures);
  }
}

/** Runs the network over samples of the data set; returns pictures per second. */
async function run(
  options: MeasureOptions,
  samples: readonly Sample[],
  keep: (found: readonly Entry[]) => void,
): Promise<number> {
  const { checkpoint, dataset, views, executor, threads, workers, signal, onFailure, onProgress = () => {} } = options;
  const { model, weights, quantization, preprocessing } = checkpoint;
  checkChannels(checkpoint);
  const loader = new Loader({
    dataset: { ...dataset, samples },
    batchSize: evenBatches(samples.length, Math.max(1, Math.floor(options.batchSize / viewCounts[views]))),
    transform: { kind: "evaluate", preprocessing, views },
    ...(workers !== undefined && { workers }),
    cacheBytes: 0,
    tolerant: true,
    ...(onFailure !== undefined && { onFailure }),
  });
  let failures = 0;
  const keepFailures = () => {
    const fresh = loader.failures.slice(failures);
    failures += fresh.length;
    keep(fresh.map(({ file, reason }) => ({ picture: nameIn(dataset, file), failed: reason })));
  };
  try {
    const on = { executor, model, weights, quantization, loader, imageSize: preprocessing.crop };
    const network = await compileFor({ ...on, threads });
    let count = 0;
    const start = performance.now();
    const rate = () => (1000 * count) / (performance.now() - start);
    try {
      for await (const batch of predict(network, loader.epoch(0))) {
        const lost = batch.find(({ loss }) => Number.isNaN(loss));
        if (lost !== undefined) failNotNumber(samples[lost.sample]!.file);
        keep(batch.map((prediction) => outcomeOf(prediction, nameIn(dataset, samples[prediction.sample]!.file))));
        keepFailures();
        count += batch.length;
        const left = samples.length - count - failures;
        const total = dataset.samples.length;
        onProgress({ done: total - left, total, imagesPerSecond: rate(), secondsLeft: left / rate() });
        if (signal?.aborted === true) break;
      }
      keepFailures();
      return rate();
    } finally {
      await network.dispose();
    }
  } finally {
    await loader.dispose();
  }
}

/** Equal batch sizes for the fewest batches of at most `most`: an empty row costs as much as a picture. */
const evenBatches = (count: number, most: number): number => Math.ceil(count / Math.ceil(count / most));

const outcomeOf = ({ label, rank, top }: PicturePrediction, picture: string): Outcome => ({
  picture,
  label,
  rank,
  predicted: top[0]!.index,
});

/** Everything that results depend on, but not speed. */
function settingsOf(options: MeasureOptions): Settings {
  const { checkpoint, dataset, views, executor } = options;
  const { channels, scale, mean, std, resize, crop, interpolation, meanImage, byPicture } = checkpoint.preprocessing;
  const means = meanImage === undefined ? mean.join(" ") : short(createHash("sha256").update(meanImage));
  const pictures = createHash("sha256");
  for (const { file, label } of dataset.samples) pictures.update(`${nameIn(dataset, file)}\0${label}\n`);
  return {
    model: checkpoint.model.name,
    weights: digestOf(checkpoint),
    pictures: `${dataset.samples.length} (${short(pictures)})`,
    resize: typeof resize === "number" ? resize : shownResize(resize),
    crop,
    views,
    interpolation,
    input:
      byPicture === undefined
        ? `${channels}/${scale}, mean ${means}, deviation ${std.join(" ")}`
        : `${channels}/${scale}, by picture, ${byPicture}`,
    executor: executor.name,
  };
}

const short = (hash: ReturnType<typeof createHash>): string => hash.digest("hex").slice(0, 16);
