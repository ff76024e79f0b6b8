/** A network in a page: opened, asked and trained in a worker, so that the page never waits. */

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
  /** The zoo model that the weights are of; default: the one that fits. */
  readonly model?: string;
  /** Whose names the file has; default: it shows. */
  readonly from?: string;
  /** Class names, by index; default: the file's own, ImageNet's for 1,000 classes, else numbers. */
  readonly labels?: readonly string[];
  /** In the place of what the weights say of it. */
  readonly preprocessing?: Partial<Preprocessing>;
  /** Whether files from addresses are kept in the browser (OPFS) for the next visit; default true. */
  readonly cache?: boolean;
  readonly onProgress?: (progress: LoadProgress) => void;
  /** Told, in a line, what one should know: that the cache is full, what was guessed in opening the file. */
  readonly onNotice?: (notice: string) => void;
  readonly signal?: AbortSignal;
}

const loadKinds = {
  ...engineKinds,
  ...{ model: "text", from: "text", labels: "texts", preprocessing: "object", cache: "boolean" },
  ...{ onProgress: "function", onNotice: "function", signal: "signal" },
} as const satisfies Kinds<LoadOptions>;

export interface AskOptions {
  /** Rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

const askKinds = { signal: "signal" } as const satisfies Kinds<AskOptions>;

export interface ClassifyOptions extends AskOptions {
  /** How many classes to name, most probable first; default 5. */
  readonly top?: number;
}

export interface ExplainPictureOptions
  extends AskOptions,
    Omit<ExplainOptions, "signal">,
    Omit<ExplainerOptions, "decode" | "threads"> {}

const explainKinds = {
  ...{ ...askKinds, target: "any", top: "number", method: "text" },
  ...{ stage: "number", steps: "number", patch: "number", stride: "number" },
} as const satisfies Kinds<ExplainPictureOptions>;

/**
 * The network in a weight file, or in several files that make one (a prototxt and its caffemodel): safetensors, PyTorch,
 * Caffe, ONNX and what else `openFiles` reads.
 * @throws SenetError (as a rejection) `io` where an address gives no file; `weights` where the file is damaged, in no
 * supported format or of no network that is known; `usage`; `executor` where the engine that was asked for is not to be had
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

/** Several pictures: a list, or what an `<input type="file">` has. */
export type PictureList = readonly PictureSource[] | FileList;

/** `load` makes networks, and training; nobody else can. */
let networkOf: (connection: Connection, reply: NetworkReply) => Network;

/** Many things may be asked of it at once; its worker does them one after another. */
export class Network implements AsyncDisposable {
  readonly model: Model;
  /** Class names, by index. */
  readonly labels: readonly string[];
  readonly preprocessing: Preprocessing;
  /** The format of the file that it was opened from. */
  readonly format: WeightFormat;
  /** What was guessed or chosen in opening it: a line each. */
  readonly notes: readonly string[];
  /** What computes here, and why. */
  readonly engine: EngineFacts;
  /** Of a file that holds a whole run: what was trained, and how far it came. */
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
   * What the classifier sees of a picture, or of each of several: pictures that look alike to the network are near each
   * other. As many numbers as its last layer has inputs.
   * @throws SenetError `data` where a picture cannot be decoded, `usage` for a network whose classifier is not known
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

  /** What the gates of each block answer to a picture; empty for a network without. */
  async gates(given: PictureSource, options: AskOptions = {}): Promise<readonly PictureGates[]> {
    const { signal } = checkedOptions(options, askKinds, "gates");
    const network = this.#id;
    return this.#show("gates", [given], signal, ([picture]) => ({ network, picture: picture! }));
  }

  /**
   * What in a picture speaks for a class: by default where the channels are active that raise the answer's logit (Grad-CAM).
   * @throws SenetError `data` where the picture cannot be decoded, `usage` where the class or the stage is not known
   */
  async explain(given: PictureSource, options: ExplainPictureOptions = {}): Promise<Explanation> {
    const { signal, ...how } = checkedOptions(options, explainKinds, "explain");
    const network = this.#id;
    return this.#show("explain", [given], signal, ([picture]) => ({ network, picture: picture!, options: how }));
  }

  /**
   * Trains this network further on pictures of the same or of other classes: what comes out is another network, and this
   * one stays as it is. `freeze` says what does not learn: `backbone` trains the head alone, on features that are computed
   * once; `stage3` the last stage and the head.
   */
  fineTune(pictures: TrainingPictures, options: FineTuneOptions = {}): TabTraining {
    this.#check();
    const connection = this.#connection.hold();
    return begun(connection, pictures, { ...options, network: this.#id }, opened(connection));
  }

  /** As a weight file: our own, which Node's `load` opens, or ONNX, for batches of any size. */
  async save(format: "safetensors" | "onnx" = "safetensors", options: AskOptions = {}): Promise<Blob> {
    const { signal } = checkedOptions(options, askKinds, "save");
    if (format !== "safetensors" && format !== "onnx") {
      throw wrong("save", "weights are not written in this format", "safetensors or onnx", format);
    }
    return this.#call("save", { network: this.#id, format }, { signal });
  }

  /**
   * All that a run wants to go on, as its `last.safetensors` (`train` with `resume`; `senet train --resume` in Node).
   * @throws SenetError `usage` for a network that did not come out of a run
   */
  async checkpoint(options: AskOptions = {}): Promise<Blob> {
    const { signal } = checkedOptions(options, askKinds, "checkpoint");
    return this.#call("checkpoint", { network: this.#id }, { signal });
  }

  /** Gives its memory back; the last network of a worker ends it. What is under way is refused. A second time is fine. */
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

  /** Asks about pictures. Bytes go as they are at this moment: the page may write over them in the next. */
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

/** Awaited it gives the run's end; `for await` gives its events, and leaving that loop early stops the run. */
export type TabTraining = Training<TrainedRun>;

/** A run that has come to its end, or was stopped, with the weights that validated best as its network. */
export type TrainedRun = Run<Network>;

/**
 * Trains a network in this tab, by the graph, the recipe, the random numbers and the files that Node has: what was begun
 * here goes on there, and the other way round.
 * @throws SenetError (as a rejection) `data`, `usage`, `weights`, `training` or `executor`
 */
export function train(pictures: TrainingPictures, options: TrainOptions = {}): TabTraining {
  // `null` is as good as nothing here, too.
  const connection = new Connection(options?.worker);
  return begun(connection, pictures, { ...options }, opened(connection));
}

const opened = (connection: Connection) => (reply: NetworkReply) => networkOf(connection.hold(), reply);

const isList = <T>(given: T | readonly T[] | FileList): given is readonly T[] | FileList =>
  Array.isArray(given) || given instanceof FileList;
