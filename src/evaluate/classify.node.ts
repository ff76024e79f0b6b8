/** Classifies pictures in files or in files' bytes, which it decodes. */

import type { CompileOptions, Executor } from "../executors/executor.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { type Classification, PictureClassifier } from "./classify.ts";
import { dataOf, decode, type PictureInput } from "./picture-input.node.ts";

/** A network compiled to classify one picture at a time. */
export class Classifier implements AsyncDisposable {
  readonly #pictures: PictureClassifier;

  private constructor(pictures: PictureClassifier) {
    this.#pictures = pictures;
  }

  static async create(checkpoint: Checkpoint, executor: Executor, options: CompileOptions = {}): Promise<Classifier> {
    return new Classifier(await PictureClassifier.create(checkpoint, executor, { ...options, decode }));
  }

  /**
   * Calls may overlap.
   * @param top number of classes to return
   * @throws SenetError `data` where the picture cannot be decoded; `usage` where `top` is not a positive integer;
   * `executor` after `dispose`
   */
  classify(picture: PictureInput, top = 5): Promise<Classification> {
    return this.#pictures.classify(dataOf(picture), top);
  }

  /** Waits for calls under way, then frees the memory. May be called twice. */
  dispose(): Promise<void> {
    return this.#pictures.dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}
