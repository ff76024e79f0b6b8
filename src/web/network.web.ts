/** Networks in a page: opened, run and trained in a worker, so that the page never blocks. */

import type { Training } from "../api/training.ts";
import { asyncDispose } from "../disposal.ts";
import { SenetError } from "../errors.ts";
import type { Prediction } from "../evaluate/classify.ts";
import type { EngineFacts } from "../executors/select.web.ts";
import type { ExplainerOptions, ExplainOptions, Explanation } from "../explain/explainer.ts";
import type { PictureGates } from "../explain/gates.ts";
import type { WeightFormat } from "../formats/formats.ts";
import type { Preprocessing } from "../images/preprocess.ts";
import type { Model } from "../zoo/index.ts";
import type { CallName, Given, Gives, LoadProgress, NamedPicture, NetworkReply, RunPosition } from "./calls.web.ts";
import { type CallOptions, Connection } from "./connection.web.ts";
import { type EngineOptions, engineKinds, sentEngine } from "./engine-options.web.ts";
import { checkedOptions, type Kinds, wrong } from "./given.web.ts";
import { type PictureSource, sentPictures, sentSource, type WeightSource } from "./sources.web.ts";
import { begun, type Run } from "./training.web.ts";
import type { FineTuneOptions, TrainingPictures, TrainOptions } from "./training-request.web.ts";

export interface LoadOptions extends EngineOptions {
  /** The zoo model of the weights; default: the one that fits. */
  readonly model?: string;
  /** The naming of the file; default: detected. */
  readonly from?: string;
  /** Class names by index; default: the file's own, or ImageNet's for 1,000 classes, or numbers. */
  readonly labels?: readonly string[];
  /** Overrides the pre-processing that comes with the weights, key by key. */
  readonly preprocessing?: Partial<Preprocessing>;
  /** Whether to keep downloaded files in the browser (OPFS) for the next visit; default true. */
  readonly cache?: boolean;
  readonly onProgress?: (progress: LoadProgress) => void;
  /** Is told remarks, one line each: that the cache is full, or what was guessed while opening the file. */
  readonly onNotice?: (notice: string) => void;
  readonly signal?: AbortSignal;
}

const loadKinds = {
  ...engineKinds,
  model: "text",
  from: "text",
  labels: "texts",
  preprocessing: "object",
  cache: "boolean",
  onProgress: "function",
  onNotice: "function",
  signal: "signal",
} as const satisfies Kinds<LoadOptions>;

export interface AskOptions {
  /** Rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

const askKinds = { signal: "signal" } as const satisfies Kinds<AskOptions>;

export interface ClassifyOptions extends AskOptions {
  /** Number of classes to return, most probable first; default 5. */
  readonly top?: number;
}

export interface ExplainPictureOptions
  extends AskOptions,
    Omit<ExplainOptions, "signal">,
    Omit<ExplainerOptions, "decode" | "threads"> {}

const explainKinds = {
  ...askKinds,
  target: "any",
  top: "number",
  method: "text",
  stage: "number",
  steps: "number",
  patch: "number",
  stride: "number",
} as const satisfies Kinds<ExplainPictureOptions>;

/**
 * Opens the network in a weight file, or in several files that make one (a prototxt and its caffemodel): safetensors,
 * PyTorch, Caffe, ONNX, and the other formats of `openFiles`.
 * @throws SenetError (as a rejection) `io` where an address gives no file; `weights` where the file is damaged, in no
 * supported format or of an unknown network; `usage`; `executor` where the requested engine is not available
 */
export async function load(
  source: WeightSource | readonly WeightSource[] | FileList,
  given: LoadOptions = {},
): Promise<Network> {
  const options = checkedOptions(given, loadKinds, "load");
  const { model, from, labels, preprocessing, cache = true, onProgress, onNotice, signal } = options;
  signal?.throwIfAborted();
  const list = isList(source) ? [...source] : [source];
  if (list.length === 0) throw wrong("load", "there is nothing to load", "an address, a File or bytes", source);
  const engine = sentEngine(options);
  const sources = await Promise.all(list.map(sentSource));
  const connection = new Connection(options.worker);
  try {
    const reply = await connection.call(
      "open",
      { sources, model, from, labels, preprocessing, cache, ...engine },
      {
        signal,
        onTold: (told) => ("note" in told ? onNotice?.(told.note) : onProgress?.(told)),
      },
    );
    for (const note of reply.notes) onNotice?.(note);
    return networkOf(connection, reply);
  } catch (error) {
    connection.release();
    throw error;
  }
}

