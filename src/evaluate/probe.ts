/** Values inside a network for a picture. */

import { asyncDispose } from "../disposal.ts";
import type { Executable, Executor, Running } from "../executors/executor.ts";
import { Uses } from "../executors/uses.ts";
import type { Preprocessing } from "../images/preprocess.ts";
import type { Graph, Value } from "../ir/graph.ts";
import type { Tensor } from "../tensor.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { inferenceProgram } from "../weights/program.ts";
import { inferenceGraph, inputName } from "../zoo/index.ts";
import { checkChannels } from "./channels.ts";
import { type Decode, imageOf, type PictureData, type PictureOptions } from "./picture-input.ts";

/** A network compiled up to some of its values, for one picture at a time. */
export class Probe implements AsyncDisposable {
  readonly #preprocessing: Preprocessing;
  readonly #network: Executable;
  readonly #decode: Decode | undefined;
  readonly #uses: Uses;

  private constructor(name: string, preprocessing: Preprocessing, network: Executable, decode: Decode | undefined) {
    this.#preprocessing = preprocessing;
    this.#network = network;
    this.#decode = decode;
    this.#uses = new Uses(name);
  }

  /** @param wanted picks values of the network's graph, named as in the result of `of` */
  static async create(
    checkpoint: Checkpoint,
    executor: Executor,
    wanted: (graph: Graph) => ReadonlyMap<string, Value>,
    options: PictureOptions = {},
  ): Promise<Probe> {
    const { model, preprocessing } = checkpoint;
    checkChannels(checkpoint);
    const graph = inferenceGraph(model, { batch: 1, imageSize: preprocessing.crop });
    const program = await inferenceProgram({ ...graph, outputs: wanted(graph) }, checkpoint);
    const network = await executor.compile(program.graph, program.weights, options);
    return new Probe(model.name, preprocessing, network, options.decode);
  }

  /** The values for a picture. @throws SenetError `data` where it cannot be decoded; `executor` after `dispose` */
  of(picture: PictureData, running?: Running): Promise<ReadonlyMap<string, Tensor>> {
    return this.#uses.now(async () => {
      const image = await imageOf(picture, this.#preprocessing, this.#decode);
      return this.#network.run(new Map([[inputName, image]]), running);
    });
  }

  /** Waits for calls under way, then frees the memory. May be called twice. */
  dispose(): Promise<void> {
    return this.#uses.dispose(() => this.#network.dispose());
  }

  [asyncDispose](): Promise<void> {
    return this.dispose();
  }
}
