/** A network in a page: opened, asked and trained in a worker, so that the page never waits. */

import type { Training } from "../api/training.ts";
import { SenetError } from "../errors.ts";
import type { Prediction } from "../evaluate/classify.ts";
import type { EngineFacts } from "../executors/select.web.ts";
import type { ExplainerOptions, ExplainOptions, Explanation } from "../explain/explainer.ts";
import type { PictureGates } from "../explain/gates.ts";
import type { WeightFormat } from "../formats/formats.ts";
import type { Preprocessing } from "../images/preprocess.ts";
import type { Model } from "../zoo/index.ts";
import type { CallName, Given, Gives, LoadProgress, NetworkReply, RunPosition } from "./calls.web.ts";
import { type CallOptions, Connection } from "./connection.web.ts";
import { type EngineOptions, sentEngine } from "./engine-options.web.ts";
import { namedPicture, type PictureSource, sentSource, type WeightSource } from "./sources.web.ts";
import { begun, type FineTuneOptions, type Run, type TrainingPictures, type TrainOptions } from "./training.web.ts";

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

export interface AskOptions {
  /** Rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

export interface ClassifyOptions extends AskOptions {
  /** How many classes to name, most probable first; default 5. */
  readonly top?: number;
}

export interface ExplainPictureOptions
  extends AskOptions,
    ExplainOptions,
    Omit<ExplainerOptions, "decode" | "threads"> {}

/**
 * The network in a weight file, or in several files that make one (a prototxt and its caffemodel): safetensors, PyTorch,
 * Caffe, ONNX and what else `openFiles` reads.
 * @throws SenetError (as a rejection) `io` where an address gives no file; `weights` where the file is damaged, in no
 * supported format or of no network that is known; `usage`; `executor` where the engine that was asked for is not to be had
 */
export async function load(
  source: WeightSource | readonly WeightSource[],
  options: LoadOptions = {},
): Promise<Network> {
  const { model, from, labels, preprocessing, cache = true, onProgress, onNotice, signal } = options;
  signal?.throwIfAborted();
  const sources = (Array.isArray(source) ? source : [source]).map(sentSource);
  const connection = new Connection(options.worker);
  try {
    const reply = await connection.call(
      "open",
      { sources, model, from, labels, preprocessing, cache, ...sentEngine(options) },
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
  classify(pictures: readonly PictureSource[], options?: ClassifyOptions): Promise<readonly (readonly Prediction[])[]>;
  async classify(
    pictures: PictureSource | readonly PictureSource[],
    { top = 5, signal }: ClassifyOptions = {},
  ): Promise<readonly Prediction[] | readonly (readonly Prediction[])[]> {
    const list = isList(pictures) ? pictures : [pictures];
    const named = list.map((picture) => namedPicture(picture));
    const all = await this.#call("classify", { network: this.#id, pictures: named, top }, { signal });
    return isList(pictures) ? all : all[0]!;
  }

  /**
   * What the classifier sees of a picture, or of each of several: pictures that look alike to the network are near each
   * other. As many numbers as its last layer has inputs.
   * @throws SenetError `data` where a picture cannot be decoded, `usage` for a network whose classifier is not known
   */
  features(picture: PictureSource, options?: AskOptions): Promise<Float32Array>;
  features(pictures: readonly PictureSource[], options?: AskOptions): Promise<readonly Float32Array[]>;
  async features(
    pictures: PictureSource | readonly PictureSource[],
    { signal }: AskOptions = {},
  ): Promise<Float32Array | readonly Float32Array[]> {
    const list = isList(pictures) ? pictures : [pictures];
    const named = list.map((picture) => namedPicture(picture));
    const all = await this.#call("features", { network: this.#id, pictures: named }, { signal });
    return isList(pictures) ? all : all[0]!;
  }

  /** What the gates of each block answer to a picture; empty for a network without. */
  gates(picture: PictureSource, { signal }: AskOptions = {}): Promise<readonly PictureGates[]> {
    return this.#call("gates", { network: this.#id, picture: namedPicture(picture) }, { signal });
  }

  /**
   * What in a picture speaks for a class: by default where the channels are active that raise the answer's logit (Grad-CAM).
   * @throws SenetError `data` where the picture cannot be decoded, `usage` where the class or the stage is not known
   */
  explain(picture: PictureSource, { signal, ...options }: ExplainPictureOptions = {}): Promise<Explanation> {
    return this.#call("explain", { network: this.#id, picture: namedPicture(picture), options }, { signal });
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
  save(format: "safetensors" | "onnx" = "safetensors", { signal }: AskOptions = {}): Promise<Blob> {
    return this.#call("save", { network: this.#id, format }, { signal });
  }

  /**
   * All that a run wants to go on, as its `last.safetensors` (`train` with `resume`; `senet train --resume` in Node).
   * @throws SenetError `usage` for a network that did not come out of a run
   */
  checkpoint({ signal }: AskOptions = {}): Promise<Blob> {
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

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
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
  const connection = new Connection(options.worker);
  return begun(connection, pictures, options, opened(connection));
}

const opened = (connection: Connection) => (reply: NetworkReply) => networkOf(connection.hold(), reply);

const isList = (pictures: PictureSource | readonly PictureSource[]): pictures is readonly PictureSource[] =>
  Array.isArray(pictures);
