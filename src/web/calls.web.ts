/** The calls that a page can make to its worker, shared by both sides. */

import type { TrainingEvent } from "../api/training.ts";
import type { Prediction } from "../evaluate/classify.ts";
import type { EngineChoice, EngineFacts, RuntimeFiles } from "../executors/select.web.ts";
import type { ExplainerOptions, ExplainOptions, Explanation } from "../explain/explainer.ts";
import type { PictureGates } from "../explain/gates.ts";
import type { WeightFormat } from "../formats/formats.ts";
import type { Preprocessing } from "../images/preprocess.ts";
import type { Picture } from "../images/resize.ts";
import type { EpochMetrics } from "../train/state.ts";
import type { Model } from "../zoo/index.ts";

/** The source of a weight file: an address or a file if possible, so that bytes need not pass through the page. */
export type SentSource =
  | { readonly kind: "address"; readonly address: string }
  | { readonly kind: "blob"; readonly blob: Blob; readonly name: string };

/** The bytes of a JPEG, PNG or other picture file, pixels, or a canvas's image data. */
export type SentPicture = Blob | Uint8Array | Picture | ImageData | ImageBitmap;

/** The requested engine, and the addresses of its runtime. */
export interface SentEngine {
  readonly engine: EngineChoice;
  readonly threads: number | undefined;
  readonly runtime: RuntimeFiles | undefined;
}

/** Progress of `load`. */
export interface LoadProgress {
  /** `fetch`: downloading; `read`: reading from the cache or a file. */
  readonly phase: "fetch" | "read" | "open" | "measure";
  /** Bytes so far, in the first two phases. */
  readonly loaded: number;
  /** Total bytes, if known. */
  readonly total: number | undefined;
}

export interface OpenRequest extends SentEngine {
  readonly sources: readonly SentSource[];
  readonly model: string | undefined;
  readonly from: string | undefined;
  readonly labels: readonly string[] | undefined;
  readonly preprocessing: Partial<Preprocessing> | undefined;
  readonly cache: boolean;
}

/** Progress of a run in a file. */
export interface RunPosition {
  readonly config: unknown;
  readonly history: readonly EpochMetrics[];
  readonly finished: boolean;
}

/** A network in the worker. */
export interface NetworkReply {
  readonly network: number;
  readonly model: Model;
  readonly labels: readonly string[];
  readonly preprocessing: Preprocessing;
  readonly notes: readonly string[];
  readonly engine: EngineFacts;
  readonly format: WeightFormat;
  readonly run: RunPosition | undefined;
}

/** A picture with its name. */
export interface NamedPicture {
  readonly name: string;
  readonly picture: SentPicture;
}

export interface TrainRequest extends SentEngine {
  /** Pictures by class. */
  readonly train: Readonly<Record<string, readonly NamedPicture[]>>;
  readonly val: Readonly<Record<string, readonly NamedPicture[]>> | undefined;
  /** The given keys of the configuration. */
  readonly values: Readonly<Record<string, unknown>>;
  /** The network in this worker to fine-tune; undefined: fresh weights. */
  readonly network: number | undefined;
  /** The `last.safetensors` of a run to resume. */
  readonly resume: Blob | undefined;
  readonly acceptChanges: boolean;
  readonly keepFeatures: boolean;
  readonly saveEverySeconds: number | undefined;
  /** Whether the caller wants to be told of saves during the run. */
  readonly hasSaves: boolean;
}

export interface TrainReply {
  readonly network: NetworkReply;
  readonly config: unknown;
  readonly finished: boolean;
  readonly top1Error: number | null;
  readonly history: readonly EpochMetrics[];
  readonly best: Blob;
  readonly last: Blob;
}

/** Events of a run, including saves. */
export type TrainTold = TrainingEvent | { readonly kind: "saved"; readonly last: Blob };

/** For each call: its arguments, its result, and messages in between. */
export interface Calls {
  open: [given: OpenRequest, gives: NetworkReply, told: LoadProgress | { readonly note: string }];
  classify: [
    given: { network: number; pictures: readonly NamedPicture[]; top: number },
    gives: Prediction[][],
    told: never,
  ];
  features: [given: { network: number; pictures: readonly NamedPicture[] }, gives: Float32Array[], told: never];
  gates: [given: { network: number; picture: NamedPicture }, gives: readonly PictureGates[], told: never];
  explain: [
    given: {
      network: number;
      picture: NamedPicture;
      options: Omit<ExplainOptions, "signal"> & Omit<ExplainerOptions, "decode" | "threads">;
    },
    gives: Explanation,
    told: never,
  ];
  train: [given: TrainRequest, gives: TrainReply, told: TrainTold];
  save: [given: { network: number; format: "safetensors" | "onnx" }, gives: Blob, told: never];
  checkpoint: [given: { network: number }, gives: Blob, told: never];
  release: [given: { network: number }, gives: undefined, told: never];
}

export type CallName = keyof Calls;
export type Given<Name extends CallName> = Calls[Name][0];
export type Gives<Name extends CallName> = Calls[Name][1];
export type Told<Name extends CallName> = Calls[Name][2];
