/** A network ready for use: opened from weights, it classifies, is evaluated, explained, quantised and exported. */

import { type Dataset, spread } from "../data/dataset.ts";
import { Loader } from "../data/loader.node.ts";
import { localData } from "../data/remote.node.ts";
import { Classifier } from "../evaluate/classify.node.ts";
import type { Prediction } from "../evaluate/classify.ts";
import type { EvaluationBatch } from "../evaluate/evaluate.ts";
import { type ExcitationOptions, type GateMeans, meanGates } from "../evaluate/excitation.ts";
import { Features } from "../evaluate/features.ts";
import { openPictures } from "../evaluate/labelled.node.ts";
import { type Measurement, type MeasureOptions, measure } from "../evaluate/measure.node.ts";
import { dataOf, decode, type PictureInput } from "../evaluate/picture-input.node.ts";
import { type LabelSuspects, labelSuspects, type SuspectsOptions } from "../evaluate/suspects.node.ts";
import type { CompileOptions, Executor, Weights } from "../executors/executor.ts";
import { Uses } from "../executors/uses.ts";
import { Explainer, type ExplainerOptions, type ExplainOptions, type Explanation } from "../explain/explainer.ts";
import { type GateAtlas, GateProbe, gateAtlas, type PictureGates } from "../explain/gates.ts";
import { type PruneCosts, type PruneOptions, pruneCosts } from "../explain/prune.ts";
import { withoutBlocks } from "../explain/remove-blocks.ts";
import { replaceFile } from "../files/replace.node.ts";
import type { Preprocessing } from "../images/preprocess.ts";
import type { Views } from "../images/views.ts";
import type { ClassOrder } from "../import/imagenet-classes.ts";
import { type Quantized, type QuantizeOptions, quantizeNetwork } from "../quantize/quantize.node.ts";
import { movedTo } from "../quantize/source.node.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { encodeCheckpoint } from "../weights/checkpoint-write.ts";
import type { Model } from "../zoo/index.ts";
import { checkedOnnx } from "./onnx.node.ts";
import { type LoadOptions, openNetwork } from "./open-network.node.ts";

export interface ClassifyOptions {
  /** How many classes to return, most probable first; default 5. */
  readonly top?: number;
}

export interface DataOptions {
  /** A text file that lists the pictures and their labels, one per line: NAME LABEL; names are relative to the data. */
  readonly list?: string;
  /** The order of ImageNet's classes in the list; default: worked out from the pictures' names. */
  readonly listOrder?: ClassOrder;
  /** Skip listed pictures that do not exist, instead of failing. */
  readonly allowMissing?: boolean;
  /** Use only the part of each class that training with this `valSplit` kept back. */
  readonly valSplit?: number;
  /** The training's seed, by which `valSplit` chose; default 0. */
  readonly seed?: number;
  /** At most this many pictures, spread evenly over the data; default: all. */
  readonly sample?: number;
  /** Pictures per run of the network; default 32. */
  readonly batchSize?: number;
  /** Number of threads that decode pictures. */
  readonly workers?: number;
}

export interface EvaluateOptions
  extends DataOptions,
    Pick<MeasureOptions, "signal" | "onFailure" | "onProgress" | "tolerant"> {
  /** Which views of each picture are averaged; default: `centre`. */
  readonly views?: Views;
}

export interface SuspectOptions
  extends DataOptions,
    Pick<SuspectsOptions, "rank" | "signal" | "onFailure" | "onProgress"> {}

export interface QuantizationOptions
  extends Pick<DataOptions, "list" | "listOrder" | "allowMissing" | "valSplit" | "seed" | "workers">,
    Pick<
      QuantizeOptions,
      "images" | "checkImages" | "method" | "equalize" | "correctBias" | "budget" | "say" | "onFailure" | "onLayer"
    > {}

/** A network in eight bits, and its loss of accuracy: top-1 errors in percent, and a row for each layer. */
export interface QuantizedNetwork extends Omit<Quantized, "checkpoint"> {
  readonly network: Network;
}

/** Result of `exportOnnx`. */
export interface OnnxExport {
  readonly bytes: number;
  /**
   * Largest difference of its logits from this network's, relative to the largest logit; absent where ONNX Runtime is
   * missing, which checks it.
   */
  readonly difference: number | undefined;
}

/** What functions that run the network over a data set need. */
interface Pictures extends Omit<ExcitationOptions, "batches"> {
  readonly dataset: Dataset;
  readonly batches: () => AsyncIterable<EvaluationBatch>;
}

