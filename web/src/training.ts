/** Training in this tab: what to train, and its progress. */

import {
  type EngineFacts,
  type EpochMetrics,
  type FineTuneOptions,
  type Network,
  type TabTraining,
  type TrainedRun,
  type TrainingPictures,
  train,
} from "senet/web";
import type { HeldBack } from "#senet/data/hold-out.ts";
import { hasOwnVal, keptBack, type OwnPicture, type PictureClass, split } from "./pictures.ts";
import { engineRuntime } from "./runtime.ts";

/** What is trained: a small network from scratch, or the last stage or only the head of a trained network. */
export type PlanKind = "scratch" | "stage" | "head";

export interface Plan {
  readonly kind: PlanKind;
  readonly epochs: number;
  /** Index of the offered network to start from; absent: the open one. */
  readonly base: number | undefined;
}

export const usualEpochs: Readonly<Record<PlanKind, number>> = { scratch: 30, stage: 6, head: 20 };

/** Progress of a training; errors in percent. */
export interface Progress {
  readonly epoch: number;
  readonly epochs: number;
  readonly step: number;
  readonly steps: number;
  readonly loss: number;
  readonly error: number;
  readonly imagesPerSecond: number;
  /** Of the finished epochs: the last one's, and the lowest. */
  readonly validationError: number | undefined;
  readonly lowestError: number | undefined;
}

/** Points from left to right, in epochs; `null` for a line without a value there. */
export interface Curves {
  readonly epoch: readonly number[];
  readonly trainLoss: readonly (number | null)[];
  readonly validationLoss: readonly (number | null)[];
  readonly trainError: readonly (number | null)[];
  readonly validationError: readonly (number | null)[];
}

/** The displayed state of a training. */
export interface Course {
  /** Absent for an opened run. */
  readonly progress: Progress | undefined;
  readonly curves: Curves;
}

/** A run that can be continued, of this page or of Node. */
export interface Resumable {
  /** Its `last.safetensors`. */
  readonly last: Blob;
  readonly finished: boolean;
  readonly epochs: number;
  /** How it keeps pictures back; absent: it needs explicit validation pictures. */
  readonly heldBack: HeldBack | undefined;
}

/** @param config the run's configuration */
export function resumable(config: unknown, finished: boolean, last: Blob): Resumable {
  const { epochs, valSplit, seed } = config as TrainedRun["config"];
  return { last, finished, epochs, heldBack: valSplit === null ? undefined : { valSplit, seed } };
}

/** The curves of an opened run, with a point for each epoch. */
export const courseOf = (history: readonly EpochMetrics[]): Course => ({
  progress: undefined,
  curves: {
    epoch: history.map(({ epoch }) => epoch + 1),
    trainLoss: history.map(({ trainLoss }) => trainLoss),
    validationLoss: history.map(({ validationLoss }) => validationLoss),
    trainError: history.map(({ trainTop1Error }) => trainTop1Error),
    validationError: history.map(({ validationTop1Error }) => validationTop1Error),
  },
});

const noCurves: Curves = { epoch: [], trainLoss: [], validationLoss: [], trainError: [], validationError: [] };

const sources = (pictures: readonly OwnPicture[]) => pictures.map(({ name, file }) => ({ name, picture: file }));

/**
 * Training and validation pictures, as the folders say; otherwise the run keeps some back, by the rule that `split`
 * knows too.
 * @param by how the run keeps pictures back; absent: it needs explicit validation pictures
 */
export function picturesOf(classes: readonly PictureClass[], by: HeldBack | undefined): TrainingPictures {
  const byClass = (of: (group: PictureClass) => readonly OwnPicture[]) =>
    Object.fromEntries(classes.map((group) => [group.name.trim(), sources(of(group))]));
  if (by !== undefined && !classes.some(hasOwnVal)) return { train: byClass(({ pictures }) => pictures) };
  const part = (name: "train" | "val") => byClass((group) => split(group, by ?? keptBack)[name]);
  return { train: part("train"), val: part("val") };
}

export interface StartOptions {
  readonly plan: Plan;
  /** The run to continue. */
  readonly from: Resumable | undefined;
  /** The network to train further; absent: fresh weights. */
  readonly base: Network | undefined;
  readonly pictures: TrainingPictures;
  /** Number of pictures used for training, without those kept back. */
  readonly learnt: number;
  readonly signal: AbortSignal;
  /** The curves of the run so far. */
  readonly curves: Curves | undefined;
  readonly onEngine: (engine: EngineFacts) => void;
  /** Called while features are computed, before training. */
  readonly onLook: (share: number) => void;
  readonly onProgress: (progress: Progress, curves: Curves) => void;
  /** Called for a picture that cannot be decoded: `cat/001.jpg`. */
  readonly onFailure: (file: string, reason: string) => void;
  readonly onNotice: (text: string) => void;
}

