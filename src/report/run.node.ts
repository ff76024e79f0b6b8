/** The report of a run's folder: its saved history, and its best weights' predictions. */

import { existsSync } from "node:fs";
import { basename, join, relative } from "node:path";
import { type Dataset, spread } from "../data/dataset.ts";
import { Loader } from "../data/loader.node.ts";
import { localData } from "../data/remote.node.ts";
import { nameIn } from "../data/sample-name.node.ts";
import { openTrainingData, type TrainingData } from "../data/split.node.ts";
import { SenetError } from "../errors.ts";
import { Classifier } from "../evaluate/classify.node.ts";
import { type Evaluation, type PicturePrediction, summary } from "../evaluate/evaluate.ts";
import { type GateMeans, meanGates } from "../evaluate/excitation.ts";
import type { Executor } from "../executors/executor.ts";
import { selectExecutor } from "../executors/select.node.ts";
import { readBytes } from "../files/files.node.ts";
import { replaceFile } from "../files/replace.node.ts";
import { graphCost } from "../ir/cost.ts";
import type { TrainingConfig } from "../train/config.ts";
import { besidesLoss, lossName } from "../train/losses.ts";
import { bestFile, lastFile, openRun } from "../train/out.node.ts";
import { type RunRecord, readRecord } from "../train/record.node.ts";
import type { RunResult } from "../train/run.node.ts";
import { bestErrors, type TrainingState } from "../train/state.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { decodeCheckpoint } from "../weights/decode-checkpoint.ts";
import { inferenceGraph, type NetworkFunction } from "../zoo/index.ts";
import type { ReportData, ReportSample } from "./data.ts";
import { explained } from "./maps.node.ts";
import { renderReport } from "./report.ts";
import { chooseSamples } from "./samples.ts";
import { thumbnailsOf } from "./thumbnails.node.ts";

export interface RunReportOptions {
  /** The run's folder. */
  readonly out: string;
  /** Default: the names of the model and of the data. */
  readonly title?: string | undefined;
  /** Path of its pictures; default: as in training. */
  readonly data?: string | undefined;
  /** Command line that repeats this run; default: the recorded one. */
  readonly command?: string | undefined;
  readonly executor?: string | undefined;
  /** The function of the user's own network. */
  readonly model?: NetworkFunction | undefined;
  /** The best weights' evaluation on all validation pictures, if already known. */
  readonly evaluation?: Evaluation | undefined;
  /** Most validation pictures to evaluate, evenly spread; default: all. */
  readonly mostPictures?: number | undefined;
  /** Called with the number of pictures done and in all. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  /** Other pictures to classify and show, with their class if known. */
  readonly heldBack?: readonly { readonly file: string; readonly label: number | undefined }[] | undefined;
}

export interface WrittenReport {
  /** Path of the page. */
  readonly path: string;
  readonly data: ReportData;
}

export const reportFile = (out: string): string => join(out, "report.html");

/**
 * Writes the report of a run, finished or not, as a self-contained page.
 * @param path default: `report.html` in the run's folder
 * @throws SenetError as `collectReport`; `io`
 */
export async function report(
  options: RunReportOptions,
  path: string = reportFile(options.out),
): Promise<WrittenReport> {
  const data = await collectReport(options);
  await replaceFile(path, [renderReport(data)]);
  return { path, data };
}

/** Number of pictures to evaluate for the automatic report after a training, finished or stopped. */
const fewPictures = { finished: 256, stopped: 64 };

/**
 * Writes the report at the end of a training, also of a stopped one, reusing what is known about the pictures.
 * @returns its path; `undefined` if there is nothing new, or no epoch is finished
 * @throws SenetError as `report`
 */
export async function reportAfter(
  { state, finished, hasTrained, evaluation }: RunResult,
  { out, model, executor }: Pick<RunReportOptions, "out" | "model" | "executor">,
): Promise<string | undefined> {
  if (!hasTrained || state.history.length === 0) return undefined;
  const mostPictures = finished ? fewPictures.finished : fewPictures.stopped;
  return (await report({ out, model, executor, evaluation, mostPictures })).path;
}

