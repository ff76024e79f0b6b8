/** Validation during a run: of its weights and, if it keeps one, of their average. */

import type { Evaluation, EvaluationBatch, PictureLoss } from "../evaluate/evaluate.ts";
import { evaluateNetwork } from "../evaluate/network.ts";
import { unlessAborted } from "../event-loop.ts";
import type { Executor, Weights } from "../executors/executor.ts";
import { alone, type Ranks } from "../ranks.ts";
import type { Model } from "../zoo/index.ts";
import type { Evaluations } from "./loop.ts";
import { shared } from "./validation-shares.ts";

export interface ValidationOptions {
  readonly executor: Executor;
  readonly model: Model;
  /** The current weights, each time it runs. */
  readonly weights: Weights;
  /** The validation pictures, or this rank's part of them, each once. */
  readonly batches: () => AsyncIterable<EvaluationBatch>;
  readonly batchSize: number;
  /** Default: this process is alone. */
  readonly ranks?: Ranks | undefined;
  /** Number of validation pictures. */
  readonly images: number;
  readonly imageSize: number;
  readonly onFeatures?: boolean | undefined;
  /** The loss that the run lowers; default: cross-entropy. */
  readonly lossOf?: PictureLoss | undefined;
  readonly threads?: number | undefined;
  readonly signal: AbortSignal;
  /**
   * Called with the number of pictures done and in all; each counts once for the weights and once for their average.
   */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

export class Validation {
  readonly #options: ValidationOptions;
  #latest: Evaluation | undefined;

  constructor(options: ValidationOptions) {
    this.#options = options;
  }

  /** The last evaluation of the weights that count: the average's if there is one. */
  get latest(): Evaluation | undefined {
    return this.#latest;
  }

  /** Validates; `undefined` if `signal` stopped it. */
  async run(average: Weights | undefined): Promise<Evaluations | undefined> {
    const { weights, images, onProgress, ranks = alone, model } = this.#options;
    const sets = average === undefined ? [weights] : [weights, average];
    const total = sets.length * images;
    const evaluations: Evaluation[] = [];
    for (const [i, set] of sets.entries()) {
      const own = await this.#own(set, (done) => onProgress?.(Math.min(total, i * images + ranks.count * done), total));
      const evaluation = ranks.count === 1 ? own : await shared(ranks, own?.predictions, model.classes);
      if (evaluation === undefined) return undefined;
      evaluations.push(evaluation);
    }
    const [ofWeights, ofAverage] = evaluations;
    this.#latest = ofAverage ?? ofWeights;
    return { weights: ofWeights!, ...(ofAverage && { average: ofAverage }) };
  }

  /** Validates this process's part; `undefined` if `signal` stopped it. */
  #own(weights: Weights, onProgress: (done: number) => void): Promise<Evaluation | undefined> {
    const { ranks: _, images: __, ...rest } = this.#options;
    return unlessAborted(rest.signal, evaluateNetwork({ ...rest, weights, onProgress }));
  }
}
