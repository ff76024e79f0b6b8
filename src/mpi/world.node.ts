/** An MPI job as ranks that train together. */

import { hostname } from "node:os";
import { SenetError } from "../errors.ts";
import { turn } from "../event-loop.ts";
import type { Bucket, Wire } from "../ranks.ts";
import { type BucketHost, MpiBucket } from "./bucket.node.ts";
import type { Job } from "./job.ts";
import { endLauncherIn } from "./launcher.node.ts";
import { endIn, type Handle, type MpiLibrary, ownMemory } from "./library.node.ts";
import { leftOver, processorsOf } from "./processors.node.ts";
import { Watch } from "./watch.node.ts";

/** Facts about a rank. */
interface Place {
  readonly host: string;
  readonly pid: number;
  /** The processors that it may run on, in the system's notation. */
  readonly processors: string;
}

/** Milliseconds for which a wait polls with full processor use; afterwards it yields to the event loop, then pauses. */
const spinning = 0.2;
const turning = 2;
const patient = 500;
const abortSeconds = 4;
/** Number of tags that every library supports. */
const tags = 32_766;

export class World implements Job, BucketHost {
  readonly mpi: MpiLibrary;
  readonly rank: number;
  readonly count: number;
  readonly channel: Handle;
  /** Facts by rank, once exchanged. */
  places: readonly Place[] = [];
  waited = 0;
  /** Communicator for other messages. */
  readonly #telling: Handle;
  #underWay: readonly MpiBucket[] = [];
  readonly #spare: ArrayBuffer[] = [];
  readonly #watch: Watch;

  private constructor(mpi: MpiLibrary) {
    this.mpi = mpi;
    this.rank = mpi.rank();
    this.count = mpi.size();
    this.channel = mpi.duplicate();
    this.#telling = mpi.duplicate();
    this.#watch = new Watch(mpi, this);
  }

  /** @param processors the processors that this process may run on */
  static async open(mpi: MpiLibrary, processors: string): Promise<World> {
    const world = new World(mpi);
    const place: Place = { host: hostname(), pid: process.pid, processors };
    const told = await world.gather(new TextEncoder().encode(JSON.stringify(place)));
    world.places = told.map((bytes) => JSON.parse(new TextDecoder().decode(bytes)) as Place);
    return world;
  }

  name(rank: number): string {
    const place = this.places[rank];
    return place === undefined ? `rank ${rank}` : `rank ${rank} on host ${place.host}`;
  }

  async gather(bytes: Uint8Array): Promise<readonly Uint8Array[]> {
    const lengths = await this.#gatherEqual(new Uint8Array(Float64Array.of(bytes.length).buffer));
    const all = lengths.map((length) => new Float64Array(length.slice().buffer)[0]!);
    const most = Math.max(...all);
    const padded = new Uint8Array(ownMemory(most));
    padded.set(bytes);
    const told = await this.#gatherEqual(padded.subarray(0, most));
    return told.map((own, rank) => own.slice(0, all[rank]));
  }

  async sum(values: Float64Array): Promise<void> {
    const own = new Uint8Array(values.slice().buffer);
    const told = await this.#gatherEqual(own);
    values.fill(0);
    for (const bytes of told) {
      const theirs = new Float64Array(bytes.buffer, bytes.byteOffset, values.length);
      for (let i = 0; i < values.length; i++) values[i] = values[i]! + theirs[i]!;
    }
  }

  bucket(data: Float32Array, wire: Wire, index: number): Bucket {
    return new MpiBucket(this, data, wire, (2 * index) % tags);
  }

  borrow(bytes: number): ArrayBuffer {
    const at = this.#spare.findLastIndex(({ byteLength }) => byteLength >= bytes);
    return at < 0 ? ownMemory(bytes) : this.#spare.splice(at, 1)[0]!;
  }

  giveBack(memory: ArrayBuffer): void {
    this.#spare.push(memory);
  }

  begun(bucket: MpiBucket): void {
    this.#underWay = [...this.#underWay, bucket];
  }

  progress(): void {
    for (const bucket of this.#underWay) bucket.advance();
    this.#underWay = this.#underWay.filter(({ isIdle }) => !isIdle);
  }

  async until(isSo: () => boolean): Promise<void> {
    this.#watch.counted();
    this.progress();
    if (isSo()) return;
    const start = performance.now();
    for (;;) {
      this.progress();
      if (isSo()) break;
      const waited = performance.now() - start;
      if (waited < spinning) continue;
      this.#watch.check();
      if (waited < turning) await turn();
      else await new Promise((resolve) => setTimeout(resolve, waited < patient ? 1 : 5));
    }
    this.waited += performance.now() - start;
  }

  async #gatherEqual(bytes: Uint8Array): Promise<readonly Uint8Array[]> {
    const { length } = bytes;
    // V8 moves small arrays.
    const all = new Uint8Array(ownMemory(length * this.count), 0, length * this.count);
    const told = Array.from({ length: this.count }, (_, rank) => all.subarray(rank * length, (rank + 1) * length));
    const own = told[this.rank]!;
    own.set(bytes);
    const messages = this.mpi.messages(this.#telling, 2 * (this.count - 1));
    for (const [rank, theirs] of told.entries()) if (rank !== this.rank) messages.receive(theirs, rank, 0);
    for (const rank of told.keys()) if (rank !== this.rank) messages.send(own, rank, 0);
    await this.until(() => messages.areDone());
    return told;
  }

  get neighbours(): number {
    const own = this.places[this.rank]!;
    return this.places.filter(({ host, processors }) => host === own.host && processors === own.processors).length;
  }

  get idleProcessors(): number {
    const { host } = this.places[this.rank]!;
    const lists = this.places.filter((place) => place.host === host).map(({ processors }) => processors);
    return leftOver(processorsOf(process.ppid), lists);
  }

  get where(): string {
    const hosts = [...new Set(this.places.map(({ host }) => host))];
    const counts = hosts.map((host) => `${this.places.filter((place) => place.host === host).length} on host ${host}`);
    return `${counts.join(", ")}, by ${this.mpi.version}`;
  }

  get speaks(): boolean {
    const { host } = this.places[this.rank]!;
    return !this.places.slice(0, this.rank).some((place) => place.host === host && isRunning(place.pid));
  }

  async close(): Promise<void> {
    this.#watch.end();
    // Some libraries report unread messages as errors.
    const sent = await this.gather(new Uint8Array(this.#watch.sent.buffer));
    const toHere = sent.map((bytes) => new Float64Array(bytes.buffer)[this.rank]!);
    await this.until(() => this.#watch.hasHeard(toHere));
    this.mpi.finalize();
  }

  abort(code: number): never {
    this.#watch.end();
    // The library's shutdown, and the launcher's, may wait for a host that is gone.
    endIn(abortSeconds);
    endLauncherIn(abortSeconds);
    this.mpi.abort(code);
    process.kill(process.pid, "SIGKILL");
    throw new Error("a process that has ended goes on");
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** @throws SenetError `executor` where the processes are not connected */
export function requireCount(mpi: MpiLibrary, expected: number, launcher: string): void {
  const count = mpi.size();
  if (count === expected) return;
  throw new SenetError("executor", "the MPI library does not belong to the launcher of this job", {
    where: mpi.path,
    expected: `${expected} processes, as ${launcher} says`,
    found: `${count}, by ${mpi.version}`,
    hint: "the mpirun of the same library, or SENET_MPI=path of the launcher's libmpi",
  });
}
