/**
 * Sums a piece of memory over all ranks, in place, by two non-blocking exchanges: each rank receives its share of all
 * ranks' numbers, adds them in the order of the ranks, and sends the sums to all. This sends as much as the best
 * all-reduce algorithms, without extra copies. The results are the same to the last bit for any division into buckets
 * and any library, and numbers can be sent in a shorter format than they are added in.
 */

import type { Bucket, Wire } from "../ranks.ts";
import { fromBf16, toBf16 } from "./bf16.ts";
import type { Handle, Messages, MpiLibrary } from "./library.node.ts";

export interface BucketHost {
  readonly mpi: Pick<MpiLibrary, "messages" | "add">;
  readonly rank: number;
  readonly count: number;
  /** A communicator of its own. */
  readonly channel: Handle;
  /** Borrows memory for received numbers; reused memory stays in the processor's cache. */
  borrow(bytes: number): ArrayBuffer;
  giveBack(memory: ArrayBuffer): void;
  begun(bucket: MpiBucket): void;
  /** Waits, while everything else proceeds. */
  until(isSo: () => boolean): Promise<void>;
}

/** A part of the memory, and what is sent of it. */
interface Share {
  readonly rank: number;
  readonly numbers: Float32Array;
  readonly sent: Float32Array | Uint16Array;
}

export class MpiBucket implements Bucket {
  readonly #host: BucketHost;
  readonly #tag: number;
  readonly #own: Share;
  readonly #others: readonly Share[];
  readonly #messages: Messages;
  /** Received numbers by sending rank: their values for this rank's share. */
  #received: readonly (Float32Array | Uint16Array)[] = [];
  #borrowed: ArrayBuffer | undefined;
  #stage: "idle" | "scattering" | "gathering" = "idle";

  /**
   * @param data memory that does not move
   * @param tag this tag and the next are used; no other active bucket may have them, and all ranks must use the same
   */
  constructor(host: BucketHost, data: Float32Array, wire: Wire, tag: number) {
    this.#host = host;
    this.#tag = tag;
    const size = Math.ceil(data.length / host.count);
    const shares = Array.from({ length: host.count }, (_, rank): Share => {
      const numbers = data.subarray(rank * size, (rank + 1) * size);
      // Numbers sent as float32 need no copy.
      return { rank, numbers, sent: wire === "bf16" ? new Uint16Array(numbers.length) : numbers };
    });
    this.#own = shares[host.rank]!;
    this.#others = shares.filter((share) => share !== this.#own);
    this.#messages = host.mpi.messages(host.channel, 2 * this.#others.length);
  }

  get isIdle(): boolean {
    return this.#stage === "idle";
  }

  start(): void {
    const { numbers, sent } = this.#own;
    const size = sent.BYTES_PER_ELEMENT * numbers.length;
    const memory = this.#host.borrow(size * this.#others.length);
    this.#borrowed = memory;
    const Kind = sent instanceof Uint16Array ? Uint16Array : Float32Array;
    this.#received = this.#others.map((_, i) => new Kind(memory, i * size, numbers.length));
    for (const [i, { rank }] of this.#others.entries()) this.#messages.receive(this.#received[i]!, rank, this.#tag);
    for (const share of this.#others) {
      encode(share);
      this.#messages.send(share.sent, share.rank, this.#tag);
    }
    this.#stage = "scattering";
    this.#host.begun(this);
  }

  advance(): void {
    if (this.#stage === "scattering" && this.#messages.areDone()) {
      this.#add();
      this.#host.giveBack(this.#borrowed!);
      for (const { sent, rank } of this.#others) this.#messages.receive(sent, rank, this.#tag + 1);
      for (const { rank } of this.#others) this.#messages.send(this.#own.sent, rank, this.#tag + 1);
      this.#stage = "gathering";
    }
    if (this.#stage === "gathering" && this.#messages.areDone()) {
      for (const share of this.#others) decode(share);
      this.#stage = "idle";
    }
  }

  finish(): Promise<void> {
    return this.#host.until(() => this.#stage === "idle");
  }

  /** Adds all values for this rank's share in the order of the ranks. */
  #add(): void {
    const own = this.#own;
    // Rounds own numbers as the others' were.
    encode(own);
    decode(own);
    const theirs = this.#received.map((part) => (part instanceof Uint16Array ? decoded(part) : part));
    const { mpi } = this.#host;
    // The sum of two numbers does not depend on their order.
    const [first, ...before] = theirs.slice(0, own.rank);
    if (first !== undefined) {
      for (const part of before) mpi.add(part, first);
      mpi.add(first, own.numbers);
    }
    for (const part of theirs.slice(own.rank)) mpi.add(part, own.numbers);
    // Keeps what the others receive.
    encode(own);
    decode(own);
  }
}

function encode({ numbers, sent }: Share): void {
  if (sent instanceof Uint16Array) toBf16(numbers, sent);
}

function decode({ numbers, sent }: Share): void {
  if (sent instanceof Uint16Array) fromBf16(sent, numbers);
}

function decoded(part: Uint16Array): Float32Array {
  const numbers = new Float32Array(part.length);
  fromBf16(part, numbers);
  return numbers;
}
