/** What one thread is asked for, picture by picture, and what it answers. All of it can be sent between threads. */

import type { LoadOptions } from "../api/network.node.ts";
import type { Prediction } from "../evaluate/classify.ts";
import type { ExplainMethod } from "../explain/explainer.ts";
import type { Region } from "../images/region.ts";
import type { Refusal } from "./refusal.ts";

/** An encoded picture, as it came. */
export interface SentPicture {
  /** As its sender calls it. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

export interface ExplainWork {
  readonly kind: "explain";
  readonly picture: SentPicture;
  readonly top: number;
  /** A label or an index; default: the answer. */
  readonly target: string | undefined;
  readonly method: ExplainMethod | undefined;
  readonly stage: number | undefined;
  /** Whether the picture under its map is wanted too. */
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
  /** Of the picture: what the map lies on. */
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

/** An answer, or why there is none: each picture has its own. */
export type Outcome<A = Answers[keyof Answers]> = { readonly answer: A } | { readonly refusal: Refusal };

/** Where a network is, and how it is opened. */
export interface ModelSource {
  readonly files: readonly string[];
  readonly options: Omit<LoadOptions, "pull">;
  /** Pictures that go through the network at once; `auto`: as many as a measurement shows a gain for. */
  readonly batch: number | "auto";
}

/** What is known of a network once it is open. */
export interface ModelFacts {
  /** Such as `se-resnet-50`. */
  readonly network: string;
  readonly labels: readonly string[];
  /** Of one input: `[C, S, S]`. */
  readonly input: readonly [number, number, number];
  /** All that was read: the files that were named, and what belongs to them. */
  readonly files: readonly string[];
  /** SHA-256 of them. */
  readonly hash: string;
  /** What they looked like. */
  readonly stamp: string;
  readonly executor: string;
  /** The same where a measurement has chosen it. */
  readonly chosen?: string;
  /** Why that executor; and how many pictures go at once. */
  readonly notes: readonly string[];
  readonly batch: number;
}

/** Who does the work: a thread, or in tests this one. Asked for several things at once, it does one after another. */
export interface Hand {
  /** @throws SenetError as `load` of the library */
  load(key: string, source: ModelSource): Promise<ModelFacts>;
  drop(key: string): Promise<void>;
  /** One outcome for each work. Rejects only where it is lost, or has a fault of its own. */
  answer(key: string, works: readonly Work[]): Promise<readonly Outcome[]>;
  close(): Promise<void>;
  /** Resolves when it has ended otherwise than by `close`. */
  readonly lost: Promise<Error>;
}