/**
 * Collects the report's data. If the run's pictures no longer exist, the report says so and has the rest.
 * @throws SenetError `usage` where there is no run, or none of its epochs is finished; `weights` or `data` where
 * weights or pictures are damaged or have changed
 */
export async function collectReport(options: RunReportOptions): Promise<ReportData> {
  const { out, heldBack = [] } = options;
  if (!existsSync(lastFile(out))) {
    throw new SenetError("usage", "there is no run here", {
      where: out,
      hint: "the folder that a training wrote into",
    });
  }
  const { config, state } = await openRun(out, options.model);
  if (state.history.length === 0) {
    throw new SenetError("usage", "there is nothing to report yet: no epoch of the run is finished", { where: out });
  }
  const record = await readRecord(out);
  const checkpoint = decodeCheckpoint(await readBytes(bestFile(out)), bestFile(out), options.model);
  const { model, preprocessing, labels } = checkpoint;
  const { executor } = await selectExecutor({ name: options.executor });
  const pictures = await openPictures(options, config, record, labels);
  const seen = pictures === undefined ? nothingSeen(labels) : await look(pictures, checkpoint, executor, options);
  const held = await classified(heldBack, checkpoint, executor, options.data ?? out);

  const cost = graphCost(inferenceGraph(model, { batch: 1, imageSize: preprocessing.crop }));
  const data = options.data ?? record?.data;
  const command = options.command ?? record?.command;
  return {
    title: options.title ?? (data === undefined ? model.name : `${model.name} on ${basename(data)}`),
    model: model.name,
    parameters: cost.parameters,
    multiplyAdds: cost.multiplyAdds,
    ...bestErrors(state.history),
    trainImages: pictures?.train.samples.length ?? null,
    validationImages: pictures?.val.samples.length ?? null,
    measuredImages: seen.evaluation.images,
    seconds: state.history.reduce((sum, { seconds }) => sum + seconds, 0),
    seed: config.seed,
    executor: record?.executor ?? executor.description,
    ...(command !== undefined && { command }),
    facts: [
      ...(data === undefined ? [] : [{ name: "Data", value: data }]),
      ...(record === undefined ? [] : [{ name: "Processor", value: record.processor }]),
      ...(record === undefined ? [] : [{ name: "Node", value: record.node }]),
    ],
    remarks: [...(record?.notes ?? []), ...remarksOf(pictures, seen, config, state)],
    loss: { name: lossName(config), besides: besidesLoss(config) },
    epochs: state.history.map((metrics) => ({ ...metrics, epoch: metrics.epoch + 1 })),
    classes: labels,
    confusion: seen.evaluation.confusion,
    samples: [{ title: "Held-back pictures, classified", samples: held }, ...seen.samples],
    gates: seen.gates,
    configuration: config,
  };
}

/** Opens the pictures; `undefined` if their path is unknown, or they no longer exist. */
async function openPictures(
  { data }: RunReportOptions,
  { valSplit, seed }: TrainingConfig,
  record: RunRecord | undefined,
  labels: readonly string[],
): Promise<TrainingData | undefined> {
  const { list, valList, allowMissing } = record ?? {};
  const path = data === undefined ? record?.data : await localData(data);
  if (path === undefined || (data === undefined && !existsSync(path))) return undefined;
  const pictures = openTrainingData(path, { list, valList, allowMissing, valSplit, seed });
  if (pictures.train.classes.join("\0") === labels.join("\0")) return pictures;
  throw new SenetError("usage", "these are not the classes that the run was trained on", {
    where: path,
    expected: `${labels.length} classes: ${labels.slice(0, 4).join(", ")}${labels.length > 4 ? ", ..." : ""}`,
    found: `${pictures.train.classes.length}: ${pictures.train.classes.slice(0, 4).join(", ")}`,
  });
}

