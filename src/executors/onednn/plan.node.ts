/**
 * The plan of a graph: a sequence of steps over buffers. It is built first, and bound to memory and primitive calls at
 * the end.
 */

import { memoryAddress } from "../../c-library.node.ts";
import { option, SenetError } from "../../errors.ts";
import { adviseHugePages, attainableMemory, hugePage, offsetToBoundary } from "../../memory.node.ts";
import { type Shape, sizeOf } from "../../tensor.ts";
import type { Api, Primitive } from "./api.node.ts";
import { aligned, alignment, planArena, root, type Slot } from "./arena.ts";
import type { Handle } from "./library.node.ts";
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
  /** Start in the buffer, in bytes; default: 0. */
  readonly offset?: number;
  /** For one part of the batch in the buffer of the whole: distance to the next part, in bytes. */
  readonly stride?: number;
}

/** A primitive's arguments by number (`Arg`); undefined ones are left out. */
export type Arguments = Readonly<Record<number, Place | undefined>>;

/** A result that may take over the memory of the first of these values that is no longer needed. */
interface InPlace {
  readonly of: Place;
  readonly from: readonly Place[];
}

/** A step: a primitive, or our own function on small arrays. */
interface Step {
  readonly name: string;
  readonly primitive?: { readonly primitive: Primitive; readonly args: ReadonlyMap<number, Place> };
  readonly host?: () => void;
  /** Set if the step waits for other processes. */
  readonly wait?: () => Promise<void>;
  readonly reads: readonly Slot[];
  readonly writes: readonly Slot[];
  readonly inPlace?: InPlace;
}

/**
 * Steps outside the graph, on permanent memory: `load` once before the first run (converts weights to the primitives'
 * layouts); in training `check` after each run (whether gradients are finite), then `update` (the optimiser), and
 * `store` when the weights are read back.
 */
export type Phase = "load" | "check" | "update" | "store";

export interface BoundPlan {
  /** The graph, in order. */
  readonly steps: readonly BoundStep[];
  readonly aside: Readonly<Record<Phase, readonly BoundStep[]>>;
  readonly arenaBytes: number;
  /** See `PlanFacts`. */
  readonly layout: string;
  /** See `PlanFacts`. */
  readonly reorders: readonly string[];
  readonly reorderedBytes: number;
}

/** A conversion of an activation's layout, or its type. */
export interface Reorder {
  /** The operation that needs it. */
  readonly name: string;
  readonly src: Desc;
  readonly dst: Desc;
  /** The step's index. */
  readonly step: number;
}

export interface BoundStep {
  readonly name: string;
  /** Description: the primitive's kind, or that it is our own function. */
  readonly kind: string;
  /** Returns the library's status, 0 for success; a promise only if it waits for others. */
  run(): number | Promise<number>;
}

export class PlanBuilder {
  readonly api: Api;
  readonly standing: Standing;
  readonly reorders: Reorder[] = [];
  readonly #descs = new Map<string, Desc>();
  readonly #steps: Step[] = [];
  /** How many of the first steps are repeated for parts of the batch, and the number of parts. */
  #repeated = { steps: 0, parts: 1 };
  readonly #aside: Readonly<Record<Phase, Step[]>> = { load: [], check: [], update: [], store: [] };
  readonly #slots: Slot[] = [];
  /** Views of buffers requested by our own steps, set once buffers are placed. */
  readonly #views: (() => void)[] = [];

  constructor(api: Api, layout: PlanLayout) {
    this.api = api;
    this.standing = { layout, block: api.block };
  }

  /** Number of channels that fill a vector. */
  get block(): ChannelBlock {
    return this.standing.block;
  }

  /** Layout of a value between operations. */
  layoutOf(shape: Shape): Layout {
    return layoutOf(shape, this.standing);
  }

  describe(dims: Shape, type: ElementType, layout: Layout): Desc {
    // oneDNN describes a scalar with one dimension.
    const extents = dims.length === 0 ? [1] : dims;
    const key = `${extents.join("x")} ${type} ${layout}`;
    let desc = this.#descs.get(key);
    if (desc === undefined) {
      desc = this.api.describe(extents, type, layout);
      this.#descs.set(key, desc);
    }
    return desc;
  }

  /** Allocates a value in the arena. */
  place(desc: Desc): Place {
    const slot: Slot = { bytes: this.api.sizeOf(desc) };
    this.#slots.push(slot);
    return { slot, desc };
  }

  /** A value in permanent memory: `data` itself, or newly allocated. */
  fixed(desc: Desc, data?: ArrayBufferView): Place {
    const bytes = this.api.sizeOf(desc);
    const fixed =
      data === undefined ? this.memory(bytes) : new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    return { slot: { bytes, fixed }, desc };
  }

  /** Permanent zeroed memory, aligned to cache lines. @throws SenetError `executor` where there is not enough memory */
  memory(bytes: number): Uint8Array {
    const { buffer, start } = alignedMemory(bytes);
    return new Uint8Array(buffer, start, bytes);
  }

  /** The same memory under another description. */
  as(place: Place, desc: Desc): Place {
    return { ...place, desc };
  }

