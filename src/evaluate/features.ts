/** What a network's classifier sees of pictures: their embeddings. */

import { SenetError } from "../errors.ts";
import type { Executable, Executor } from "../executors/executor.ts";
import { Uses } from "../executors/uses.ts";
import { type Preprocessing, planesOf, preprocess } from "../images/preprocess.ts";
import { tensor } from "../tensor.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { inferenceProgram } from "../weights/program.ts";
import { inferenceGraph, inputName } from "../zoo/index.ts";
import { checkChannels } from "./channels.ts";
import { type Decode, type PictureData, type PictureOptions, pixelsOf } from "./picture-input.ts";

const outputName = "features";

/** A network up to its classifier, ready for one picture at a time. */
export class Features implements AsyncDisposable {
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

  /** @throws SenetError `usage` for a network of which it is not known what its classifier is */
  static async create(checkpoint: Checkpoint, executor: Executor, options: PictureOptions = {}): Promise<Features> {
    const { model, preprocessing } = checkpoint;
    checkChannels(checkpoint);
    const graph = inferenceGraph(model, { batch: 1, imageSize: preprocessing.crop });
    const value = graph.nodes.find(({ tag }) => tag === "features")?.outputs[0];
    if (value === undefined) {
      throw new SenetError("usage", "it is not known where in this network its classifier begins", {
        where: model.name,
        hint: 'of a network of your own, build what the classifier sees in scope.tagged("features")',
      });
    }
    const program = inferenceProgram({ ...graph, outputs: new Map([[outputName, value]]) }, checkpoint);
    const network = await executor.compile(program.graph, program.weights, options);
    return new Features(model.name, preprocessing, network, options.decode);
  }

  /** @throws SenetError `data` where the picture cannot be decoded, `executor` after `dispose` */
  of(picture: PictureData): Promise<Float32Array> {
    return this.#uses.now(async () => {
      const { crop } = this.#preprocessing;
      const shape = [1, planesOf(this.#preprocessing), crop, crop];
      const image = tensor(shape, preprocess(await pixelsOf(picture, this.#decode), this.#preprocessing));
      const outputs = await this.#network.run(new Map([[inputName, image]]));
      return Float32Array.from(outputs.get(outputName)!.data);
    });
  }

  /** Frees its memory, once what is being looked at has been. A second time is fine. */
  dispose(): Promise<void> {
    return this.#uses.dispose(() => this.#network.dispose());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}
