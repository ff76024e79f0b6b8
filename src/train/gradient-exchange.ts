/** Sums gradients over all ranks in place, a piece at a time, while the backward pass computes the next ones. */

import type { Bucket, Ranks, Wire } from "../ranks.ts";
import type { TensorData } from "../tensor.ts";
import { add } from "./gradient-sum.ts";

export interface ExchangeOptions {
  readonly ranks: Ranks;
  /** Size of a piece; it does not change the sums. */
  readonly bucketBytes: number;
  readonly wire: Wire;
}

/**
 * A piece of the memory with all gradients; all but the last have the same length, whatever the parameters' boundaries.
 */
interface Piece {
  readonly start: number;
  readonly data: Float32Array;
  readonly bucket: Bucket;
  /** How many of its numbers are not final yet. */
  left: number;
}

export class GradientExchange {
  readonly #options: ExchangeOptions;
  /** The engine's gradient memory, as long as it stays the same. */
  #memory: TensorData = new Float32Array(0);
  #pieces: readonly Piece[] = [];
  #isSending = false;
  #kept: TensorData | undefined;

  constructor(options: ExchangeOptions) {
    this.#options = options;
  }

  /**
   * To be called before the backward pass of a step's last batch. Gradients reported without it are not summed.
   * @param kept earlier batches' gradients to add, of the same length
   */
  begin(kept?: TensorData): void {
    this.#isSending = true;
    this.#kept = kept;
    for (const piece of this.#pieces) piece.left = piece.data.length;
  }

  /**
   * Reports a gradient that the engine has finished. @param gradient a part of `memory`, which may be another engine's
   * than in the last step
   */
  final(gradient: TensorData, memory: TensorData): void {
    if (!this.#isSending) return;
    if (memory.buffer !== this.#memory.buffer || memory.byteOffset !== this.#memory.byteOffset) this.#divide(memory);
    const from = (gradient.byteOffset - memory.byteOffset) / memory.BYTES_PER_ELEMENT;
    const to = from + gradient.length;
    const { length } = this.#pieces[0]!.data;
    for (const piece of this.#pieces.slice(Math.floor(from / length), Math.ceil(to / length))) {
      piece.left -= Math.min(to, piece.start + length) - Math.max(from, piece.start);
      if (piece.left === 0) this.#send(piece);
    }
    this.#options.ranks.progress();
  }

  /** @returns whether the gradients now are the sums, which is so if `begin` was called */
  async finish(): Promise<boolean> {
    if (!this.#isSending) return false;
    this.#isSending = false;
    for (const { left, bucket } of this.#pieces) {
      if (left > 0) throw new Error("an engine was not done with all gradients");
      await bucket.finish();
    }
    return true;
  }

  #divide(memory: TensorData): void {
    const { ranks, wire, bucketBytes } = this.#options;
    this.#memory = memory;
    const count = Math.ceil(memory.byteLength / bucketBytes);
    const length = Math.ceil(memory.length / count);
    this.#pieces = Array.from({ length: count }, (_, i) => {
      const start = i * length;
      const data = memory.subarray(start, start + length) as Float32Array;
      return { start, data, bucket: ranks.bucket(data, wire, i), left: data.length };
    });
  }

  #send({ start, data, bucket }: Piece): void {
    if (this.#kept !== undefined) add(this.#kept.subarray(start, start + data.length), data);
    bucket.start();
  }
}
