/** A training as a page asks for it, checked and made ready to go to the worker. */

import { SenetError } from "../errors.ts";
import type { TrainingConfig } from "../train/config.ts";
import type { Given, NamedPicture } from "./calls.web.ts";
import { type EngineOptions, engineKinds, sentEngine } from "./engine-options.web.ts";
import { checkedOptions, isObject, type Kinds, wrong } from "./given.web.ts";
import { type PictureSource, type SentPictures, sentPictures } from "./sources.web.ts";

/** Pictures by the name of their class. Files have names, by which a run knows its pictures again; others are numbered. */
export type ClassPictures = Readonly<Record<string, Iterable<PictureSource>>>;

export interface TrainingPictures {
  readonly train: ClassPictures;
  /** To validate with; without it a fifth of each class is kept back, or as much as `valSplit` says. */
  readonly val?: ClassPictures;
}

/** How a run is to go on, and what is to be told of it. */
export interface RunningOptions {
  /** Ends it after the step under way, or within it where the engine can (plain JavaScript); what it gives then is not `finished`, and can be resumed. */
  readonly signal?: AbortSignal;
  /** A run to go on with: its `last.safetensors`, of the tab or of Node. It keeps its configuration; `epochs` may be raised. */
  readonly resume?: Blob;
  /** Go on also with other pictures of the same classes than the run had. */
  readonly acceptChanges?: boolean;
  /**
   * Where `freeze` is `backbone`: compute first what the head sees of each picture, as it is and, of few pictures, as
   * augmentation shows it (480 looks in all, eight at most of a picture), and train on that; default true.
   */
  readonly keepFeatures?: boolean;
  /** How often a long epoch is saved meanwhile; each epoch is, before and after its validation. */
  readonly saveEverySeconds?: number;
  /** Given the run's `last.safetensors` whenever it is saved: to be kept where a closed tab does not lose it. */
  readonly onSave?: (last: Blob) => void;
}

const runningKinds = {
  ...{ signal: "signal", resume: "blob", acceptChanges: "boolean", keepFeatures: "boolean" },
  ...{ saveEverySeconds: "number", onSave: "function" },
} as const satisfies Kinds<RunningOptions>;

/** Keys of a training's configuration, as in Node, and how it is to run. */
export interface FineTuneOptions
  extends Partial<Omit<TrainingConfig, "model" | "weights" | "version">>,
    RunningOptions {}

export interface TrainOptions extends FineTuneOptions, EngineOptions {
  /** A model of the zoo; default: `se-resnet-18`. */
  readonly model?: string;
}

export interface TrainingRequest extends Pick<RunningOptions, "signal" | "onSave"> {
  readonly given: Given<"train">;
  /** What goes over to the worker, rather than a copy. */
  readonly made: readonly ImageBitmap[];
}

/** @throws SenetError `usage`, also for pictures that are none; `data` where one shows nothing */
export async function trainingRequest(
  pictures: TrainingPictures,
  options: TrainOptions & { readonly network?: number },
): Promise<TrainingRequest> {
  const { network, ...others } = options;
  const { running, values } = divided(others);
  const { signal, resume, acceptChanges = false, onSave, saveEverySeconds, keepFeatures = true } = running;
  const [train, val] = [await named(pictures, "train"), pictures.val && (await named(pictures, "val"))];
  return {
    given: {
      ...sentEngine(running),
      ...{ train: train.byClass, val: val?.byClass, values },
      ...{ network, resume, acceptChanges, saveEverySeconds, keepFeatures },
      hasSaves: onSave !== undefined,
    },
    made: [...train.made, ...(val?.made ?? [])],
    ...(signal && { signal }),
    ...(onSave && { onSave }),
  };
}

/** Which options are for the run, and which are keys of its configuration, which the worker checks. */
function divided(options: TrainOptions): { running: RunningOptions & EngineOptions; values: Record<string, unknown> } {
  const kinds = { ...engineKinds, ...runningKinds };
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  const isOfRun = ([key]: readonly [string, unknown]) => key in kinds;
  const running = checkedOptions<RunningOptions & EngineOptions>(
    Object.fromEntries(given.filter(isOfRun)),
    kinds,
    "train",
  );
  return { running, values: Object.fromEntries(given.filter((entry) => !isOfRun(entry))) };
}

interface NamedPictures {
  readonly byClass: Readonly<Record<string, readonly NamedPicture[]>>;
  readonly made: SentPictures["made"];
}

/** Names tell the pictures of a class apart. @throws SenetError `usage` where two have the same, or they are no pictures */
async function named(given: TrainingPictures, part: "train" | "val"): Promise<NamedPictures> {
  const pictures: unknown = isObject(given) ? given[part] : undefined;
  if (!isObject(pictures) || Symbol.iterator in pictures) {
    throw wrong(
      part,
      "these are no pictures of classes",
      "lists of pictures by class: { cat: [...], dog: [...] }",
      pictures,
    );
  }
  const made: ImageBitmap[] = [];
  const byClass: Record<string, readonly NamedPicture[]> = {};
  for (const [label, list] of Object.entries<Iterable<PictureSource>>(pictures as ClassPictures)) {
    if (!isObject(list) || !(Symbol.iterator in list))
      throw wrong(label, "this is no list of pictures", "a list", list);
    const sent = await sentPictures(list, (place) => `${String(place + 1).padStart(4, "0")}.png`);
    checkNames(label, sent.pictures);
    byClass[label] = sent.pictures;
    made.push(...sent.made);
  }
  return { byClass, made };
}

function checkNames(label: string, pictures: readonly NamedPicture[]): void {
  const seen = new Set<string>();
  for (const { name } of pictures) {
    if (seen.has(name)) {
      throw new SenetError("usage", "two pictures of a class have one name", {
        where: label,
        found: name,
        hint: "{ name, picture } gives a picture a name of its own",
      });
    }
    seen.add(name);
  }
}
