/** A network in the worker; each ability is compiled on first use. */

import { PictureClassifier, type Prediction } from "../evaluate/classify.ts";
import type { PictureOptions } from "../evaluate/picture-input.ts";
import { turn } from "../event-loop.ts";
import type { ChosenEngine } from "../executors/select.web.ts";
import { onnxEncoder } from "../executors/select.web.ts";
import { Uses } from "../executors/uses.ts";
import type { Explainer, Explanation } from "../explain/explainer.ts";
import type { PictureGates } from "../explain/gates.ts";
import type { WeightFormat } from "../formats/formats.ts";
import { decodeInBrowser } from "../images/decode.web.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { inferenceProgram } from "../weights/program.ts";
import { inferenceGraph } from "../zoo/graphs.ts";
import type { Given, NamedPicture, RunPosition } from "./calls.web.ts";
import { pictureData } from "./pixels.web.ts";

export interface HostedFacts {
  readonly engine: ChosenEngine;
  readonly format: WeightFormat;
  readonly notes: readonly string[];
  /** Name of the file it was opened from. */
  readonly file: string;
  /** The file with which its run can be resumed. */
  readonly last?: Blob;
  readonly run: RunPosition | undefined;
}

export class Hosted {
  readonly checkpoint: Checkpoint;
  readonly facts: HostedFacts;
  readonly #options: PictureOptions;
  readonly #uses: Uses;
  readonly #classifier = new Lazy(() => PictureClassifier.create(this.checkpoint, this.#executor, this.#options));
  readonly #features = new Lazy(async () => {
    const { Features } = await import("../evaluate/features.ts");
    return Features.create(this.checkpoint, this.#executor, this.#options);
  });
  readonly #gates = new Lazy(async () => {
    const { GateProbe } = await import("../explain/gates.ts");
    return GateProbe.create(this.checkpoint, this.#executor, this.#options);
  });
  readonly #explainers = new Map<string, Lazy<Explainer>>();

  constructor(checkpoint: Checkpoint, facts: HostedFacts) {
    this.checkpoint = checkpoint;
    this.facts = facts;
    this.#options = { decode: decodeInBrowser, threads: facts.engine.facts.threads };
    this.#uses = new Uses(checkpoint.model.name);
  }

  classify(pictures: readonly NamedPicture[], top: number, signal: AbortSignal): Promise<Prediction[][]> {
    return this.#each(pictures, signal, async (picture) => {
      const classifier = await this.#classifier.get();
      const { predictions } = await classifier.classify(pictureData(picture), top, { signal });
      return [...predictions];
    });
  }

  features(pictures: readonly NamedPicture[], signal: AbortSignal): Promise<Float32Array[]> {
    return this.#each(pictures, signal, async (picture) => {
      const features = await this.#features.get();
      return features.of(pictureData(picture), { signal });
    });
  }

  gates(picture: NamedPicture, signal: AbortSignal): Promise<readonly PictureGates[]> {
    return this.#uses.now(async () => (await this.#gates.get()).of(pictureData(picture), { signal }));
  }

  explain({ picture, options }: Given<"explain">, signal: AbortSignal): Promise<Explanation> {
    const { target, top, ...how } = options;
    return this.#uses.now(async () => {
      const key = JSON.stringify(Object.entries(how).sort());
      const make = async () => {
        const { Explainer } = await import("../explain/explainer.ts");
        return Explainer.create(this.checkpoint, this.#executor, { ...this.#options, ...how });
      };
      const lazy = this.#explainers.get(key) ?? new Lazy(make);
      this.#explainers.set(key, lazy);
      const explainer = await lazy.get();
      const explanation = await explainer.explain(pictureData(picture), { target, top, signal });
      return { ...explanation, file: picture.name };
    });
  }

  async save(format: "safetensors" | "onnx"): Promise<Blob> {
    const { run: _, ...network } = this.checkpoint;
    if (format === "safetensors") {
      const { encodeCheckpoint } = await import("../weights/checkpoint-write.ts");
      return blobOf(encodeCheckpoint(network));
    }
    const encodeOnnx = await onnxEncoder();
    const { model, labels, preprocessing } = network;
    const graph = inferenceGraph(model, { batch: 1, imageSize: preprocessing.crop });
    const program = await inferenceProgram(graph, network);
    const metadata = {
      model: JSON.stringify(model),
      labels: JSON.stringify(labels),
      preprocessing: JSON.stringify(preprocessing),
    };
    return blobOf([encodeOnnx(program.graph, program.weights, metadata)]);
  }

  /** Waits for calls under way, then frees what was compiled. */
  dispose(): Promise<void> {
    return this.#uses.dispose(async () => {
      const compiled = [this.#classifier, this.#features, this.#gates, ...this.#explainers.values()];
      await Promise.allSettled(compiled.map((one) => one.dispose()));
    });
  }

  get #executor() {
    return this.facts.engine.executor;
  }

  /** Calls `one` for each picture in turn; stops when the call is aborted. */
  #each<T>(
    pictures: readonly NamedPicture[],
    signal: AbortSignal,
    look: (picture: NamedPicture) => Promise<T>,
  ): Promise<T[]> {
    return this.#uses.now(async () => {
      const all: T[] = [];
      for (const picture of pictures) {
        // Lets the abort message arrive between two pictures.
        await turn();
        signal.throwIfAborted();
        all.push(await look(picture));
      }
      return all;
    });
  }
}

/** Created on first use; after a failure, created anew on the next: the network may be back. */
class Lazy<T extends { dispose(): Promise<void> }> {
  readonly #make: () => Promise<T>;
  #made: Promise<T> | undefined;

  constructor(make: () => Promise<T>) {
    this.#make = make;
  }

  get(): Promise<T> {
    this.#made ??= this.#make().catch((error) => {
      this.#made = undefined;
      throw error;
    });
    return this.#made;
  }

  async dispose(): Promise<void> {
    await (await this.#made)?.dispose();
  }
}

export const blobOf = (parts: readonly Uint8Array[]): Blob => new Blob(parts as Uint8Array<ArrayBuffer>[]);
