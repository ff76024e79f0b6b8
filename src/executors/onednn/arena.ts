/** Places the plan's buffers in one arena, whose memory is reused according to lifetimes. */

/** A buffer of the plan; placed once the whole plan is known. */
export interface Slot {
  readonly bytes: number;
  /** Indices of the steps that first write and last read it; `undefined` if there is none yet. */
  first?: number;
  last?: number;
  /** The buffer whose memory this one takes over, as the result of an in-place step. */
  sameAs?: Slot;
  /** Separate memory, outside the arena: weights, inputs, outputs. */
  fixed?: Uint8Array;
}

/** Fits cache lines and the widest vectors. */
export const alignment = 64;

export const aligned = (bytes: number): number => Math.ceil(bytes / alignment) * alignment;

/** Follows `sameAs` to the buffer that owns the memory. */
export function root(slot: Slot): Slot {
  let found = slot;
  while (found.sameAs !== undefined) found = found.sameAs;
  return found;
}

export interface Arena {
  readonly bytes: number;
  readonly offsets: ReadonlyMap<Slot, number>;
}

/**
 * Greedy by size: largest buffers first, each at the lowest offset that is free during its lifetime. Buffers that are
 * never alive at the same time may share memory.
 */
export function planArena(slots: Iterable<Slot>): Arena {
  const roots = [...new Set([...slots].map(root))].filter(
    ({ first, fixed }) => first !== undefined && fixed === undefined,
  );
  roots.sort((a, b) => b.bytes - a.bytes || a.first! - b.first!);
  const placed: { readonly slot: Slot; readonly start: number; readonly end: number }[] = [];
  const offsets = new Map<Slot, number>();
  let bytes = 0;
  for (const slot of roots) {
    const size = aligned(slot.bytes);
    let start = 0;
    for (const other of placed) {
      if (other.slot.last! < slot.first! || slot.last! < other.slot.first!) continue;
      if (other.start >= start + size) break;
      start = Math.max(start, other.end);
    }
    const place = { slot, start, end: start + size };
    // Sorted by offset, so that one pass finds the first gap.
    const at = placed.findIndex((other) => other.start > start);
    placed.splice(at < 0 ? placed.length : at, 0, place);
    offsets.set(slot, start);
    bytes = Math.max(bytes, place.end);
  }
  return { bytes, offsets };
}
