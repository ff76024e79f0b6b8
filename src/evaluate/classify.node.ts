/** Classifies picture files with the model, labels and pre-processing that a weight file carries. */

import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { SenetError } from "../errors.ts";
import type { CompileOptions, Executable, Executor } from "../executors/executor.ts";
import { decodePicture } from "../images/decode.node.ts";
import { isPictureName } from "../images/format.ts";
import { preprocess } from "../images/preprocess.ts";
import { inferencePasses, runPasses } from "../passes/index.ts";
import { tensor } from "../tensor.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { inferenceGraph, inputName } from "../zoo/index.ts";
import { softmaxRow, topK } from "./metrics.ts";

export interface Prediction {
  readonly label: string;
  readonly index: number;
  readonly probability: number;
}

export interface Classification {
  readonly file: string;
  /** Most probable first. */
  readonly predictions: readonly Prediction[];
}

/** A checkpoint made ready to classify one picture at a time. */
export class Classifier {
  readonly #checkpoint: Checkpoint;
  readonly #network: Executable;

  private constructor(checkpoint: Checkpoint, network: Executable) {
    this.#checkpoint = checkpoint;
    this.#network = network;
  }

  static async create(checkpoint: Checkpoint, executor: Executor, options: CompileOptions = {}): Promise<Classifier> {
    const { model, weights, preprocessing } = checkpoint;
    const graph = inferenceGraph(model, { batch: 1, imageSize: preprocessing.crop });
    const program = runPasses({ graph, weights }, inferencePasses);
    return new Classifier(checkpoint, await executor.compile(program.graph, program.weights, options));
  }

  /** @throws SenetError `data` where the picture cannot be decoded */
  async classify(file: string, top: number): Promise<Classification> {
    const { preprocessing, labels } = this.#checkpoint;
    const { crop } = preprocessing;
    const image = tensor([1, 3, crop, crop], preprocess(await decodePicture(file), preprocessing));
    const outputs = await this.#network.run(new Map([[inputName, image]]));
    const probabilities = softmaxRow(outputs.get("logits")!, 0);
    const predictions = topK(probabilities, top).map((index) => ({
      label: labels[index]!,
      index,
      probability: probabilities[index]!,
    }));
    return { file, predictions };
  }

  async dispose(): Promise<void> {
    await this.#network.dispose();
  }
}

/**
 * Files as they are, folders as the pictures directly in them, sorted.
 * @throws SenetError `data` for a path that is not there or a folder without pictures
 */
export function listPictures(paths: readonly string[]): string[] {
  return paths.flatMap((path) => {
    const found = statSync(path, { throwIfNoEntry: false });
    if (found === undefined) throw new SenetError("data", "there is no such picture or folder", { where: path });
    if (!found.isDirectory()) return [path];
    const pictures = readdirSync(path).filter(isPictureName).sort();
    if (pictures.length === 0) throw new SenetError("data", "there are no pictures in this folder", { where: path });
    return pictures.map((name) => join(path, name));
  });
}
