/** Gradients summed over all ranks: in buckets that are sent while the backward pass still makes the next ones. */

import type { Bucket, Ranks, Wire } from "../ranks.ts";
import type { TensorData } from "../tensor.ts";
import { add } from "./gradient-sum.ts";

export interface ExchangeOptions {
  readonly ranks: Ranks;
  /** What a bucket holds at least, but the last one. Sums do not depend on it. */
  readonly bucketBytes: number;
  readonly wire: Wire;
}

/** What was kept of a gradient, of the same length; nothing, where a step has one batch. */
type KeptOf = (gradient: TensorData) => TensorData | undefined;

interface Sent {
  /** Left as it is until the sums are there: the backward pass may still read it. */
  readonly gradient: TensorData;
  readonly kept: TensorData | undefined;
}

/** Some gradients, one after the other in one piece of memory. */
interface Filled {
  readonly bucket: Bucket;
  readonly sent: readonly Sent[];
}

export class GradientExchange {
  readonly #options: ExchangeOptions;
  readonly #filled: Filled[] = [];
  /** The memory of each bucket, from step to step. */
  readonly #buckets: Bucket[] = [];
  #next: Sent[] = [];
  #nextLength = 0;
  #keptOf: KeptOf | undefined;

  constructor(options: ExchangeOptions) {
    this.#options = options;
  }

  /**
   * @param keptOf what is to be added to a gradient before it is sent; without, nothing is sent: there are more to be added up
   */
  begin(keptOf: KeptOf | undefined): void {
    this.#keptOf = keptOf;
  }

  /** A gradient that the backward pass is done with. It will not change any more, but by `finish`. */
  final(gradient: TensorData): void {
    if (this.#keptOf === undefined) return;
    this.#next.push({ gradient, kept: this.#keptOf(gradient) });
    this.#nextLength += gradient.length;
    if (4 * this.#nextLength >= this.#options.bucketBytes) this.#send();
    else this.#options.ranks.progress();
  }

  /** The sums are where the gradients were. */
  async finish(): Promise<void> {
    if (this.#next.length > 0) this.#send();
    for (const { bucket, sent } of this.#filled) {
      await bucket.finish();
      let start = 0;
      for (const { gradient } of sent) {
        gradient.set(bucket.data.subarray(start, start + gradient.length));
        start += gradient.length;
      }
    }
    this.#filled.length = 0;
  }

  #send(): void {
    const { ranks, wire } = this.#options;
    const index = this.#filled.length;
    if (this.#buckets[index]?.data.length !== this.#nextLength) {
      this.#buckets[index] = ranks.bucket(this.#nextLength, wire);
    }
    const bucket = this.#buckets[index]!;
    let start = 0;
    for (const { gradient, kept } of this.#next) {
      const end = start + gradient.length;
      bucket.data.set(gradient as Float32Array, start);
      if (kept !== undefined) add(kept, bucket.data.subarray(start, end));
      start = end;
    }
    bucket.start();
    this.#filled.push({ bucket, sent: this.#next });
    this.#next = [];
    this.#nextLength = 0;
  }
}
