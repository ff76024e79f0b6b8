/** What a network's classifier sees of pictures: their embeddings. */

import { asyncDispose } from "../disposal.ts";
import type { Executor, Running } from "../executors/executor.ts";
import type { Graph, Value } from "../ir/graph.ts";
import { featuresIn } from "../nn/from-features.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import type { PictureData, PictureOptions } from "./picture-input.ts";
import { Probe } from "./probe.ts";

const outputName = "features";

/** A network up to its classifier, ready for one picture at a time. */
export class Features implements AsyncDisposable {
  readonly #probe: Probe;

  private constructor(probe: Probe) {
    this.#probe = probe;
  }

  /** @throws SenetError `usage` for a network of which it is not known what its classifier is */
  static async create(checkpoint: Checkpoint, executor: Executor, options: PictureOptions = {}): Promise<Features> {
    return new Features(await Probe.create(checkpoint, executor, featuresOf, options));
  }

  /** @throws SenetError `data` where the picture cannot be decoded, `executor` after `dispose` */
  async of(picture: PictureData, running?: Running): Promise<Float32Array> {
    return Float32Array.from((await this.#probe.of(picture, running)).get(outputName)!.data);
  }

  /** Frees its memory, once what is being looked at has been. A second time is fine. */
  dispose(): Promise<void> {
    return this.#probe.dispose();
  }

  [asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

const featuresOf = (graph: Graph): ReadonlyMap<string, Value> => new Map([[outputName, featuresIn(graph)]]);
