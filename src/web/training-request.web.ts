/** Checks a page's training request and prepares it for the worker. */

import { SenetError } from "../errors.ts";
import { givenOptions } from "../options.ts";
import type { TrainingConfig } from "../train/config.ts";
import type { Given, NamedPicture } from "./calls.web.ts";
import { type EngineOptions, engineKinds, sentEngine } from "./engine-options.web.ts";
import { checkedOptions, isObject, type Kinds, wrong } from "./given.web.ts";
import { type PictureSource, type SentPictures, sentPictures } from "./sources.web.ts";

/** Pictures by class name. A run recognises its pictures by file names; pictures without names are numbered. */
export type ClassPictures = Readonly<Record<string, Iterable<PictureSource>>>;

export interface TrainingPictures {
  readonly train: ClassPictures;
  /** Validation pictures; default: a fifth of each class, or `valSplit`, is kept back. */
  readonly val?: ClassPictures;
}

/** How a run is carried out and reported. */
export interface RunningOptions {
  /**
   * Stops the run after the step under way, or within it if the engine can (plain JavaScript). The result then has
   * `finished: false` and can be resumed.
   */
  readonly signal?: AbortSignal;
  /**
   * The `last.safetensors` of a run to resume, from a tab or from Node. It keeps its configuration, except that
   * `epochs` may be raised.
   */
  readonly resume?: Blob;
  /** Resume even if the pictures have changed, as long as the classes are the same. */
  readonly acceptChanges?: boolean;
  /**
   * If `freeze` is `backbone`: compute the head's input for each picture first (as it is and, for few pictures, also
   * augmented: up to 8 views each, 480 in all) and train on that; default true.
   */
  readonly keepFeatures?: boolean;
  /** Interval of saves within long epochs; each epoch is also saved before and after its validation. */
  readonly saveEverySeconds?: number;
  /** Called with the run's `last.safetensors` whenever it is saved, to be stored where it survives a closed tab. */
  readonly onSave?: (last: Blob) => void;
}

const runningKinds = {
  signal: "signal",
  resume: "blob",
  acceptChanges: "boolean",
  keepFeatures: "boolean",
  saveEverySeconds: "number",
  onSave: "function",
} as const satisfies Kinds<RunningOptions>;

/** Keys of the training configuration, as in Node, and how to run it. */
export interface FineTuneOptions
  extends Partial<Omit<TrainingConfig, "model" | "weights" | "version">>,
    RunningOptions {}

export interface TrainOptions extends FineTuneOptions, EngineOptions {
  /** A model of the zoo; default: `se-resnet-18`. */
  readonly model?: string;
}

export interface TrainingRequest extends Pick<RunningOptions, "signal" | "onSave"> {
  readonly given: Given<"train">;
  /** Bitmaps to transfer to the worker. */
  readonly made: readonly ImageBitmap[];
}

/** @throws SenetError `usage`, also for values that are not pictures; `data` where an element shows nothing */
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
      train: train.byClass,
      val: val?.byClass,
      values,
      network,
      resume,
      acceptChanges,
      saveEverySeconds,
      keepFeatures,
      hasSaves: onSave !== undefined,
    },
    made: [...train.made, ...(val?.made ?? [])],
    ...(signal && { signal }),
    ...(onSave && { onSave }),
  };
}

/** Separates run options from keys of the configuration, which the worker checks. */
function divided(options: TrainOptions): { running: RunningOptions & EngineOptions; values: Record<string, unknown> } {
  const kinds = { ...engineKinds, ...runningKinds };
  const given = Object.entries(givenOptions(options));
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

/** Names the pictures of each class. @throws SenetError `usage` where two have the same name, or are not pictures */
async function named(given: TrainingPictures, part: "train" | "val"): Promise<NamedPictures> {
  const pictures: unknown = isObject(given) ? given[part] : undefined;
  if (!isObject(pictures) || Symbol.iterator in pictures) {
    throw wrong(
      part,
      "these are not pictures by class",
      "lists of pictures by class: { cat: [...], dog: [...] }",
      pictures,
    );
  }
  const made: ImageBitmap[] = [];
  const byClass: Record<string, readonly NamedPicture[]> = {};
  for (const [label, list] of Object.entries<Iterable<PictureSource>>(pictures as ClassPictures)) {
    if (!isObject(list) || !(Symbol.iterator in list))
      throw wrong(label, "this is not a list of pictures", "a list", list);
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
        hint: "{ name, picture } gives a picture a name",
      });
    }
    seen.add(name);
  }
}
