/** The plan of a graph: steps in order over buffers, built first and bound to memory and primitives' calls at the end. */

import { option, SenetError } from "../../errors.ts";
import { type Shape, sizeOf } from "../../tensor.ts";
import type { Api, Primitive } from "./api.node.ts";
import { aligned, alignment, planArena, root, type Slot } from "./arena.ts";
import { addressOf, adviseHugePages, type Handle, hugePage } from "./library.node.ts";
import {
  Arg,
  type ChannelBlock,
  type Desc,
  type ElementType,
  type Layout,
  layoutOf,
  type PlanLayout,
  type Spec,
  type Standing,
} from "./spec.ts";

/** A value in memory. */
export interface Place {
  readonly slot: Slot;
  readonly desc: Desc;
  /** Where it begins in the buffer, in bytes; absent: at its beginning. */
  readonly offset?: number;
  /** One part of the batch in the buffer of all: how far the next part is, in bytes. */
  readonly stride?: number;
}

/** A primitive's arguments by their numbers (`Arg`); those that are undefined are left out. */
export type Arguments = Readonly<Record<number, Place | undefined>>;

/** A result that may take over the memory of the first of these that nobody needs any longer. */
interface InPlace {
  readonly of: Place;
  readonly from: readonly Place[];
}

/** Something that runs: a primitive, or a function of ours over small arrays. */
interface Step {
  readonly name: string;
  readonly primitive?: { readonly primitive: Primitive; readonly args: ReadonlyMap<number, Place> };
  readonly host?: () => void;
  /** What others have to be waited for. */
  readonly wait?: () => Promise<void>;
  readonly reads: readonly Slot[];
  readonly writes: readonly Slot[];
  readonly inPlace?: InPlace;
}

/**
 * What runs besides the graph itself, over memory that stays: `load` once, before the first run (weights into the
 * primitives' layouts); in training `check` after each run (whether gradients are finite), `update` then (the optimiser)
 * and `store` when the weights are asked for.
 */
export type Phase = "load" | "check" | "update" | "store";

export interface BoundPlan {
  /** The graph, in order. */
  readonly steps: readonly BoundStep[];
  readonly aside: Readonly<Record<Phase, readonly BoundStep[]>>;
  readonly arenaBytes: number;
  /** See `PlanFacts`. */
  readonly layout: string;
  /** The reorders of activations that are left, by the operations that wanted them. */
  readonly reorders: readonly string[];
}

export interface BoundStep {
  readonly name: string;
  /** For people: the primitive, or that it is ours. */
  readonly kind: string;
  /** Gives the library's status: 0 is success. A promise only where others are waited for. */
  run(): number | Promise<number>;
}

export class PlanBuilder {
  readonly api: Api;
  readonly standing: Standing;
  readonly reorders: string[] = [];
  readonly #descs = new Map<string, Desc>();
  readonly #steps: Step[] = [];
  /** How many of the first steps run for one part of the batch after the other, and for how many parts. */
  #repeated = { steps: 0, parts: 1 };
  readonly #aside: Readonly<Record<Phase, Step[]>> = { load: [], check: [], update: [], store: [] };
  readonly #slots: Slot[] = [];
  /** Views of placed buffers that steps of ours asked for. */
  readonly #views: (() => void)[] = [];

  constructor(api: Api, layout: PlanLayout) {
    this.api = api;
    this.standing = { layout, block: api.block };
  }

  /** Channels that fill a vector. */
  get block(): ChannelBlock {
    return this.standing.block;
  }

  /** Where the value of an operation stays between operations. */
  layoutOf(shape: Shape): Layout {
    return layoutOf(shape, this.standing);
  }

  describe(dims: Shape, type: ElementType, layout: Layout): Desc {
    // A description of no extents is of one number.
    const extents = dims.length === 0 ? [1] : dims;
    const key = `${extents.join("x")} ${type} ${layout}`;
    let desc = this.#descs.get(key);
    if (desc === undefined) {
      desc = this.api.describe(extents, type, layout);
      this.#descs.set(key, desc);
    }
    return desc;
  }

  /** A new value of the arena. */
  place(desc: Desc): Place {
    const slot: Slot = { bytes: this.api.sizeOf(desc) };
    this.#slots.push(slot);
    return { slot, desc };
  }

  /** A value over memory that stays: `data` itself, or fresh. */
  fixed(desc: Desc, data?: ArrayBufferView): Place {
    const bytes = this.api.sizeOf(desc);
    const fixed =
      data === undefined ? this.memory(bytes) : new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    return { slot: { bytes, fixed }, desc };
  }

