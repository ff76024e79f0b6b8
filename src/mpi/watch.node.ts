/**
 * Watches whether the other processes still respond. Each sends a message with its progress to all others every half
 * second: MPI itself does not report that another process, or the connection to it, is gone.
 */

import { SenetError } from "../errors.ts";
import { type Messages, type MpiLibrary, ownMemory } from "./library.node.ts";

const everyMilliseconds = 500;
/**
 * Silence after which a process counts as gone; a busy process responds between operations, a thousand times as often.
 */
const silentMilliseconds = 20_000;
/** Tag on the communicator `world`, which is used for nothing else. */
const tag = 1;

interface Peers {
  readonly rank: number;
  readonly count: number;
  name(rank: number): string;
}

interface Peer {
  readonly rank: number;
  /** Time of its last message. */
  heard: number;
  /** Number of waits it has reached. */
  reached: number;
  readonly word: Float64Array;
  readonly sending: Messages;
  sent: number;
  received: number;
}

export class Watch {
  readonly #mpi: MpiLibrary;
  readonly #all: Peers;
  readonly #peers: readonly Peer[];
  readonly #timer: NodeJS.Timeout;
  readonly #parent = process.ppid;
  readonly #incoming = new Float64Array(ownMemory(8));
  #reached = 0;
  #last = performance.now();

  constructor(mpi: MpiLibrary, all: Peers) {
    this.#mpi = mpi;
    this.#all = all;
    const now = performance.now();
    const others = Array.from({ length: all.count }, (_, rank) => rank).filter((rank) => rank !== all.rank);
    this.#peers = others.map((rank) => ({
      rank,
      heard: now,
      reached: 0,
      word: new Float64Array(ownMemory(8)),
      sending: mpi.messages(mpi.world, 1),
      sent: 0,
      received: 0,
    }));
    this.#timer = setInterval(() => this.#tick(), everyMilliseconds);
    this.#timer.unref();
  }

  /** To be called at each wait. */
  counted(): void {
    this.#reached++;
  }

  #tick(): void {
    const now = performance.now();
    // While this process did not listen, it cannot know whether others were silent.
    const deaf = now - this.#last - everyMilliseconds;
    this.#last = now;
    for (const peer of this.#peers) {
      if (deaf > everyMilliseconds) peer.heard += deaf;
      this.#listen(peer);
      if (!peer.sending.areDone()) continue;
      peer.word[0] = this.#reached;
      peer.sending.send(peer.word, peer.rank, tag);
      peer.sent++;
    }
    // The launcher is gone and cannot end this process.
    if (process.ppid !== this.#parent) process.kill(process.pid, "SIGKILL");
  }

  #listen(peer: Peer): void {
    while (this.#mpi.take(this.#incoming, peer.rank, tag)) {
      peer.heard = performance.now();
      peer.reached = this.#incoming[0]!;
      peer.received++;
    }
  }

  /** @throws SenetError `training` where a process that this one waits for is silent */
  check(): void {
    const now = performance.now();
    const silent = this.#peers.filter(({ heard }) => now - heard > silentMilliseconds);
    if (silent.length === 0) return;
    const seconds = Math.round((now - Math.min(...silent.map(({ heard }) => heard))) / 1000);
    throw new SenetError("training", `nothing was heard of it for ${seconds} seconds`, {
      where: silent.map(({ rank }) => this.#all.name(rank)).join(", "),
      hint: "whether that process and its machine are alive, and the network between them",
    });
  }

  /** The ranks with less progress than this process, which it waits for. */
  get behind(): readonly number[] {
    return this.#peers.filter(({ reached }) => reached < this.#reached).map(({ rank }) => rank);
  }

  end(): void {
    clearInterval(this.#timer);
  }

  /** Number of messages sent to each rank, once sending has ended. */
  get sent(): Float64Array {
    const sent = new Float64Array(this.#all.count);
    for (const peer of this.#peers) sent[peer.rank] = peer.sent;
    return sent;
  }

  /** Whether all messages have arrived. @param sent number of messages from each rank */
  hasHeard(sent: readonly number[]): boolean {
    for (const peer of this.#peers) this.#listen(peer);
    return this.#peers.every(({ rank, received, sending }) => received === sent[rank] && sending.areDone());
  }
}
