/** What a network has made of a picture somewhere inside it. */

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

/** A network up to the values that are asked for, ready for one picture at a time. */
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

  /** @param wanted the values of the network's graph, by the names that `of` gives them */
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

  /** @throws SenetError `data` where the picture cannot be decoded, `executor` after `dispose` */
  of(picture: PictureData, running?: Running): Promise<ReadonlyMap<string, Tensor>> {
    return this.#uses.now(async () => {
      const image = await imageOf(picture, this.#preprocessing, this.#decode);
      return this.#network.run(new Map([[inputName, image]]), running);
    });
  }

  /** Frees its memory, once what is being looked at has been. A second time is fine. */
  dispose(): Promise<void> {
    return this.#uses.dispose(() => this.#network.dispose());
  }

  [asyncDispose](): Promise<void> {
    return this.dispose();
  }
}
