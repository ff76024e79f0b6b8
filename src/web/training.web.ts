/** Training in a page: awaited, or followed event by event, while the worker computes. */

import { Training } from "../api/training.ts";
import { SenetError } from "../errors.ts";
import type { TrainingConfig } from "../train/config.ts";
import type { EpochMetrics } from "../train/state.ts";
import type { NamedPicture, NetworkReply } from "./calls.web.ts";
import type { Connection } from "./connection.web.ts";
import { type EngineOptions, sentEngine } from "./engine-options.web.ts";
import { namedPicture, type PictureSource } from "./sources.web.ts";

/** Pictures by the name of their class. Files have names, by which a run knows its pictures again; others are numbered. */
export type ClassPictures = Readonly<Record<string, readonly PictureSource[]>>;

export interface TrainingPictures {
  readonly train: ClassPictures;
  /** To validate with; without it a fifth of each class is kept back, or as much as `valSplit` says. */
  readonly val?: ClassPictures;
}

/** How a run is to go on, and what is to be told of it. */
export interface RunningOptions {
  /** Ends it after the step under way; what it gives then is not `finished`, and can be resumed. */
  readonly signal?: AbortSignal;
  /** A run to go on with: its `last.safetensors`, of the tab or of Node. It keeps its configuration; `epochs` may be raised. */
  readonly resume?: Blob;
  /** Go on also with other pictures of the same classes than the run had. */
  readonly acceptChanges?: boolean;
  /** Where `freeze` is `backbone`: compute what the head sees of each picture once, unchanged, and train on that; default true. */
  readonly keepFeatures?: boolean;
  /** How often a long epoch is saved meanwhile; each epoch is, before and after its validation. */
  readonly saveEverySeconds?: number;
  /** Given the run's `last.safetensors` whenever it is saved: to be kept where a closed tab does not lose it. */
  readonly onSave?: (last: Blob) => void;
}

/** Keys of a training's configuration, as in Node, and how it is to run. */
export interface FineTuneOptions
  extends Partial<Omit<TrainingConfig, "model" | "weights" | "version">>,
    RunningOptions {}

export interface TrainOptions extends FineTuneOptions, EngineOptions {
  /** A model of the zoo; default: `se-resnet-18`. */
  readonly model?: string;
}

/** A run that has come to its end, or was stopped. */
export interface Run<Network> {
  /** With the weights that validated best; with those of now where none did since the run was begun or resumed. */
  readonly network: Network;
  /** Its weights as a file. */
  readonly best: Blob;
  /** The run as it is now, with all that `resume` wants. */
  readonly last: Blob;
  readonly config: TrainingConfig;
  /** False where it was stopped. */
  readonly finished: boolean;
  /** Lowest top-1 error in percent; `null` where nothing was validated. */
  readonly top1Error: number | null;
  /** A row for each epoch. */
  readonly history: readonly EpochMetrics[];
}

/**
 * @param connection is let go of in the end
 * @param open makes the network that came out, before that
 */
export function begun<Network>(
  connection: Connection,
  pictures: TrainingPictures,
  options: TrainOptions & { readonly network?: number },
  open: (reply: NetworkReply) => Network,
): Training<Run<Network>> {
  return new Training(async (tell, stopping) => {
    const { signal, resume, acceptChanges = false, onSave, saveEverySeconds, network, ...rest } = options;
    const { engine, threads, runtime, worker: _, keepFeatures = true, ...values } = rest;
    try {
      const reply = await connection.call(
        "train",
        {
          ...sentEngine({ engine, threads, runtime }),
          train: named(pictures.train),
          val: pictures.val && named(pictures.val),
          values: Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)),
          ...{ network, resume, acceptChanges, saveEverySeconds, keepFeatures },
          hasSaves: onSave !== undefined,
        },
        {
          stop: signal === undefined ? stopping : AbortSignal.any([signal, stopping]),
          onTold: (told) => (told.kind === "saved" ? onSave?.(told.last) : tell(told)),
        },
      );
      return { ...reply, config: reply.config as TrainingConfig, network: open(reply.network) };
    } finally {
      connection.release();
    }
  });
}

/** Names tell the pictures of a class apart. @throws SenetError `usage` where two have the same */
function named(pictures: ClassPictures): Record<string, readonly NamedPicture[]> {
  return Object.fromEntries(
    Object.entries(pictures).map(([label, list]) => {
      const all = list.map((picture, i) => namedPicture(picture, `${String(i + 1).padStart(4, "0")}.png`));
      const names = new Set(all.map(({ name }) => name));
      if (names.size === all.length) return [label, all];
      const twin = all.find(({ name }, i) => all.findIndex((other) => other.name === name) !== i)!;
      throw new SenetError("usage", "two pictures of a class have one name", {
        where: label,
        found: twin.name,
        hint: "{ name, picture } gives a picture a name of its own",
      });
    }),
  );
}
