/** Classifies pictures with the model, labels and pre-processing that a weight file carries. */

import { SenetError } from "../errors.ts";
import type { CompileOptions, Executable, Executor } from "../executors/executor.ts";
import { Uses } from "../executors/uses.ts";
import { planesOf, preprocess } from "../images/preprocess.ts";
import type { Picture } from "../images/resize.ts";
import { inferencePasses, runPasses } from "../passes/index.ts";
import { tensor } from "../tensor.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { inferenceGraph, inputName } from "../zoo/index.ts";
import { checkChannels } from "./channels.ts";
import { failNotNumber } from "./evaluate.ts";
import { softmaxRow, topK } from "./metrics.ts";
import { checkPixels } from "./pixels.ts";

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

/** A checkpoint made ready to classify one picture at a time: pixels, which whoever asks has decoded. */
export class PictureClassifier implements AsyncDisposable {
  readonly #checkpoint: Checkpoint;
  readonly #network: Executable;
  readonly #uses: Uses;

  private constructor(checkpoint: Checkpoint, network: Executable) {
    this.#checkpoint = checkpoint;
    this.#network = network;
    this.#uses = new Uses(checkpoint.model.name);
  }

  static async create(
    checkpoint: Checkpoint,
    executor: Executor,
    options: CompileOptions = {},
  ): Promise<PictureClassifier> {
    const { model, weights, preprocessing } = checkpoint;
    checkChannels(checkpoint);
    const graph = inferenceGraph(model, { batch: 1, imageSize: preprocessing.crop });
    const program = runPasses({ graph, weights }, inferencePasses);
    return new PictureClassifier(checkpoint, await executor.compile(program.graph, program.weights, options));
  }

  /**
   * May be asked for several pictures at once.
   * @param picture pixels, or what decodes them
   * @param top how many classes to name
   * @param name what it is called in the result and in errors
   * @throws SenetError `data` where there are not as many pixels as it says, `usage` where `top` is no count, `executor`
   * after `dispose`
   */
  classify(picture: Picture | (() => Promise<Picture>), top = 5, name = "picture"): Promise<Classification> {
    return this.#uses.now(() => this.#classify(picture, top, name));
  }

  /** Frees its memory, once what is being classified has been. A second time is fine. */
  dispose(): Promise<void> {
    return this.#uses.dispose(() => this.#network.dispose());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  async #classify(picture: Picture | (() => Promise<Picture>), top: number, file: string): Promise<Classification> {
    if (!(Number.isInteger(top) && top > 0)) {
      throw new SenetError("usage", "this is no number of classes to name", {
        where: "top",
        expected: "a whole number from 1",
        found: `${top}`,
      });
    }
    const pixels = checkPixels(typeof picture === "function" ? await picture() : picture, file);
    const { preprocessing, labels } = this.#checkpoint;
    const { crop } = preprocessing;
    const image = tensor([1, planesOf(preprocessing), crop, crop], preprocess(pixels, preprocessing));
    const outputs = await this.#network.run(new Map([[inputName, image]]));
    const probabilities = softmaxRow(outputs.get("logits")!, 0);
    if (probabilities.some(Number.isNaN)) failNotNumber(file);
    const predictions = topK(probabilities, top).map((index) => ({
      label: labels[index]!,
      index,
      probability: probabilities[index]!,
    }));
    return { file, predictions };
  }
}
