/** Classifies pictures with the model, labels and pre-processing of a weight file. */

import { asyncDispose } from "../disposal.ts";
import { SenetError } from "../errors.ts";
import type { Executable, Executor, Running } from "../executors/executor.ts";
import { Uses } from "../executors/uses.ts";
import type { Tensor } from "../tensor.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { inferenceProgram } from "../weights/program.ts";
import { inferenceGraph, inputName } from "../zoo/graphs.ts";
import { checkChannels } from "./channels.ts";
import { failNotNumber } from "./not-number.ts";
import { type Decode, imageOf, nameOf, type PictureData, type PictureOptions } from "./picture-input.ts";
import { softmaxRow, topK } from "./probabilities.ts";

export interface Prediction {
  readonly label: string;
  readonly index: number;
  readonly probability: number;
}

export interface Classification {
  /** The picture's path or name. */
  readonly file: string;
  /** Most probable first. */
  readonly predictions: readonly Prediction[];
}

/** A network compiled to classify one picture at a time. */
export class PictureClassifier implements AsyncDisposable {
  readonly #checkpoint: Checkpoint;
  readonly #network: Executable;
  readonly #decode: Decode | undefined;
  readonly #uses: Uses;

  private constructor(checkpoint: Checkpoint, network: Executable, decode: Decode | undefined) {
    this.#checkpoint = checkpoint;
    this.#network = network;
    this.#decode = decode;
    this.#uses = new Uses(checkpoint.model.name);
  }

  static async create(
    checkpoint: Checkpoint,
    executor: Executor,
    options: PictureOptions = {},
  ): Promise<PictureClassifier> {
    const { model, preprocessing } = checkpoint;
    checkChannels(checkpoint);
    const graph = inferenceGraph(model, { batch: 1, imageSize: preprocessing.crop });
    const program = await inferenceProgram(graph, checkpoint);
    const network = await executor.compile(program.graph, program.weights, options);
    return new PictureClassifier(checkpoint, network, options.decode);
  }

  /**
   * Calls may overlap.
   * @param top number of classes to return
   * @param running may abort the call
   * @throws SenetError `data` where the picture cannot be decoded or does not have as many pixels as it says; `usage`
   * where `top` is not a positive integer, or no decoder was given; `executor` after `dispose`
   */
  classify(picture: PictureData, top = 5, running?: Running): Promise<Classification> {
    return this.#uses.now(() => this.#classify(picture, top, running));
  }

  /** Waits for calls under way, then frees the memory. May be called twice. */
  dispose(): Promise<void> {
    return this.#uses.dispose(() => this.#network.dispose());
  }

  [asyncDispose](): Promise<void> {
    return this.dispose();
  }

  async #classify(picture: PictureData, top: number, running: Running | undefined): Promise<Classification> {
    checkTop(top);
    const file = nameOf(picture);
    const { preprocessing, labels } = this.#checkpoint;
    const image = await imageOf(picture, preprocessing, this.#decode);
    const outputs = await this.#network.run(new Map([[inputName, image]]), running);
    return { file, predictions: predictionsOf(outputs.get("logits")!, 0, { labels, top, file }) };
  }
}

/** @throws SenetError `usage` where `top` is not a positive integer */
export function checkTop(top: number): void {
  if (Number.isInteger(top) && top > 0) return;
  throw new SenetError("usage", "this number of classes cannot be named", {
    where: "top",
    expected: "a whole number from 1",
    found: `${top}`,
  });
}

/**
 * The most probable classes by one row of `logits [N, K]`.
 * @throws SenetError `weights` where logits are not finite
 */
export function predictionsOf(
  logits: Tensor,
  row: number,
  { labels, top, file }: { readonly labels: readonly string[]; readonly top: number; readonly file: string },
): readonly Prediction[] {
  const probabilities = softmaxRow(logits, row);
  if (probabilities.some(Number.isNaN)) failNotNumber(file);
  return topK(probabilities, top).map((index) => ({
    label: labels[index]!,
    index,
    probability: probabilities[index]!,
  }));
}
