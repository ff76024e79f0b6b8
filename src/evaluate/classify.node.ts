/** Classifies picture files with the model, labels and pre-processing that a weight file carries. */

import { SenetError } from "../errors.ts";
import type { CompileOptions, Executable, Executor } from "../executors/executor.ts";
import { Uses } from "../executors/uses.ts";
import { decodeBytes, decodePicture } from "../images/decode.node.ts";
import { planesOf, preprocess } from "../images/preprocess.ts";
import { inferencePasses, runPasses } from "../passes/index.ts";
import { tensor } from "../tensor.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { inferenceGraph, inputName } from "../zoo/index.ts";
import { checkChannels } from "./channels.ts";
import { softmaxRow, topK } from "./metrics.ts";

export interface Prediction {
  readonly label: string;
  readonly index: number;
  readonly probability: number;
}

/** A picture that is no file: what it is called, and the bytes of its JPEG, PNG or the like. */
export interface PictureBytes {
  readonly name: string;
  readonly bytes: Uint8Array;
}

export interface Classification {
  /** Its path, or its name. */
  readonly file: string;
  /** Most probable first. */
  readonly predictions: readonly Prediction[];
}

/** A checkpoint made ready to classify one picture at a time. */
export class Classifier {
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
   * @param picture the path of a file, or bytes with a name
   * @throws SenetError `data` where the picture cannot be decoded, `executor` after `dispose`
   */
  classify(picture: string | PictureBytes, top: number): Promise<Classification> {
    return this.#uses.now(() => this.#classify(picture, top));
  }

  /** Frees its memory, once what is being classified has been. A second time is fine. */
  dispose(): Promise<void> {
    return this.#uses.dispose(() => this.#network.dispose());
  }

  async #classify(picture: string | PictureBytes, top: number): Promise<Classification> {
    const [file, decoding] =
      typeof picture === "string"
        ? [picture, decodePicture(picture)]
        : [picture.name, decodeBytes(picture.bytes, picture.name)];
    const { preprocessing, labels } = this.#checkpoint;
    const { crop } = preprocessing;
    const image = tensor([1, planesOf(preprocessing), crop, crop], preprocess(await decoding, preprocessing));
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
