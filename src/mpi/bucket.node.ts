/**
 * The sum over all ranks of a piece of memory, where it lies, in two exchanges that go on by themselves: each rank gets its
 * share of everybody's numbers, adds them up in the order of the ranks, and gives the sums to all. This sends as much as the
 * best algorithms of a library's own all-reduce, and copies nothing besides. Sums are the same to the last bit wherever a
 * number stands, however memory is divided into buckets, and in every library; and what is sent may be shorter than what is
 * added.
 */

import type { Bucket, Wire } from "../ranks.ts";
import { fromBf16, toBf16 } from "./bf16.ts";
import type { Handle, Messages, MpiLibrary } from "./library.node.ts";

export interface BucketHost {
  readonly mpi: Pick<MpiLibrary, "messages" | "add">;
  readonly rank: number;
  readonly count: number;
  /** Where nobody else sends. */
  readonly channel: Handle;
  /** For what comes in, and is soon given back: memory that is used again and again stays in the processor's cache. */
  borrow(bytes: number): ArrayBuffer;
  giveBack(memory: ArrayBuffer): void;
  begun(bucket: MpiBucket): void;
  /** Waits, and lets everything go on meanwhile. */
  until(isSo: () => boolean): Promise<void>;
}

/** A part of the memory, and what travels of it. */
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
  /** What has come in, by the rank that it is from: each has this rank's share. */
  #received: readonly (Float32Array | Uint16Array)[] = [];
  #borrowed: ArrayBuffer | undefined;
  #stage: "idle" | "scattering" | "gathering" = "idle";

  /**
   * @param data begins in a buffer that stays where it is
   * @param tag and the one after it: no other bucket that is under way has them, and on all ranks the same one has
   */
  constructor(host: BucketHost, data: Float32Array, wire: Wire, tag: number) {
    this.#host = host;
    this.#tag = tag;
    const size = Math.ceil(data.length / host.count);
    const shares = Array.from({ length: host.count }, (_, rank): Share => {
      const numbers = data.subarray(rank * size, (rank + 1) * size);
      // What is sent as it is needs no copy.
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

  /** All that this rank has got of its share, and its own, in the order of the ranks. */
  #add(): void {
    const own = this.#own;
    // As the others' numbers are by now.
    encode(own);
    decode(own);
    const theirs = this.#received.map((part) => (part instanceof Uint16Array ? decoded(part) : part));
    const { mpi } = this.#host;
    // Of two numbers the sum is the same whichever comes first.
    const [first, ...before] = theirs.slice(0, own.rank);
    if (first !== undefined) {
      for (const part of before) mpi.add(part, first);
      mpi.add(first, own.numbers);
    }
    for (const part of theirs.slice(own.rank)) mpi.add(part, own.numbers);
    // All have what travels.
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
