/** Requests to a thread, picture by picture, and its answers. All of it can be sent between threads. */

import type { LoadOptions } from "../api/open-network.node.ts";
import type { Prediction } from "../evaluate/classify.ts";
import type { ExplainMethod } from "../explain/explainer.ts";
import type { Region } from "../images/region.ts";
import type { Refusal } from "./refusal.ts";

/** An encoded picture as received. */
export interface SentPicture {
  /** The client's name for it. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

export interface ExplainWork {
  readonly kind: "explain";
  readonly picture: SentPicture;
  readonly top: number;
  /** A label or an index; default: the top class. */
  readonly target: string | undefined;
  readonly method: ExplainMethod | undefined;
  readonly stage: number | undefined;
  /** Whether to also return the picture with the map over it. */
  readonly overlay: boolean;
}

export type Work =
  | { readonly kind: "classify"; readonly picture: SentPicture; readonly top: number }
  | { readonly kind: "features"; readonly picture: SentPicture }
  | ExplainWork
  /** `image [C · S · S]`, as the network takes it. */
  | { readonly kind: "infer"; readonly image: Float32Array };

export interface Explained {
  readonly predictions: readonly Prediction[];
  readonly target: Prediction;
  readonly heat: { readonly width: number; readonly height: number; readonly values: Float32Array };
  /** The part of the picture that the map covers. */
  readonly region: Region;
  /** A PNG. */
  readonly overlay: Uint8Array | undefined;
}

export interface Answers {
  readonly classify: readonly Prediction[];
  readonly features: Float32Array;
  readonly explain: Explained;
  /** The logits. */
  readonly infer: Float32Array;
}

export type WorkOf<K extends keyof Answers> = Extract<Work, { readonly kind: K }>;

/** The answer for one picture, or why there is none. */
export type Outcome<A = Answers[keyof Answers]> = { readonly answer: A } | { readonly refusal: Refusal };

/** A network's files, and how to open them. */
export interface ModelSource {
  readonly files: readonly string[];
  readonly options: Omit<LoadOptions, "pull">;
  /** Batch size; `auto`: the best one measured. */
  readonly batch: number | "auto";
}

/** Facts about an open network. */
export interface ModelFacts {
  /** Name of the network, such as `se-resnet-50`. */
  readonly network: string;
  readonly labels: readonly string[];
  /** Shape of one picture: `[C, S, S]`. */
  readonly input: readonly [number, number, number];
  /** All files read: those given, and those that belong to them. */
  readonly files: readonly string[];
  /** SHA-256 of the files. */
  readonly hash: string;
  /** Stamp of the files. */
  readonly stamp: string;
  readonly executor: string;
  /** Executor chosen by a measurement, if any. */
  readonly chosen?: string;
  /** Why that executor and batch size were chosen. */
  readonly notes: readonly string[];
  readonly batch: number;
}

/** A worker: a thread, or in tests this one. Overlapping requests are handled one after another. */
export interface Hand {
  /** @throws SenetError as `load` of the library */
  load(key: string, source: ModelSource): Promise<ModelFacts>;
  drop(key: string): Promise<void>;
  /** One outcome per work item. Rejects only if the worker is lost or has a fault of its own. */
  answer(key: string, works: readonly Work[]): Promise<readonly Outcome[]>;
  close(): Promise<void>;
  /** Resolves if it ends other than by `close`. */
  readonly lost: Promise<Error>;
}