/** Pictures that are decoded and classified at the same time. */
const ahead = 4;

/**
 * Opens the network in a weight file, with its labels and pre-processing.
 * @param weights a file in any supported format (safetensors, PyTorch, Caffe, ONNX, ...); the name of released weights
 * (`se-resnet-50`), which are fetched into the cache once; or several files that make one network, such as a prototxt
 * and its caffemodel
 * @throws SenetError `io`; `weights` where the file is damaged, in no supported format, or of an unknown network;
 * `usage` where an option does not fit it
 */
export async function load(weights: string | readonly string[], options: LoadOptions = {}): Promise<Network> {
  const { checkpoint, executor, reason, notes } = await openNetwork(weights, options);
  const isSaid = options.precision === "auto" || checkpoint.quantization !== undefined;
  return new Network(checkpoint, executor, {
    threads: options.threads,
    notes: [...notes, ...(isSaid ? [`on executor ${executor.name}: ${reason}`] : [])],
    isNamed: options.labels !== undefined,
    file: [weights].flat()[0],
  });
}

/** Facts about a network that its checkpoint does not hold. */
export interface NetworkFacts {
  /** Inside one operation; default: as many as this process may use. */
  readonly threads?: number | undefined;
  readonly notes?: readonly string[];
  /** Whether its labels are real names, not just class numbers; default true. */
  readonly isNamed?: boolean;
  /** Where it came from: a path, or the name of released weights. */
  readonly file?: string | undefined;
}

/** A network ready for use. Each ability is compiled on first use; calls may overlap. */
export class Network implements AsyncDisposable {
  readonly executor: Executor;
  /** What was guessed or chosen while opening it, one line each. */
  readonly notes: readonly string[];
  readonly #checkpoint: Checkpoint;
  readonly #threads: Pick<CompileOptions, "threads">;
  readonly #isNamed: boolean;
  readonly #file: string | undefined;
  readonly #uses: Uses;
  #classifier: Promise<Classifier> | undefined;
  #features: Promise<Features> | undefined;
  #gates: Promise<GateProbe> | undefined;
  readonly #explainers = new Map<string, Promise<Explainer>>();

  /** For a network already in memory; use `load` for files. */
  constructor(checkpoint: Checkpoint, executor: Executor, facts: NetworkFacts = {}) {
    this.executor = executor;
    this.notes = facts.notes ?? [];
    this.#checkpoint = checkpoint;
    this.#threads = { threads: facts.threads };
    this.#isNamed = facts.isNamed ?? true;
    this.#file = facts.file;
    this.#uses = new Uses(checkpoint.model.name);
  }

  get model(): Model {
    return this.#checkpoint.model;
  }

  /** Class names, by index. */
  get labels(): readonly string[] {
    return this.#checkpoint.labels;
  }

  get preprocessing(): Preprocessing {
    return this.#checkpoint.preprocessing;
  }

  get weights(): Weights {
    return this.#checkpoint.weights;
  }

  /**
   * The most probable classes of a picture, or of each of several.
   * @throws SenetError `data` where a picture cannot be decoded
   */
  classify(picture: PictureInput, options?: ClassifyOptions): Promise<readonly Prediction[]>;
  classify(pictures: readonly PictureInput[], options?: ClassifyOptions): Promise<readonly (readonly Prediction[])[]>;
  async classify(
    pictures: PictureInput | readonly PictureInput[],
    { top = 5 }: ClassifyOptions = {},
  ): Promise<readonly Prediction[] | readonly (readonly Prediction[])[]> {
    return this.#each(pictures, async (picture) => {
      this.#classifier ??= Classifier.create(this.#checkpoint, this.executor, this.#threads);
      return (await (await this.#classifier).classify(picture, top)).predictions;
    });
  }

