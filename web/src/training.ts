/** Training in this tab: what is to be learnt, and what is seen of it meanwhile. */

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

/** How much is learnt: a small network from nothing, or of one that has seen pictures before its last stage, or its head alone. */
export type PlanKind = "scratch" | "stage" | "head";

export interface Plan {
  readonly kind: PlanKind;
  readonly epochs: number;
  /** Which of the networks that are offered it begins with; absent: the one that is open. */
  readonly base: number | undefined;
}

export const usualEpochs: Readonly<Record<PlanKind, number>> = { scratch: 30, stage: 6, head: 20 };

/** Where a training is; errors in percent. */
export interface Progress {
  readonly epoch: number;
  readonly epochs: number;
  readonly step: number;
  readonly steps: number;
  readonly loss: number;
  readonly error: number;
  readonly imagesPerSecond: number;
  /** Of the epochs that are done, the last one's and the lowest. */
  readonly validationError: number | undefined;
  readonly lowestError: number | undefined;
}

/** Points from left to right, in epochs; `null` where one of the lines has none. */
export interface Curves {
  readonly epoch: readonly number[];
  readonly trainLoss: readonly (number | null)[];
  readonly validationLoss: readonly (number | null)[];
  readonly trainError: readonly (number | null)[];
  readonly validationError: readonly (number | null)[];
}

/** A training as it is seen. */
export interface Course {
  /** Absent of a run that was opened. */
  readonly progress: Progress | undefined;
  readonly curves: Curves;
}

/** A run that can go on, of this page or of Node's. */
export interface Resumable {
  /** Its `last.safetensors`. */
  readonly last: Blob;
  readonly finished: boolean;
  readonly epochs: number;
  /** How it keeps pictures back; absent: it is told which. */
  readonly heldBack: HeldBack | undefined;
}

/** @param config of the run */
export function resumable(config: unknown, finished: boolean, last: Blob): Resumable {
  const { epochs, valSplit, seed } = config as TrainedRun["config"];
  return { last, finished, epochs, heldBack: valSplit === null ? undefined : { valSplit, seed } };
}

/** The curves of a run that was opened: a point for each epoch. */
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
 * Where folders say what is to validate with, as they say it; else the run keeps some back, which `split` knows too.
 * @param by how the run keeps pictures back; absent: it has to be told which
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
  /** A run to go on with. */
  readonly from: Resumable | undefined;
  /** The network that learns further; absent: fresh weights. */
  readonly base: Network | undefined;
  readonly pictures: TrainingPictures;
  /** How many of them it learns from: without those that are kept back. */
  readonly learnt: number;
  readonly signal: AbortSignal;
  /** Of the run so far. */
  readonly curves: Curves | undefined;
  readonly onEngine: (engine: EngineFacts) => void;
  /** Where pictures are looked at before anything is learnt from them. */
  readonly onLook: (share: number) => void;
  readonly onProgress: (progress: Progress, curves: Curves) => void;
  /** Of a picture that cannot be decoded: `cat/001.jpg`. */
  readonly onFailure: (file: string, reason: string) => void;
  readonly onNotice: (text: string) => void;
}

/**
 * Trains to the end, or until the signal, which loses nothing. Before a last stage learns, the head does, on features: else
 * what a head at random says would spoil the stage.
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

/** What does not learn of the network that it begins with. */
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
    ...{ epochs: plan.epochs, batchSize, signal },
  };
  if (base === undefined) {
    // As `senet demo` does it, which is for pictures of few kinds too.
    const settings = { ...common, learningRate: 0.05, weightDecay: 5e-4, cropScale: 0.6 };
    return train(pictures, { ...engineRuntime(), ...settings, model: "se-resnet-20", imageSize: 32 });
  }
  return base.fineTune(pictures, { ...common, freeze: freeze ?? null });
}

/** Keeps what is shown of a training. */
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
    // An epoch ends where its last step does: one point with both.
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