  /** Zeros that begin at a cache line and stay. @throws SenetError `executor` where there is no such memory */
  memory(bytes: number): Uint8Array {
    const { buffer, start } = alignedMemory(bytes);
    return new Uint8Array(buffer, start, bytes);
  }

  /** The same memory under another description. */
  as(place: Place, desc: Desc): Place {
    return { ...place, desc };
  }

  /** The `index`-th of the parts, each of this description, that a value is made of. */
  part(place: Place, desc: Desc, index: number): Place {
    return { ...place, desc, offset: (place.offset ?? 0) + index * this.api.sizeOf(desc) };
  }

  /** What the steps that are repeated see of a value of the whole batch: each time the next part of it. */
  partEach({ slot }: Place, desc: Desc): Place {
    return { slot, desc, stride: this.api.sizeOf(desc) };
  }

  /** Lets the steps that `build` adds, the plan's first ones, run for so many parts of the batch, one after the other. */
  repeat(parts: number, build: () => void): void {
    if (this.#steps.length > 0) throw new Error("onednn: only a plan's first steps are repeated");
    build();
    this.#repeated = { steps: this.#steps.length, parts };
  }

  run(name: string, primitive: Primitive, reads: Arguments, writes: Arguments, inPlace?: InPlace): void {
    this.#steps.push(nativeStep(name, primitive, reads, writes, inPlace));
  }

  /** All of its memory is fixed: the arena's belongs to the graph. */
  aside(phase: Phase, name: string, primitive: Primitive, reads: Arguments, writes: Arguments): void {
    this.#aside[phase].push(nativeStep(name, primitive, reads, writes));
  }

  asideHost(phase: Phase, name: string, run: () => void): void {
    this.#aside[phase].push({ name, host: run, reads: [], writes: [] });
  }

  host(name: string, reads: readonly Place[], writes: readonly Place[], run: () => void): void {
    const slotOf = ({ slot }: Place) => slot;
    this.#steps.push({ name, host: run, reads: reads.map(slotOf), writes: writes.map(slotOf) });
  }

  /** The same of what has to wait for others. */
  wait(name: string, reads: readonly Place[], writes: readonly Place[], wait: () => Promise<void>): void {
    const slotOf = ({ slot }: Place) => slot;
    this.#steps.push({ name, wait, reads: reads.map(slotOf), writes: writes.map(slotOf) });
  }

  /** A float32 value as an array of ours, which is there once the plan is bound. */
  array({ slot, desc, stride }: Place): { readonly data: Float32Array } {
    if (stride !== undefined) throw new Error("onednn: an array does not move on from part to part");
    const view: { data: Float32Array } = { data: new Float32Array(0) };
    this.#views.push(() => {
      const { buffer, byteOffset } = root(slot).fixed!;
      view.data = new Float32Array(buffer, byteOffset, sizeOf(desc.dims));
    });
    return view;
  }

  /** The value in a wanted description: itself, or a copy by a reorder, which the plan shows. */
  reordered(name: string, place: Place, wanted: Desc): Place {
    if (this.api.isEqual(place.desc, wanted)) return place;
    const into = this.place(wanted);
    this.copy(name, place, into);
    return into;
  }

  /** Layout or type may differ. */
  copy(name: string, from: Place, into: Place): void {
    this.copyWeight(name, from, into);
    this.reorders.push(name);
  }

  /** The same of weights and their gradients, which are no activations. */
  copyWeight(name: string, from: Place, into: Place): void {
    const spec: Spec = { primitive: "reorder", src: from.desc, dst: into.desc };
    this.run(name, this.api.primitive(name, spec), { [Arg.src]: from }, { [Arg.dst]: into });
  }

  /** The place of the last step that reads this memory or writes to it; −1 where none does. */
  lastUse({ slot }: Place): number {
    return this.#steps.findLastIndex(({ reads, writes }) => reads.includes(slot) || writes.includes(slot));
  }

  /** Gives every buffer its memory, and every step its call. */
  bind(): BoundPlan {
    this.#live();
    const arena = planArena(this.#slots);
    const { buffer, start } = alignedMemory(aligned(arena.bytes));
    for (const [slot, offset] of arena.offsets) slot.fixed = new Uint8Array(buffer, start + offset, slot.bytes);
    for (const slot of this.#slots) if (slot.fixed === undefined) slot.fixed = root(slot).fixed ?? empty;
    for (const view of this.#views) view();
    const memories = new Map<Desc, Map<Handle, Handle>>();
    const memoryOf = ({ slot, desc, offset = 0, stride = 0 }: Place, part: number): Handle => {
      const address = addressOf(root(slot).fixed!) + BigInt(offset + part * stride);
      const known = memories.get(desc) ?? new Map<Handle, Handle>();
      const memory = known.get(address) ?? this.api.memory(desc, address);
      memories.set(desc, known.set(address, memory));
      return memory;
    };
    const boundOf = ({ name, primitive, host, wait }: Step, part: number): BoundStep => {
      if (wait !== undefined) return { name, kind: "waiting for others", run: () => wait().then(() => 0) };
      if (primitive === undefined) {
        const run = () => {
          host!();
          return 0;
        };
        return { name, kind: "in TypeScript", run };
      }
      const args = new Map([...primitive.args].map(([arg, place]) => [arg, memoryOf(place, part)]));
      const call = this.api.call(primitive.primitive, args);
      return { name, kind: primitive.primitive.kind, run: call };
    };
    const bound = (step: Step) => boundOf(step, 0);
    const { load, check, update, store } = this.#aside;
    const { steps, parts } = this.#repeated;
    const repeated = Array.from({ length: parts }, (_, part) =>
      this.#steps.slice(0, steps).map((step) => boundOf(step, part)),
    );
    return {
      steps: [...repeated.flat(), ...this.#steps.slice(steps).map(bound)],
      aside: { load: load.map(bound), check: check.map(bound), update: update.map(bound), store: store.map(bound) },
      arenaBytes: arena.bytes,
      layout: `${this.standing.layout} ${this.standing.block ?? ""}`,
      reorders: this.reorders,
    };
  }

  /** Lifetimes, and who takes over whose memory. */
  #live(): void {
    const lastRead = new Map<Slot, number>();
    this.#steps.forEach(({ reads, writes }, index) => {
      for (const slot of [...reads, ...writes]) lastRead.set(slot, index);
    });
    this.#steps.forEach(({ reads, writes, inPlace }, index) => {
      if (inPlace !== undefined) {
        const { of, from } = inPlace;
        const donor = from.find(
          ({ slot, desc, stride }) =>
            stride === undefined &&
            lastRead.get(slot) === index &&
            root(slot).fixed === undefined &&
            this.api.isEqual(desc, of.desc),
        );
        // Only once: a buffer has one heir, and a result one donor.
        const isFree = of.slot.fixed === undefined && of.slot.first === undefined && of.stride === undefined;
        if (donor !== undefined && isFree) {
          of.slot.sameAs = root(donor.slot);
        }
      }
      for (const slot of [...reads, ...writes]) {
        const owner = root(slot);
        owner.first = Math.min(owner.first ?? index, index);
        owner.last = Math.max(owner.last ?? index, lastRead.get(slot)!);
      }
    });
    // What a part leaves behind has to stay while the next ones run.
    const { steps } = this.#repeated;
    for (const { primitive } of this.#steps.slice(0, steps)) {
      for (const { slot, stride } of primitive?.args.values() ?? []) {
        if (stride === undefined) continue;
        const owner = root(slot);
        owner.first = 0;
        owner.last = Math.max(owner.last!, steps - 1);
      }
    }
  }
}

