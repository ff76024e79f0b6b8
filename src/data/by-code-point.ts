/** The order in which names are sorted. */

/** Compares strings by code point, as Python does; JavaScript's `<` compares UTF-16 units. */
export function byCodePoint(a: string, b: string): number {
  const most = Math.min(a.length, b.length);
  for (let i = 0; i < most; i++) {
    const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (x === y) continue;
    // Surrogates are halves of code points above all others.
    const [isHalf, isOtherHalf] = [isSurrogate(x), isSurrogate(y)];
    return isHalf === isOtherHalf ? x - y : isHalf ? 1 : -1;
  }
  return a.length - b.length;
}

const isSurrogate = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdfff;