  /**
   * The features that the classifier gets for a picture, or for each of several: pictures that look alike to the
   * network are close to each other. As many numbers as the last layer has inputs (2,048 for SE-ResNet-50).
   * @throws SenetError `data` where a picture cannot be decoded, `usage` for a network whose classifier is not known
   */
  features(picture: PictureInput): Promise<Float32Array>;
  features(pictures: readonly PictureInput[]): Promise<readonly Float32Array[]>;
  async features(pictures: PictureInput | readonly PictureInput[]): Promise<Float32Array | readonly Float32Array[]> {
    return this.#each(pictures, async (picture) => {
      this.#features ??= Features.create(this.#checkpoint, this.executor, { ...this.#threads, decode });
      return (await this.#features).of(dataOf(picture));
    });
  }

  /**
   * Measures top-1 and top-5 error, with the prediction for each picture.
   * @param data a folder with one subfolder per class, named after the class or its WordNet id; an archive; a data
   * set's files
   * @throws SenetError `data`; `usage` where it is not known which class is which
   */
  evaluate(data: string, options: EvaluateOptions = {}): Promise<Measurement> {
    const { views = "centre", batchSize = 32, workers, signal, onFailure, onProgress, tolerant } = options;
    return this.#uses.now(async () => {
      const dataset = await this.#pictures(data, options);
      return measure({
        checkpoint: { ...this.#checkpoint, labels: dataset.classes },
        executor: this.executor,
        ...this.#threads,
        dataset,
        views,
        batchSize,
        workers,
        tolerant: tolerant ?? options.list !== undefined,
        ...(signal && { signal }),
        ...(onFailure && { onFailure }),
        ...(onProgress && { onProgress }),
      });
    });
  }

  /**
   * Finds pictures whose label is probably wrong, most suspect first (`labelSuspects`). Most reliable on pictures that
   * the network was not trained on.
   * @param data as for `evaluate`
   */
  suspects(data: string, options: SuspectOptions = {}): Promise<LabelSuspects> {
    const { rank, batchSize, workers, signal, onFailure, onProgress } = options;
    return this.#uses.now(async () => {
      const dataset = await this.#pictures(data, options);
      const checkpoint = { ...this.#checkpoint, labels: dataset.classes };
      const on = { checkpoint, dataset, executor: this.executor, ...this.#threads };
      return labelSuspects({ ...on, rank, batchSize, workers, signal, onFailure, onProgress });
    });
  }

  /**
   * The mean gate of each squeeze-and-excitation block for each class (the paper's figures 6 and 7); empty for a
   * network without such blocks.
   * @param data as for `evaluate`
   */
  async gates(data: string, options: DataOptions = {}): Promise<readonly GateMeans[]> {
    return this.#overPictures(data, options, ({ batches, ...over }) => meanGates({ ...over, batches: batches() }));
  }

  /**
   * The mean gates as from `gates`, and for each channel the pictures that open it most: what `comparedGates` compares
   * one picture's gates with.
   * @param data as for `evaluate`
   */
  async gateAtlas(data: string, options: DataOptions = {}): Promise<{ atlas: GateAtlas; dataset: Dataset }> {
    return this.#overPictures(data, options, async ({ batches, dataset, ...over }) => ({
      atlas: await gateAtlas({ ...over, batches: batches() }),
      dataset,
    }));
  }

  /**
   * Ranks blocks and channels by their gates, the least open first, with the error that remains without them
   * (`pruneCosts`).
   * @param data as for `evaluate`; the network is run on all pictures many times
   * @throws SenetError `usage` for a network without gates
   */
  prune(data: string, options: DataOptions & Pick<PruneOptions, "parts" | "onProgress"> = {}): Promise<PruneCosts> {
    const { parts, onProgress } = options;
    return this.#overPictures(data, options, ({ batches, batchSize, executor }) =>
      pruneCosts({ checkpoint: this.#checkpoint, executor, ...this.#threads, batches, batchSize, parts, onProgress }),
    );
  }

  /**
   * This network without some of its blocks: smaller and faster, and as it was for the rest.
   * @param blocks such as `layer3.4`, which `prune` ranks; not the first of a stage
   * @throws SenetError `usage` where a block cannot be taken out
   */
  withoutBlocks(blocks: readonly string[]): Network {
    const facts = { ...this.#threads, isNamed: this.#isNamed };
    return new Network(withoutBlocks(this.#checkpoint, blocks), this.executor, facts);
  }

  /**
   * Shows what in a picture speaks for a class; by default with Grad-CAM: where the channels are active that raise the
   * top class's logit.
   * @throws SenetError `data` where the picture cannot be decoded, `usage` where the class or the stage is not known
   */
  explain(
    picture: PictureInput,
    options: ExplainOptions & Omit<ExplainerOptions, "decode" | "threads"> = {},
  ): Promise<Explanation> {
    const { target, top, ...how } = options;
    return this.#uses.now(async () => {
      const key = JSON.stringify(Object.entries(how).sort());
      const made =
        this.#explainers.get(key) ??
        Explainer.create(this.#checkpoint, this.executor, { ...this.#threads, ...how, decode });
      this.#explainers.set(key, made);
      return (await made).explain(dataOf(picture), { target, top });
    });
  }

  /** The gates of each block for one picture; empty for a network without gates. */
  gatesOf(picture: PictureInput): Promise<readonly PictureGates[]> {
    return this.#uses.now(async () => {
      this.#gates ??= GateProbe.create(this.#checkpoint, this.executor, { ...this.#threads, decode });
      return (await this.#gates).of(dataOf(picture));
    });
  }

  /** Opens the data and calls `look` with it; `look` may go through its pictures any number of times. */
  #overPictures<T>(data: string, options: DataOptions, look: (over: Pictures) => Promise<T>): Promise<T> {
    return this.#uses.now(async () => {
      const dataset = await this.#pictures(data, options);
      const { model, preprocessing, weights, quantization } = this.#checkpoint;
      const batchSize = Math.min(options.batchSize ?? 32, Math.max(1, dataset.samples.length));
      const loader = new Loader({
        dataset,
        batchSize,
        tolerant: options.list !== undefined,
        transform: { kind: "evaluate", preprocessing },
        ...(options.workers !== undefined && { workers: options.workers }),
      });
      const network = { model, weights, quantization, batchSize, imageSize: preprocessing.crop };
      try {
        return await look({ ...network, executor: this.executor, dataset, batches: () => loader.epoch(0) });
      } finally {
        await loader.dispose();
      }
    });
  }

  /**
   * Writes the network as an ONNX file for batches of any size, with model, labels and pre-processing in its metadata,
   * and runs it once to check that it computes the same.
   * @throws SenetError `executor` where it does not (nothing is written then); `io`
   */
  exportOnnx(path: string): Promise<OnnxExport> {
    return this.#uses.now(async () => {
      const { bytes, difference } = await checkedOnnx(this.#checkpoint, path);
      await replaceFile(path, [bytes]);
      return { bytes: bytes.length, difference };
    });
  }

  /**
   * Quantises this network to eight bits and measures what that costs. The result runs on the same executor; `save`
   * writes a quarter of the bytes, and `load` then picks the executor that is fastest in eight bits.
   * @param data as for `evaluate`: some pictures choose the ranges of activations, others measure the loss
   * @throws SenetError `usage` where the network is in eight bits already, or no picture is left to measure on
   */
  quantize(data: string, options: QuantizationOptions = {}): Promise<QuantizedNetwork> {
    return this.#uses.now(async () => {
      const dataset = await this.#pictures(data, options);
      const checkpoint = { ...this.#checkpoint, labels: dataset.classes };
      const on = { checkpoint, dataset, executor: this.executor, ...this.#threads, file: this.#file };
      const { checkpoint: quantized, ...lost } = await quantizeNetwork({ ...options, ...on });
      const facts = { ...this.#threads, isNamed: this.#isNamed };
      return { ...lost, network: new Network(quantized, this.executor, facts) };
    });
  }

  /** Writes the network as a safetensors file with everything that `load` needs. @throws SenetError `io` */
  save(path: string): Promise<void> {
    return this.#uses.now(() => replaceFile(path, encodeCheckpoint(movedTo(path, this.#checkpoint))));
  }

  /** Waits for calls under way, then frees the network's memory. May be called twice. */
  dispose(): Promise<void> {
    return this.#uses.dispose(async () => {
      // Abilities whose compilation failed have nothing to free.
      const made = await Promise.allSettled([
        this.#classifier,
        this.#features,
        this.#gates,
        ...this.#explainers.values(),
      ]);
      await Promise.all(made.map(async (result) => result.status === "fulfilled" && (await result.value?.dispose())));
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  async #pictures(data: string, { list, listOrder, allowMissing = false, valSplit, seed = 0, sample }: DataOptions) {
    const held = valSplit === undefined ? undefined : { valSplit, seed };
    const named = { list, listOrder, allowMissing, held, areNamed: this.#isNamed };
    const all = await openPictures({ ...named, data: await localData(data) }, this.labels);
    return sample === undefined ? all : spread(all, sample);
  }

  /** Calls `one` for the picture, or for each of a list; one result or a list of results. */
  #each<T>(pictures: PictureInput | readonly PictureInput[], one: (picture: PictureInput) => Promise<T>) {
    return this.#uses.now(async (): Promise<T | readonly T[]> => {
      if (!isList(pictures)) return one(pictures);
      const results: T[] = [];
      for (let start = 0; start < pictures.length; start += ahead) {
        results.push(...(await Promise.all(pictures.slice(start, start + ahead).map(one))));
      }
      return results;
    });
  }
}

const isList = (pictures: PictureInput | readonly PictureInput[]): pictures is readonly PictureInput[] =>
  Array.isArray(pictures);