/**
 * Trains to the end, or until the signal, which loses nothing. Before a last stage is trained, the head is trained on
 * features: a random head would spoil the stage.
 */
export async function start(options: StartOptions): Promise<TrainedRun> {
  const { plan, from, base } = options;
  if (plan.kind !== "stage" || from !== undefined || base === undefined) return learnt(options);
  const head = await learnt({ ...options, plan: { ...plan, kind: "head", epochs: usualEpochs.head } });
  if (!head.finished) return head;
  try {
    return await learnt({ ...options, base: head.network });
  } finally {
    await head.network.dispose();
  }
}

async function learnt(options: StartOptions): Promise<TrainedRun> {
  const training = begun(options, await frozenPart(options));
  const watch = new Watch(options);
  for await (const event of training) {
    if (event.kind === "step") watch.step(event);
    else if (event.kind === "epoch") watch.epoch(event);
    else if (event.kind === "features") options.onLook(event.done / event.total);
    else if (event.kind === "failure") options.onFailure(event.file, event.reason);
    else if (event.kind === "note") options.onNotice(event.text);
  }
  return training;
}

/** The part of the initial network that is not trained. */
async function frozenPart({ plan, from, base }: StartOptions): Promise<string | undefined> {
  if (from !== undefined || base === undefined) return undefined;
  if (plan.kind === "head") return "backbone";
  const { lastStage } = await import("./structure.ts");
  return `stage${lastStage(base.model) - 1}`;
}

function begun({ plan, from, base, pictures, learnt, signal }: StartOptions, freeze: string | undefined): TabTraining {
  if (from !== undefined) {
    const epochs = from.finished ? from.epochs + plan.epochs : from.epochs;
    return train(pictures, { ...engineRuntime(), resume: from.last, epochs, acceptChanges: true, signal });
  }
  const batchSize = Math.min(learnt, learnt < 1000 ? 16 : 32);
  const common: FineTuneOptions = {
    ...(pictures.val === undefined && keptBack),
    epochs: plan.epochs,
    batchSize,
    signal,
  };
  if (base === undefined) {
    // The settings of `senet demo`, which also suit few kinds of pictures.
    const settings = { ...common, learningRate: 0.05, weightDecay: 5e-4, cropScale: 0.6 };
    return train(pictures, { ...engineRuntime(), ...settings, model: "se-resnet-20", imageSize: 32 });
  }
  return base.fineTune(pictures, { ...common, freeze: freeze ?? null });
}

/** Collects the displayed state of a training. */
class Watch {
  readonly #options: StartOptions;
  #curves: Curves;
  #progress: Progress | undefined;

  constructor(options: StartOptions) {
    this.#options = options;
    this.#curves = options.curves ?? noCurves;
  }

  step(event: {
    epoch: number;
    epochs: number;
    step: number;
    steps: number;
    loss: number;
    top1: number;
    imagesPerSecond: number;
  }): void {
    const { epoch, epochs, step, steps, loss, top1, imagesPerSecond } = event;
    const { validationError, lowestError } = this.#progress ?? { validationError: undefined, lowestError: undefined };
    const error = 100 - top1;
    this.#progress = { epoch, epochs, step, steps, loss, error, imagesPerSecond, validationError, lowestError };
    this.#add(epoch + step / steps, { trainLoss: loss, trainError: error });
  }

  epoch({ epoch, validationLoss, validationTop1Error }: EpochMetrics): void {
    const lowest = Math.min(this.#progress?.lowestError ?? 100, validationTop1Error);
    if (this.#progress !== undefined) {
      this.#progress = { ...this.#progress, validationError: validationTop1Error, lowestError: lowest };
    }
    this.#add(epoch + 1, { validationLoss, validationError: validationTop1Error });
  }

  #add(at: number, values: Partial<Record<Exclude<keyof Curves, "epoch">, number>>): void {
    const curves = this.#curves;
    // An epoch ends with its last step: one point for both.
    const isNew = curves.epoch.at(-1) !== at;
    const line = (key: Exclude<keyof Curves, "epoch">) =>
      isNew ? [...curves[key], values[key] ?? null] : [...curves[key].slice(0, -1), values[key] ?? curves[key].at(-1)!];
    this.#curves = {
      epoch: isNew ? [...curves.epoch, at] : curves.epoch,
      trainLoss: line("trainLoss"),
      validationLoss: line("validationLoss"),
      trainError: line("trainError"),
      validationError: line("validationError"),
    };
    if (this.#progress !== undefined) this.#options.onProgress(this.#progress, this.#curves);
  }
}
