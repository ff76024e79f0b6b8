/** Finds probable label errors in a data set from a network's predictions. */

import type { Dataset, Failure, Sample } from "../data/dataset.ts";
import { Loader, type LoadingOptions } from "../data/loader.node.ts";
import { SenetError } from "../errors.ts";
import { turn } from "../event-loop.ts";
import type { Executor } from "../executors/executor.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { checkChannels } from "./channels.ts";
import { probabilitiesOf } from "./evaluate.ts";
import { compileFor } from "./folder.node.ts";
import { failNotNumber } from "./not-number.ts";
import { ConfidentLearning, type SuspectRank } from "./suspects.ts";

export interface SuspectsOptions extends LoadingOptions {
  readonly checkpoint: Checkpoint;
  /** The pictures, labelled with the checkpoint's classes. */
  readonly dataset: Dataset;
  readonly executor: Executor;
  /** Default: `normalized-margin`. */
  readonly rank?: SuspectRank | undefined;
  /** Pictures per run of the network. Default: 32. */
  readonly batchSize?: number | undefined;
  readonly threads?: number | undefined;
  /** Called with the number of pictures done and in all. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** A picture whose label is probably wrong. */
export interface SuspectPicture {
  readonly sample: Sample;
  readonly label: string;
  /** The class that it probably shows. */
  readonly guess: string;
  /** Probability of its label, 0 to 1. */
  readonly probability: number;
  /** Probability of its label minus that of the likeliest other class; lower is more suspect. */
  readonly margin: number;
}

export interface LabelSuspects {
  readonly root: string;
  /** Number of pictures evaluated. */
  readonly pictures: number;
  /** Most suspect first. */
  readonly suspects: readonly SuspectPicture[];
  /** Estimated share of wrong labels, 0 to 1. */
  readonly noise: number;
  /** Share of labels that agree with the network's top class, 0 to 1; near chance for an untrained network. */
  readonly agreement: number;
  /** Number of pictures with a label that are confidently of another class, largest first. */
  readonly confusions: readonly { readonly label: string; readonly guess: string; readonly count: number }[];
  readonly failures: readonly Failure[];
  /** False if the signal stopped it: the result then covers the pictures seen so far. */
  readonly finished: boolean;
}

/**
 * Ranks pictures whose label is probably wrong, by confident learning (arXiv 1911.00068). Most reliable on pictures
 * that the network was not trained on: it has learnt some of the wrong labels among its training pictures.
 * @throws SenetError `weights` where the network's output is not a number, `data` where no picture can be decoded
 */
export async function labelSuspects(options: SuspectsOptions): Promise<LabelSuspects> {
  const { checkpoint, dataset, executor, rank, batchSize = 32, threads, workers, signal } = options;
  const { onFailure = () => {}, onProgress = () => {} } = options;
  const { model, weights, quantization, preprocessing } = checkpoint;
  const { samples, classes } = dataset;
  checkChannels(checkpoint);
  await using loader = new Loader({
    dataset,
    batchSize: Math.min(batchSize, samples.length),
    cacheBytes: 0,
    tolerant: true,
    onFailure,
    transform: { kind: "evaluate", preprocessing },
    ...(workers !== undefined && { workers }),
  });
  const on = { executor, model, weights, quantization, loader, imageSize: preprocessing.crop };
  await using network = await compileFor({ ...on, threads });
  const learning = new ConfidentLearning(model.classes);
  /** Data set indices of the pictures decoded, in order of arrival. */
  const places: number[] = [];
  for await (const batch of probabilitiesOf(network, loader.epoch(0))) {
    for (const { sample, label, probabilities } of batch) {
      if (Number.isNaN(probabilities[0]!)) failNotNumber(samples[sample]!.file);
      learning.add(label, probabilities);
      places.push(sample);
    }
    onProgress(places.length + loader.failures.length, samples.length);
    await turn();
    if (signal?.aborted === true) break;
  }
  const finished = places.length + loader.failures.length === samples.length;
  if (finished && places.length === 0) {
    const { file, reason } = loader.failures[0]!;
    throw new SenetError("data", "no picture can be decoded", { where: dataset.root, found: `${file}: ${reason}` });
  }
  const { suspects, noise, agreement, confusions } = learning.find(rank);
  const name = (label: number): string => classes[label]!;
  return {
    root: dataset.root,
    pictures: places.length,
    noise,
    agreement,
    failures: [...loader.failures],
    finished,
    suspects: suspects.map(({ place, label, guess, probability, margin }) => ({
      sample: samples[places[place]!]!,
      label: name(label),
      guess: name(guess),
      probability,
      margin,
    })),
    confusions: confusions.map(({ label, guess, count }) => ({ label: name(label), guess: name(guess), count })),
  };
}