/** Several pictures: a list, or the files of an `<input type="file">`. */
export type PictureList = readonly PictureSource[] | FileList;

/** Creates networks; only used by `load` and training. */
let networkOf: (connection: Connection, reply: NetworkReply) => Network;

/** A network in a page's worker. Calls may overlap; the worker executes them one after another. */
export class Network implements AsyncDisposable {
  readonly model: Model;
  /** Class names, by index. */
  readonly labels: readonly string[];
  readonly preprocessing: Preprocessing;
  /** Format of the file it was opened from. */
  readonly format: WeightFormat;
  /** What was guessed or chosen while opening it, one line each. */
  readonly notes: readonly string[];
  /** The engine used, and why. */
  readonly engine: EngineFacts;
  /** Progress of the run, if it was opened from a run's file. */
  readonly run: RunPosition | undefined;
  readonly #connection: Connection;
  readonly #id: number;
  #isDisposed = false;

  static {
    networkOf = (connection, reply) => new Network(connection, reply);
  }

  private constructor(connection: Connection, reply: NetworkReply) {
    this.model = reply.model;
    this.labels = reply.labels;
    this.preprocessing = reply.preprocessing;
    this.format = reply.format;
    this.notes = reply.notes;
    this.engine = reply.engine;
    this.run = reply.run;
    this.#connection = connection;
    this.#id = reply.network;
  }

  /**
   * The most probable classes of a picture, or of each of several.
   * @throws SenetError `data` where a picture cannot be decoded
   */
  classify(picture: PictureSource, options?: ClassifyOptions): Promise<readonly Prediction[]>;
  classify(pictures: PictureList, options?: ClassifyOptions): Promise<readonly (readonly Prediction[])[]>;
  async classify(
    given: PictureSource | PictureList,
    options: ClassifyOptions = {},
  ): Promise<readonly Prediction[] | readonly (readonly Prediction[])[]> {
    const { top = 5, signal } = checkedOptions(options, { ...askKinds, top: "number" }, "classify");
    const network = this.#id;
    const all = await this.#show("classify", given, signal, (pictures) => ({ network, pictures, top }));
    return isList(given) ? all : all[0]!;
  }

  /**
   * The features that the classifier gets for a picture, or for each of several: pictures that look alike to the
   * network are close to each other. As many numbers as the last layer has inputs.
   * @throws SenetError `data` where a picture cannot be decoded; `usage` for a network whose classifier is not known
   */
  features(picture: PictureSource, options?: AskOptions): Promise<Float32Array>;
  features(pictures: PictureList, options?: AskOptions): Promise<readonly Float32Array[]>;
  async features(
    given: PictureSource | PictureList,
    options: AskOptions = {},
  ): Promise<Float32Array | readonly Float32Array[]> {
    const { signal } = checkedOptions(options, askKinds, "features");
    const network = this.#id;
    const all = await this.#show("features", given, signal, (pictures) => ({ network, pictures }));
    return isList(given) ? all : all[0]!;
  }

  /** The gates of each block for one picture; empty for a network without gates. */
  async gates(given: PictureSource, options: AskOptions = {}): Promise<readonly PictureGates[]> {
    const { signal } = checkedOptions(options, askKinds, "gates");
    const network = this.#id;
    return this.#show("gates", [given], signal, ([picture]) => ({ network, picture: picture! }));
  }

