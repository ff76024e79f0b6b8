/** Finds copies among pictures: equal ones by a hash of their pixels, similar ones by a perceptual hash (`Fact`). */

import { looksLength } from "../images/facts.ts";

/**
 * Groups of two or more places with equal marks, each in ascending order, sorted by first place. NaN equals nothing.
 */
export function equalGroups(marks: Float64Array): number[][] {
  const order = Uint32Array.from(marks, (_, place) => place)
    .filter((place) => !Number.isNaN(marks[place]!))
    .sort((a, b) => marks[a]! - marks[b]! || a - b);
  const groups: number[][] = [];
  for (let start = 0; start < order.length; ) {
    let end = start + 1;
    while (end < order.length && marks[order[end]!] === marks[order[start]!]) end++;
    if (end - start > 1) groups.push([...order.subarray(start, end)]);
    start = end;
  }
  return groups.sort((a, b) => a[0]! - b[0]!);
}

/** Perceptual hashes of the pictures at `places`: `looksLength` 16-bit numbers each. */
export interface Looks {
  readonly bits: Uint16Array;
  /** The pictures that could be decoded. */
  readonly places: Uint32Array;
}

export interface Similar {
  readonly place: number;
  /** The most similar other picture; the first one of several. */
  readonly other: number;
  /** Number of differing bits, of `looksBits`. */
  readonly distance: number;
}

/** Up to this distance the search is exact: at least one of the 16 numbers then differs in at most one bit. */
export const mostDistance = 2 * looksLength - 1;

/**
 * For each picture, the most similar other one at a distance of at most `most`.
 *
 * If two pictures differ in at most 31 bits, at least one of their 16 numbers differs in at most one bit. So only pictures
 * that share a number, up to one bit, need comparing. The 16 numbers are processed one after another, so that only one
 * table is in memory at a time.
 * @param most at most `mostDistance`
 */
export function mostSimilar(pictures: Looks, others: Looks, most: number): Similar[] {
  // Uniform pictures all have the same hash, so each distinct hash is searched once.
  const searched = distinct(others);
  const nearest = new Int32Array(pictures.places.length).fill(-1);
  const distances = new Uint16Array(pictures.places.length).fill(most + 1);
  const offsets = Uint16Array.from([0, ...Array.from({ length: 16 }, (_, bit) => 1 << bit)]);
  for (let number = 0; number < looksLength; number++) {
    const table = tableOf(others.bits, searched, number);
    for (const [i, place] of pictures.places.entries()) {
      const key = pictures.bits[place * looksLength + number]!;
      for (const offset of offsets) {
        const bucket = key ^ offset;
        for (let at = table.starts[bucket]!; at < table.starts[bucket + 1]!; at++) {
          const other = table.places[at]!;
          const distance = differing(pictures.bits, place, others.bits, other, distances[i]!);
          if (distance < distances[i]! || (distance === distances[i] && distance <= most && other < nearest[i]!)) {
            distances[i] = distance;
            nearest[i] = other;
          }
        }
      }
    }
  }
  const found: Similar[] = [];
  for (const [i, place] of pictures.places.entries()) {
    if (nearest[i]! >= 0) found.push({ place, other: nearest[i]!, distance: distances[i]! });
  }
  return found;
}

/** The first place of each distinct hash. */
function distinct({ bits, places }: Looks): Uint32Array {
  const compare = (a: number, b: number): number => {
    for (let i = 0; i < looksLength; i++) {
      const difference = bits[a * looksLength + i]! - bits[b * looksLength + i]!;
      if (difference !== 0) return difference;
    }
    return 0;
  };
  const order = places.slice().sort((a, b) => compare(a, b) || a - b);
  return order.filter((place, i) => i === 0 || compare(order[i - 1]!, place) !== 0);
}

/** Index of places by one of their numbers: those with number `key` from `starts[key]` to `starts[key + 1]`. */
function tableOf(bits: Uint16Array, places: Uint32Array, number: number) {
  const starts = new Uint32Array(2 ** 16 + 1);
  for (const place of places) starts[bits[place * looksLength + number]! + 1]!++;
  for (let key = 0; key < 2 ** 16; key++) starts[key + 1]! += starts[key]!;
  const next = starts.slice();
  const sorted = new Uint32Array(places.length);
  for (const place of places) sorted[next[bits[place * looksLength + number]!]!++] = place;
  return { starts, places: sorted };
}

/** Number of differing bits; counting stops beyond `most`. */
function differing(a: Uint16Array, placeOfA: number, b: Uint16Array, placeOfB: number, most: number): number {
  let sum = 0;
  const [from, of] = [placeOfA * looksLength, placeOfB * looksLength];
  for (let i = 0; i < looksLength && sum <= most; i++) sum += ones[a[from + i]! ^ b[of + i]!]!;
  return sum;
}

/** Number of bits set in each 16-bit number. */
const ones = new Uint8Array(2 ** 16);
for (let value = 1; value < ones.length; value++) ones[value] = ones[value >> 1]! + (value & 1);
