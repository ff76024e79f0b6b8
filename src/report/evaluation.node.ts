/** Collects what an evaluation page shows about a network. */

import type { Dataset } from "../data/dataset.ts";
import { nameIn } from "../data/sample-name.node.ts";
import type { Outcome } from "../evaluate/journal.node.ts";
import type { Measurement } from "../evaluate/measure.node.ts";
import type { Executor } from "../executors/executor.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import type { EvaluatedNetwork } from "./evaluation.ts";
import { explained } from "./maps.node.ts";
import { thumbnailsOf } from "./thumbnails.node.ts";

export interface EvaluatedOptions {
  readonly weights: string;
  /** The network, with the data set's labels. */
  readonly checkpoint: Checkpoint;
  readonly dataset: Dataset;
  readonly measured: Measurement;
  readonly executor: Executor;
}

/** Number of mistakes shown. */
const mostMistakes = 12;

/** Reads the pictures of the worst mistakes again. */
export async function evaluatedNetwork(options: EvaluatedOptions): Promise<EvaluatedNetwork> {
  const { weights, checkpoint, dataset, measured, executor } = options;
  const { model, labels: classes } = checkpoint;
  const { outcomes, images, top1Error, top5Error } = measured;
  const confusion = new Uint32Array(classes.length ** 2);
  for (const { label, predicted } of outcomes) confusion[label * classes.length + predicted]!++;
  const samples = new Map(dataset.samples.map((sample) => [nameIn(dataset, sample.file), sample]));
  const worst = outcomes
    .filter(({ rank, picture }) => rank > 0 && samples.has(picture))
    .toSorted((a, b) => b.rank - a.rank)
    .slice(0, mostMistakes);
  const sampleOf = ({ picture }: Outcome) => samples.get(picture)!;
  const thumbnails = await thumbnailsOf(worst.map(sampleOf));
  const answers = await explained(
    worst.map((outcome) => ({ sample: sampleOf(outcome), answer: outcome.predicted })),
    checkpoint,
    executor,
  );
  return {
    weights,
    model: model.name,
    classes,
    images,
    top1Error,
    top5Error,
    confusion,
    worst: worst.map((outcome) => {
      const { file } = sampleOf(outcome);
      const { map, top = [{ index: outcome.predicted, probability: Number.NaN }] } = answers.get(file) ?? {};
      return { file: outcome.picture, image: thumbnails.get(file), map, label: outcome.label, top };
    }),
  };
}
