/** Embeddings: what a network's classifier gets for a picture. */

import { asyncDispose } from "../disposal.ts";
import type { Executor, Running } from "../executors/executor.ts";
import type { Graph, Value } from "../ir/graph.ts";
import { featuresIn } from "../nn/from-features.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import type { PictureData, PictureOptions } from "./picture-input.ts";
import { Probe } from "./probe.ts";

const outputName = "features";

/** A network compiled up to its classifier, for one picture at a time. */
export class Features implements AsyncDisposable {
  readonly #probe: Probe;

  private constructor(probe: Probe) {
    this.#probe = probe;
  }

  /** @throws SenetError `usage` for a network whose classifier is not known */
  static async create(checkpoint: Checkpoint, executor: Executor, options: PictureOptions = {}): Promise<Features> {
    return new Features(await Probe.create(checkpoint, executor, featuresOf, options));
  }

  /** The features of a picture. @throws SenetError `data` where it cannot be decoded; `executor` after `dispose` */
  async of(picture: PictureData, running?: Running): Promise<Float32Array> {
    return Float32Array.from((await this.#probe.of(picture, running)).get(outputName)!.data);
  }

  /** Waits for calls under way, then frees the memory. May be called twice. */
  dispose(): Promise<void> {
    return this.#probe.dispose();
  }

  [asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

const featuresOf = (graph: Graph): ReadonlyMap<string, Value> => new Map([[outputName, featuresIn(graph)]]);