  /**
   * Shows what in a picture speaks for a class; by default with Grad-CAM: where the channels are active that raise the
   * top class's logit.
   * @throws SenetError `data` where the picture cannot be decoded; `usage` where the class or the stage is unknown
   */
  async explain(given: PictureSource, options: ExplainPictureOptions = {}): Promise<Explanation> {
    const { signal, ...how } = checkedOptions(options, explainKinds, "explain");
    const network = this.#id;
    return this.#show("explain", [given], signal, ([picture]) => ({ network, picture: picture!, options: how }));
  }

  /**
   * Fine-tunes this network on pictures of the same or other classes. The result is a new network; this one does not
   * change. `freeze` says what does not learn: with `backbone` only the head learns, on features computed once; with
   * `stage3` the last stage and the head.
   */
  fineTune(pictures: TrainingPictures, options: FineTuneOptions = {}): TabTraining {
    this.#check();
    const connection = this.#connection.hold();
    return begun(connection, pictures, { ...options, network: this.#id }, opened(connection));
  }

  /** The network as a weight file: our own format, which Node's `load` opens, or ONNX for batches of any size. */
  async save(format: "safetensors" | "onnx" = "safetensors", options: AskOptions = {}): Promise<Blob> {
    const { signal } = checkedOptions(options, askKinds, "save");
    if (format !== "safetensors" && format !== "onnx") {
      throw wrong("save", "weights are not written in this format", "safetensors or onnx", format);
    }
    return this.#call("save", { network: this.#id, format }, { signal });
  }

  /**
   * Everything needed to resume its run, as `last.safetensors` (`train` with `resume`; `senet train --resume` in Node).
   * @throws SenetError `usage` for a network that does not come from a run
   */
  async checkpoint(options: AskOptions = {}): Promise<Blob> {
    const { signal } = checkedOptions(options, askKinds, "checkpoint");
    return this.#call("checkpoint", { network: this.#id }, { signal });
  }

  /**
   * Frees its memory; the last network of a worker ends the worker. Calls under way are rejected. May be called twice.
   */
  async dispose(): Promise<void> {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    const connection = this.#connection;
    try {
      if (!connection.isLast) await connection.call("release", { network: this.#id });
    } finally {
      connection.release();
    }
  }

  [asyncDispose](): Promise<void> {
    return this.dispose();
  }

  /** Makes a call about pictures. Bytes are copied at once, so the page may change them afterwards. */
  async #show<Name extends CallName>(
    name: Name,
    given: PictureSource | PictureList,
    signal: AbortSignal | undefined,
    asked: (pictures: readonly NamedPicture[]) => Given<Name>,
  ): Promise<Gives<Name>> {
    this.#check();
    signal?.throwIfAborted();
    const sending = sentPictures(isList(given) ? given : [given]);
    const { pictures, made } = sending instanceof Promise ? await sending : sending;
    return this.#call(name, asked(pictures), { signal, transfer: made });
  }

  async #call<Name extends CallName>(name: Name, given: Given<Name>, options: CallOptions<Name>): Promise<Gives<Name>> {
    this.#check();
    return this.#connection.call(name, given, options);
  }

  #check(): void {
    if (!this.#isDisposed) return;
    throw new SenetError("executor", "it was disposed of and cannot run", { where: this.model.name });
  }
}

/**
 * A running training. `await` gives its result; `for await` gives its events, and leaving that loop early stops the
 * run.
 */
export type TabTraining = Training<TrainedRun>;

/** A run that has finished or was stopped; its network has the weights that validated best. */
export type TrainedRun = Run<Network>;

/**
 * Trains a network in this tab, with the same graph, recipes, random numbers and files as in Node: a run started here
 * can be resumed there, and the other way round.
 * @throws SenetError (as a rejection) `data`, `usage`, `weights`, `training` or `executor`
 */
export function train(pictures: TrainingPictures, options: TrainOptions = {}): TabTraining {
  // `null` counts as no options here, too.
  const connection = new Connection(options?.worker);
  return begun(connection, pictures, { ...options }, opened(connection));
}

const opened = (connection: Connection) => (reply: NetworkReply) => networkOf(connection.hold(), reply);

const isList = <T>(given: T | readonly T[] | FileList): given is readonly T[] | FileList =>
  Array.isArray(given) || given instanceof FileList;
