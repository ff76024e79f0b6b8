/** Where the plan's buffers are: one arena, whose memory is used again by lifetime. */

/** A buffer of the plan. It is placed once the whole plan is known. */
export interface Slot {
  readonly bytes: number;
  /** Steps that first write and last read it; `undefined` until one does. */
  first?: number;
  last?: number;
  /** The buffer whose memory this one takes over, as the result of a step that works in place. */
  sameAs?: Slot;
  /** Memory of its own, outside of the arena: weights, inputs, outputs. */
  fixed?: Uint8Array;
}

/** Cache lines, and the widest vector. */
export const alignment = 64;

export const aligned = (bytes: number): number => Math.ceil(bytes / alignment) * alignment;

/** The buffer whose memory it is in the end. */
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
 * Greedy by size: the largest first, each at the lowest place that is free during its whole life. Buffers that are never
 * alive at once share memory.
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
    // Kept in the order of their places, so that the first gap is found by one walk.
    const at = placed.findIndex((other) => other.start > start);
    placed.splice(at < 0 ? placed.length : at, 0, place);
    offsets.set(slot, start);
    bytes = Math.max(bytes, place.end);
  }
  return { bytes, offsets };
}
