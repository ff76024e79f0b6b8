/** Classifies picture files with the model, labels and pre-processing that a weight file carries. */

import { SenetError } from "../errors.ts";
import type { CompileOptions, Executable, Executor } from "../executors/executor.ts";
import { Uses } from "../executors/uses.ts";
import { planesOf, preprocess } from "../images/preprocess.ts";
import { inferencePasses, runPasses } from "../passes/index.ts";
import { tensor } from "../tensor.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { inferenceGraph, inputName } from "../zoo/index.ts";
import { checkChannels } from "./channels.ts";
import { softmaxRow, topK } from "./metrics.ts";
import { nameOf, type PictureInput, pictureOf } from "./picture-input.node.ts";

export interface Prediction {
  readonly label: string;
  readonly index: number;
  readonly probability: number;
}

export interface Classification {
  /** Its path, or its name. */
  readonly file: string;
  /** Most probable first. */
  readonly predictions: readonly Prediction[];
}

/** A checkpoint made ready to classify one picture at a time. */
export class Classifier implements AsyncDisposable {
  readonly #checkpoint: Checkpoint;
  readonly #network: Executable;
  readonly #uses: Uses;

  private constructor(checkpoint: Checkpoint, network: Executable) {
    this.#checkpoint = checkpoint;
    this.#network = network;
    this.#uses = new Uses(checkpoint.model.name);
  }

  static async create(checkpoint: Checkpoint, executor: Executor, options: CompileOptions = {}): Promise<Classifier> {
    const { model, weights, preprocessing } = checkpoint;
    checkChannels(checkpoint);
    const graph = inferenceGraph(model, { batch: 1, imageSize: preprocessing.crop });
    const program = runPasses({ graph, weights }, inferencePasses);
    return new Classifier(checkpoint, await executor.compile(program.graph, program.weights, options));
  }

  /**
   * May be asked for several pictures at once.
   * @param top how many classes to name
   * @throws SenetError `data` where the picture cannot be decoded, `usage` where `top` is no count, `executor` after
   * `dispose`
   */
  classify(picture: PictureInput, top = 5): Promise<Classification> {
    return this.#uses.now(() => this.#classify(picture, top));
  }

  /** Frees its memory, once what is being classified has been. A second time is fine. */
  dispose(): Promise<void> {
    return this.#uses.dispose(() => this.#network.dispose());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  async #classify(picture: PictureInput, top: number): Promise<Classification> {
    if (!(Number.isInteger(top) && top > 0)) {
      throw new SenetError("usage", "this is no number of classes to name", {
        where: "top",
        expected: "a whole number from 1",
        found: `${top}`,
      });
    }
    const file = nameOf(picture);
    const { preprocessing, labels } = this.#checkpoint;
    const { crop } = preprocessing;
    const image = tensor([1, planesOf(preprocessing), crop, crop], preprocess(await pictureOf(picture), preprocessing));
    const outputs = await this.#network.run(new Map([[inputName, image]]));
    const probabilities = softmaxRow(outputs.get("logits")!, 0);
    if (probabilities.some(Number.isNaN)) {
      throw new SenetError("weights", "the network's output for this picture is not a number", {
        where: file,
        hint: "its weights, or its pre-processing, are not those that it was trained with",
      });
    }
    const predictions = topK(probabilities, top).map((index) => ({
      label: labels[index]!,
      index,
      probability: probabilities[index]!,
    }));
    return { file, predictions };
  }
}