interface Seen {
  readonly evaluation: Pick<Evaluation, "images" | "confusion">;
  readonly samples: ReportData["samples"];
  readonly gates: readonly GateMeans[];
}

const nothingSeen = (labels: readonly string[]): Seen => ({
  evaluation: { images: 0, confusion: new Uint32Array(labels.length ** 2) },
  samples: [],
  gates: [],
});

/** One pass over all or some of the pictures, for predictions and gates. */
async function look(
  { val }: TrainingData,
  checkpoint: Checkpoint,
  executor: Executor,
  { evaluation: known, mostPictures = val.samples.length, onProgress }: RunReportOptions,
): Promise<Seen> {
  const { model, weights, preprocessing } = checkpoint;
  const dataset = spread(val, mostPictures);
  const batchSize = Math.min(32, dataset.samples.length);
  const loader = new Loader({
    dataset,
    batchSize,
    cacheBytes: 0,
    transform: { kind: "evaluate", preprocessing },
  });
  const predictions: PicturePrediction[] = [];
  const onPredictions = (batch: readonly PicturePrediction[]) => {
    predictions.push(...batch);
    onProgress?.(predictions.length, dataset.samples.length);
  };
  const gates = await meanGates({
    executor,
    model,
    weights,
    batchSize,
    imageSize: preprocessing.crop,
    batches: loader.epoch(0),
    ...(known === undefined && { onPredictions }),
  }).finally(() => loader.dispose());
  const evaluation = known ?? summary(predictions, model.classes);
  const samples = await drawn(known === undefined ? dataset : val, evaluation.predictions, checkpoint, executor);
  return { evaluation, samples, gates };
}

async function drawn(
  dataset: Dataset,
  predictions: readonly PicturePrediction[],
  checkpoint: Checkpoint,
  executor: Executor,
): Promise<ReportData["samples"]> {
  const groups = chooseSamples(predictions);
  const sampleOf = ({ sample }: PicturePrediction) => dataset.samples[sample]!;
  const asked = groups.flatMap(({ isExplained, chosen }) => (isExplained ? chosen : []));
  const maps = await explained(
    asked.map((prediction) => ({ sample: sampleOf(prediction), answer: prediction.top[0]!.index })),
    checkpoint,
    executor,
  );
  const thumbnails = await thumbnailsOf(groups.flatMap(({ chosen }) => chosen.map(sampleOf)));
  return groups.map(({ title, chosen }) => ({
    title,
    samples: chosen.map((prediction) => {
      const { file } = sampleOf(prediction);
      const { label, top } = prediction;
      return { file: nameIn(dataset, file), image: thumbnails.get(file), map: maps.get(file)?.map, label, top };
    }),
  }));
}

async function classified(
  pictures: NonNullable<RunReportOptions["heldBack"]>,
  checkpoint: Checkpoint,
  executor: Executor,
  root: string,
): Promise<ReportSample[]> {
  if (pictures.length === 0) return [];
  const thumbnails = await thumbnailsOf(pictures.map(({ file }) => ({ file, label: 0 })));
  const classifier = await Classifier.create(checkpoint, executor);
  const samples: ReportSample[] = [];
  try {
    for (const { file, label } of pictures) {
      const { predictions: top } = await classifier.classify(file, 3);
      samples.push({ file: relative(root, file), image: thumbnails.get(file), label, top });
    }
  } finally {
    await classifier.dispose();
  }
  return samples;
}

function remarksOf(
  pictures: TrainingData | undefined,
  { evaluation: { images } }: Seen,
  { epochs }: TrainingConfig,
  { history }: TrainingState,
): string[] {
  const remarks: string[] = [];
  if (history.length < epochs) remarks.push(`The run has done ${history.length} of ${epochs} epochs.`);
  if (pictures === undefined)
    remarks.push("Its pictures were not found, so the network's answers for them are missing.");
  else if (images < pictures.val.samples.length)
    remarks.push(`Looked at: ${images} of the ${pictures.val.samples.length} pictures to validate with.`);
  return remarks;
}
