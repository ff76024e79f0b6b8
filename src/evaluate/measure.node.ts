/** Measures a weight file on pictures, in a way that can be interrupted and gone on with. */

import { createHash } from "node:crypto";
import { relative, sep } from "node:path";
import type { PictureFolder } from "../data/folder.node.ts";
import { Loader } from "../data/loader.node.ts";
import { SenetError } from "../errors.ts";
import type { Executor, Weights } from "../executors/executor.ts";
import { type Views, viewCounts } from "../images/views.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { type Errors, errorsOf, type PicturePrediction, predict } from "./evaluate.ts";
import { compileFor } from "./folder.node.ts";
import type { Entry, Failed, Journal, Outcome, Settings } from "./journal.node.ts";

export interface MeasureOptions {
  readonly checkpoint: Checkpoint;
  /** Labelled with the checkpoint's classes. */
  readonly dataset: PictureFolder;
  readonly views: Views;
  readonly executor: Executor;
  /** Images a run of the network; each picture takes as many as there are views. */
  readonly batchSize: number;
  readonly threads?: number | undefined;
  readonly workers?: number | undefined;
  /** Go on also where no picture of a class can be decoded. */
  readonly tolerant?: boolean;
  /** Keeps what was found, and knows what was found before under this name. */
  readonly journal?: { readonly file: Journal; readonly name: string };
  /** Stops after the batch at hand. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: MeasureProgress) => void;
}

export interface MeasureProgress {
  readonly done: number;
  readonly total: number;
  readonly imagesPerSecond: number;
  readonly secondsLeft: number;
}

export interface Measurement extends Errors {
  /** Picture by picture, those of earlier runs first. */
  readonly outcomes: readonly Outcome[];
  readonly failures: readonly Failed[];
  /** False where the signal stopped it. */
  readonly finished: boolean;
  /** Of this run alone; 0 where there was nothing left to do. */
  readonly imagesPerSecond: number;
}

/** @throws SenetError `usage` where the journal has other settings, `data` where no picture can be decoded, and others */
export async function measure(options: MeasureOptions): Promise<Measurement> {
  const { dataset, journal } = options;
  const nameOf = (file: string) => relative(dataset.root, file).split(sep).join("/");
  const entries = [...(journal?.file.begin(journal.name, settingsOf(options, nameOf)) ?? [])];
  const known = new Set(entries.map(({ picture }) => picture));
  const samples = dataset.samples.filter(({ file }) => !known.has(nameOf(file)));
  const keep = (found: readonly Entry[]) => {
    if (found.length === 0) return;
    entries.push(...found);
    journal?.file.add(found);
  };

  const rate = samples.length === 0 ? 0 : await run(options, { ...dataset, samples }, known.size, nameOf, keep);
  const outcomes = entries.filter((entry) => "rank" in entry);
  const failures = entries.filter((entry) => "failed" in entry);
  const finished = entries.length === dataset.samples.length;
  if (finished && outcomes.length === 0) {
    throw new SenetError("data", "no picture can be decoded", {
      where: dataset.root,
      found: `${failures.length} bad pictures, the first ${failures[0]!.picture}: ${failures[0]!.failed}`,
    });
  }
  return { ...errorsOf(outcomes), outcomes, failures, finished, imagesPerSecond: rate };
}

/**
 * Runs the network over the samples, and gives its rate in pictures a second.
 * @param before pictures that are done already
 */
async function run(
  options: MeasureOptions,
  dataset: PictureFolder,
  before: number,
  nameOf: (file: string) => string,
  keep: (found: readonly Entry[]) => void,
): Promise<number> {
  const { checkpoint, views, executor, threads, workers, tolerant, signal, onProgress = () => {} } = options;
  const { model, weights, preprocessing } = checkpoint;
  const { samples } = dataset;
  const loader = new Loader({
    dataset,
    batchSize: Math.max(1, Math.floor(options.batchSize / viewCounts[views])),
    transform: { kind: "evaluate", preprocessing, views },
    ...(workers === undefined ? {} : { workers }),
    cacheBytes: 0,
    // What is left of a class may well be its one bad picture.
    tolerant: tolerant === true || before > 0,
  });
  let failures = 0;
  const keepFailures = () => {
    keep(loader.failures.slice(failures).map(({ file, reason }) => ({ picture: nameOf(file), failed: reason })));
    failures = loader.failures.length;
  };
  try {
    const on = { executor, model, weights, loader, imageSize: preprocessing.crop };
    const network = await compileFor({ ...on, ...(threads === undefined ? {} : { threads }) });
    let count = 0;
    const start = performance.now();
    const rate = () => (1000 * count) / (performance.now() - start);
    try {
      for await (const batch of predict(network, loader.epoch(0))) {
        keep(batch.map((prediction) => outcomeOf(prediction, nameOf(samples[prediction.sample]!.file))));
        keepFailures();
        count += batch.length;
        const done = count + failures;
        const total = before + samples.length;
        const secondsLeft = (samples.length - done) / rate();
        onProgress({ done: before + done, total, imagesPerSecond: rate(), secondsLeft });
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

const outcomeOf = ({ label, rank, top }: PicturePrediction, picture: string): Outcome => ({
  picture,
  label,
  rank,
  predicted: top[0]!.index,
});

/** All that the ranks depend on; not how fast they come. */
function settingsOf(options: MeasureOptions, nameOf: (file: string) => string): Settings {
  const { checkpoint, dataset, views, executor } = options;
  const { channels, scale, mean, std, resize, crop, interpolation } = checkpoint.preprocessing;
  const pictures = createHash("sha256");
  for (const { file, label } of dataset.samples) pictures.update(`${nameOf(file)}\0${label}\n`);
  return {
    model: checkpoint.model.name,
    weights: digestOf(checkpoint.weights),
    pictures: `${dataset.samples.length} (${short(pictures)})`,
    resize,
    crop,
    views,
    interpolation,
    input: `${channels}/${scale}, mean ${mean.join(" ")}, deviation ${std.join(" ")}`,
    executor: executor.name,
  };
}

function digestOf(weights: Weights): string {
  const hash = createHash("sha256");
  for (const [name, { data }] of [...weights].sort(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update(`${name}\0`).update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return short(hash);
}

const short = (hash: ReturnType<typeof createHash>): string => hash.digest("hex").slice(0, 16);
