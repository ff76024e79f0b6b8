/** The order of names. */

/** Python's order of strings: by code point, whereas `<` in JavaScript compares UTF-16 units. */
export function byCodePoint(a: string, b: string): number {
  const most = Math.min(a.length, b.length);
  for (let i = 0; i < most; i++) {
    const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (x === y) continue;
    // Halves of what stands beyond all others.
    const [isHalf, isOtherHalf] = [isSurrogate(x), isSurrogate(y)];
    return isHalf === isOtherHalf ? x - y : isHalf ? 1 : -1;
  }
  return a.length - b.length;
}

const isSurrogate = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdfff;
