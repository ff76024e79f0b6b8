/** Classifies pictures in files and in the bytes of files, which it decodes. */

import type { CompileOptions, Executor } from "../executors/executor.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { type Classification, PictureClassifier } from "./classify.ts";
import { dataOf, decode, type PictureInput } from "./picture-input.node.ts";

/** A checkpoint made ready to classify one picture at a time. */
export class Classifier implements AsyncDisposable {
  readonly #pictures: PictureClassifier;

  private constructor(pictures: PictureClassifier) {
    this.#pictures = pictures;
  }

  static async create(checkpoint: Checkpoint, executor: Executor, options: CompileOptions = {}): Promise<Classifier> {
    return new Classifier(await PictureClassifier.create(checkpoint, executor, { ...options, decode }));
  }

  /**
   * May be asked for several pictures at once.
   * @param top how many classes to name
   * @throws SenetError `data` where the picture cannot be decoded, `usage` where `top` is no count, `executor` after
   * `dispose`
   */
  classify(picture: PictureInput, top = 5): Promise<Classification> {
    return this.#pictures.classify(dataOf(picture), top);
  }

  /** Frees its memory, once what is being classified has been. A second time is fine. */
  dispose(): Promise<void> {
    return this.#pictures.dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}
