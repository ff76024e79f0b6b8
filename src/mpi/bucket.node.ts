/**
 * The sum over all ranks of a piece of memory, in three stages that go on by themselves: each rank gets its share of
 * everybody's numbers, adds them up in the order of the ranks, and gives the sums to all. This sends as much as the best
 * algorithms of a library's own all-reduce. Sums are the same to the last bit wherever a number stands, however memory is
 * divided into buckets, and in every library; and what is sent may be shorter than what is added.
 */

import type { Bucket, Wire } from "../ranks.ts";
import { fromBf16, toBf16 } from "./bf16.ts";
import { type Handle, type MpiLibrary, ownMemory, type Request } from "./library.node.ts";

export interface BucketHost {
  readonly mpi: Pick<MpiLibrary, "allToAll" | "allGather">;
  readonly count: number;
  /** A channel of its own for each stage: on all ranks a channel's calls must come in the same order. */
  readonly channels: Readonly<Record<"scatter" | "gather", Handle>>;
  /** Buckets go on in the order in which they were started. */
  begun(bucket: MpiBucket): void;
  /** Waits, and lets everything go on meanwhile. */
  until(isSo: () => boolean): Promise<void>;
}

export class MpiBucket implements Bucket {
  readonly data: Float32Array;
  readonly #host: BucketHost;
  readonly #isShort: boolean;
  /** Numbers of a share; the last rank's may be filled up. */
  readonly #share: number;
  readonly #shareBytes: number;
  readonly #sent: ArrayBuffer;
  readonly #received: ArrayBuffer;
  readonly #sums: ArrayBuffer;
  stage: "idle" | "scattering" | "gathering" = "idle";
  #request: Request | undefined;

  constructor(host: BucketHost, length: number, wire: Wire) {
    this.#host = host;
    this.#isShort = wire === "bf16";
    this.#share = Math.ceil(length / host.count);
    this.#shareBytes = this.#share * (this.#isShort ? 2 : 4);
    const padded = this.#share * host.count;
    const whole = new Float32Array(ownMemory(4 * padded));
    this.data = whole.subarray(0, length);
    // What is sent as it is needs no copy.
    this.#sent = this.#isShort ? ownMemory(2 * padded) : whole.buffer;
    this.#received = ownMemory(host.count * this.#shareBytes);
    this.#sums = ownMemory(this.#shareBytes);
  }

  start(): void {
    const { mpi, channels } = this.#host;
    if (this.#isShort) toBf16(this.data, new Uint16Array(this.#sent, 0, this.data.length));
    const into = new Uint8Array(this.#received);
    this.#request = mpi.allToAll(channels.scatter, new Uint8Array(this.#sent), this.#shareBytes, into);
    this.stage = "scattering";
    this.#host.begun(this);
  }

  /** @param mayGather whether all buckets before it are that far */
  advance(mayGather: boolean): void {
    if (this.stage === "scattering" && mayGather && this.#request!.isDone()) {
      this.#add();
      const { mpi, channels } = this.#host;
      // What was sent is needed no longer.
      const into = new Uint8Array(this.#isShort ? this.#sent : this.data.buffer);
      this.#request = mpi.allGather(channels.gather, new Uint8Array(this.#sums), this.#shareBytes, into);
      this.stage = "gathering";
    }
    if (this.stage === "gathering" && this.#request!.isDone()) {
      if (this.#isShort) fromBf16(new Uint16Array(this.#sent, 0, this.data.length), this.data, "set");
      this.stage = "idle";
    }
  }

  finish(): Promise<void> {
    return this.#host.until(() => this.stage === "idle");
  }

  #add(): void {
    const { count } = this.#host;
    const length = this.#share;
    if (!this.#isShort) {
      const sums = new Float32Array(this.#sums, 0, length);
      const received = new Float32Array(this.#received, 0, count * length);
      sums.set(received.subarray(0, length));
      for (let rank = 1; rank < count; rank++) {
        const theirs = received.subarray(rank * length, (rank + 1) * length);
        for (let i = 0; i < length; i++) sums[i] = sums[i]! + theirs[i]!;
      }
      return;
    }
    const sums = new Float32Array(length);
    for (let rank = 0; rank < count; rank++) {
      const theirs = new Uint16Array(this.#received, rank * this.#shareBytes, length);
      fromBf16(theirs, sums, rank === 0 ? "set" : "add");
    }
    toBf16(sums, new Uint16Array(this.#sums, 0, length));
  }
}
