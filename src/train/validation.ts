/** The validation of a run: of its weights and, where it keeps one, of their average. */

import type { Evaluation, EvaluationBatch } from "../evaluate/evaluate.ts";
import { evaluateNetwork } from "../evaluate/network.ts";
import type { Executor, Weights } from "../executors/executor.ts";
import type { Model } from "../zoo/index.ts";
import type { Evaluations } from "./loop.ts";

export interface ValidationOptions {
  readonly executor: Executor;
  readonly model: Model;
  /** As they are whenever it runs. */
  readonly weights: Weights;
  /** The pictures to validate with, each once. */
  readonly batches: () => AsyncIterable<EvaluationBatch>;
  readonly batchSize: number;
  /** How many there are. */
  readonly images: number;
  readonly imageSize: number;
  readonly onFeatures?: boolean | undefined;
  readonly threads?: number;
  readonly signal: AbortSignal;
  /** Pictures done, of all: each counts once for the weights and once for their average. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

export class Validation {
  readonly #options: ValidationOptions;
  #latest: Evaluation | undefined;

  constructor(options: ValidationOptions) {
    this.#options = options;
  }

  /** What the weights that count said last: the average, where there is one. */
  get latest(): Evaluation | undefined {
    return this.#latest;
  }

  /** `undefined` where `signal` stopped it. */
  async run(average: Weights | undefined): Promise<Evaluations | undefined> {
    const { weights, images, signal, onProgress, ...rest } = this.#options;
    const sets = average === undefined ? [weights] : [weights, average];
    const total = sets.length * images;
    const evaluations: Evaluation[] = [];
    try {
      for (const [i, set] of sets.entries()) {
        const evaluated = { ...rest, weights: set, signal };
        evaluations.push(
          await evaluateNetwork({ ...evaluated, onProgress: (done) => onProgress?.(i * images + done, total) }),
        );
      }
    } catch (error) {
      if (signal.aborted && error === signal.reason) return undefined;
      throw error;
    }
    const [ofWeights, ofAverage] = evaluations;
    this.#latest = ofAverage ?? ofWeights;
    return { weights: ofWeights!, ...(ofAverage && { average: ofAverage }) };
  }
}