  /** Part `index` of a value that is made of parts with this description. */
  part(place: Place, desc: Desc, index: number): Place {
    return { ...place, desc, offset: (place.offset ?? 0) + index * this.api.sizeOf(desc) };
  }

  /** The view that repeated steps have of a value of the whole batch: the next part each time. */
  partEach({ slot }: Place, desc: Desc): Place {
    return { slot, desc, stride: this.api.sizeOf(desc) };
  }

  /** Repeats the steps that `build` adds, which must be the plan's first, for each of `parts` parts of the batch. */
  repeat(parts: number, build: () => void): void {
    if (this.#steps.length > 0) throw new Error("onednn: only a plan's first steps are repeated");
    build();
    this.#repeated = { steps: this.#steps.length, parts };
  }

  run(name: string, primitive: Primitive, reads: Arguments, writes: Arguments, inPlace?: InPlace): void {
    this.#steps.push(nativeStep(name, primitive, reads, writes, inPlace));
  }

  /** Adds a step to a phase. All its memory must be permanent: the arena belongs to the graph. */
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

  /** Adds a step that waits for other processes. */
  wait(name: string, reads: readonly Place[], writes: readonly Place[], wait: () => Promise<void>): void {
    const slotOf = ({ slot }: Place) => slot;
    this.#steps.push({ name, wait, reads: reads.map(slotOf), writes: writes.map(slotOf) });
  }

  /** A float32 value as an array, available once the plan is bound. */
  array({ slot, desc, stride }: Place): { readonly data: Float32Array } {
    if (stride !== undefined) throw new Error("onednn: an array does not move on from part to part");
    const view: { data: Float32Array } = { data: new Float32Array(0) };
    this.#views.push(() => {
      const { buffer, byteOffset } = root(slot).fixed!;
      view.data = new Float32Array(buffer, byteOffset, sizeOf(desc.dims));
    });
    return view;
  }

  /** The value in the wanted layout: itself, or a copy by a reorder, which the plan's print shows. */
  reordered(name: string, place: Place, wanted: Desc): Place {
    if (this.api.isEqual(place.desc, wanted)) return place;
    const into = this.place(wanted);
    this.copy(name, place, into);
    return into;
  }

  /** Copies a value; layout or type may differ. */
  copy(name: string, from: Place, into: Place): void {
    this.reorders.push({ name, src: from.desc, dst: into.desc, step: this.#steps.length });
    this.copyWeight(name, from, into);
  }

  /** The same for weights and their gradients, which do not count as activations. */
  copyWeight(name: string, from: Place, into: Place): void {
    const spec: Spec = { primitive: "reorder", src: from.desc, dst: into.desc };
    this.run(name, this.api.primitive(name, spec), { [Arg.src]: from }, { [Arg.dst]: into });
  }

  /** Index of the last step that reads or writes this memory; −1 if there is none. */
  lastUse({ slot }: Place): number {
    return this.#steps.findLastIndex(({ reads, writes }) => reads.includes(slot) || writes.includes(slot));
  }

  /** Allocates memory for all buffers and prepares the calls of all steps. */
  bind(): BoundPlan {
    this.#live();
    const arena = planArena(this.#slots);
    const { buffer, start } = alignedMemory(aligned(arena.bytes));
    for (const [slot, offset] of arena.offsets) slot.fixed = new Uint8Array(buffer, start + offset, slot.bytes);
    for (const slot of this.#slots) if (slot.fixed === undefined) slot.fixed = root(slot).fixed ?? empty;
    for (const view of this.#views) view();
    const memories = new Map<Desc, Map<Handle, Handle>>();
    const memoryOf = ({ slot, desc, offset = 0, stride = 0 }: Place, part: number): Handle => {
      const address = memoryAddress(root(slot).fixed!) + BigInt(offset + part * stride);
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
      reorders: this.reorders.map(({ name }) => name),
      reorderedBytes: this.reorders.reduce(
        (sum, { dst, step }) => sum + (step < steps ? parts : 1) * this.api.sizeOf(dst),
        0,
      ),
    };
  }

  /** Computes lifetimes, and which results take over memory. */
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
        // Only once per buffer and per result.
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
    // Values that a part leaves behind must survive while the next ones run.
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

/** Returns a buffer, since a typed array cannot be as long as a buffer can. */
function alignedMemory(bytes: number): { readonly buffer: ArrayBuffer; readonly start: number } {
  const isLarge = bytes >= hugePage;
  if (isLarge && bytes > attainableMemory()) throw tooLarge(bytes);
  try {
    const boundary = isLarge ? hugePage : alignment;
    const buffer = new ArrayBuffer(bytes + boundary);
    if (isLarge) adviseHugePages(buffer);
    return { buffer, start: offsetToBoundary(memoryAddress(new Uint8Array(buffer, 0, 1)), boundary) };
  } catch (cause) {
    throw tooLarge(bytes, cause);
  }
}

function tooLarge(bytes: number, cause?: unknown): SenetError {
  return new SenetError("executor", "there is not enough memory for the plan", {
    expected: `${(bytes / 2 ** 20).toFixed(0)} MiB in one piece`,
    hint: `a smaller batch, or ${option("recompute")}`,
    cause,
  });
}
