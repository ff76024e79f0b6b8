/** Gradients summed over all ranks: in buckets that are sent while the backward pass still makes the next ones. */

import type { Bucket, Ranks, Wire } from "../ranks.ts";
import type { TensorData } from "../tensor.ts";

export interface ExchangeOptions {
  readonly ranks: Ranks;
  /** What a bucket holds at least, but the last one. Sums do not depend on it. */
  readonly bucketBytes: number;
  readonly wire: Wire;
}

/** Some gradients, one after the other in one piece of memory. */
interface Filled {
  readonly bucket: Bucket;
  readonly gradients: readonly TensorData[];
}

export class GradientExchange {
  readonly #options: ExchangeOptions;
  readonly #filled: Filled[] = [];
  /** The memory of each bucket, from step to step. */
  readonly #buckets: Bucket[] = [];
  #next: TensorData[] = [];
  #nextLength = 0;
  #isEarly = false;

  constructor(options: ExchangeOptions) {
    this.#options = options;
  }

  /** @param isEarly whether gradients may be sent as soon as they are final: not where others are still added to them */
  begin(isEarly: boolean): void {
    this.#isEarly = isEarly;
  }

  /** A gradient that the backward pass is done with. */
  final(gradient: TensorData): void {
    if (this.#isEarly) this.add(gradient);
  }

  /** These will not change any more, but by `finish`: they may be sent. */
  add(gradient: TensorData): void {
    this.#next.push(gradient);
    this.#nextLength += gradient.length;
    if (4 * this.#nextLength >= this.#options.bucketBytes) this.#send();
    else this.#options.ranks.progress();
  }

  /** The same of all at once, in any layout. */
  addAll(gradients: readonly TensorData[]): void {
    const length = Math.max(1, Math.ceil(this.#options.bucketBytes / 4));
    for (const gradient of gradients) {
      for (let start = 0; start < gradient.length; start += length) this.add(gradient.subarray(start, start + length));
    }
  }

  /** The sums are where the gradients were. */
  async finish(): Promise<void> {
    if (this.#next.length > 0) this.#send();
    for (const { bucket, gradients } of this.#filled) {
      await bucket.finish();
      let start = 0;
      for (const gradient of gradients) {
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
    for (const gradient of this.#next) {
      bucket.data.set(gradient as Float32Array, start);
      start += gradient.length;
    }
    bucket.start();
    this.#filled.push({ bucket, gradients: this.#next });
    this.#next = [];
    this.#nextLength = 0;
  }
}