const empty = new Uint8Array(0);

function nativeStep(name: string, primitive: Primitive, reads: Arguments, writes: Arguments, inPlace?: InPlace): Step {
  const args = new Map<number, Place>();
  const slots = (places: Arguments) =>
    Object.entries(places).flatMap(([arg, place]) => {
      if (place === undefined) return [];
      args.set(Number(arg), place);
      return [place.slot];
    });
  const step = { name, primitive: { primitive, args }, reads: slots(reads), writes: slots(writes) };
  return inPlace === undefined ? step : { ...step, inPlace };
}

/** A typed array cannot be as long as memory may be; its buffer can. */
function alignedMemory(bytes: number): { readonly buffer: ArrayBuffer; readonly start: number } {
  try {
    const isLarge = bytes >= hugePage;
    const boundary = isLarge ? hugePage : alignment;
    const buffer = new ArrayBuffer(bytes + boundary);
    const address = addressOf(new Uint8Array(buffer, 0, 1));
    const over = Number(address % BigInt(boundary));
    const start = over === 0 ? 0 : boundary - over;
    if (isLarge) adviseHugePages(address + BigInt(start), bytes);
    return { buffer, start };
  } catch (cause) {
    throw new SenetError("executor", "there is not enough memory for the plan", {
      expected: `${(bytes / 2 ** 20).toFixed(0)} MiB in one piece`,
      hint: `a smaller batch, or ${option("recompute")}`,
      cause,
    });
  }
}
