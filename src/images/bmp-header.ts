/** The size in a BMP's header, apart from its decoder: every page loads it. */

export interface BmpHeader {
  readonly width: number;
  readonly height: number;
  readonly bits: number;
  /** Whether the top row is first; in most files the bottom row is. */
  readonly isTopDown: boolean;
  /** Of OS/2's kind, which is shorter. */
  readonly isCore: boolean;
  /** Bytes of the header behind the first 14. */
  readonly length: number;
}

/** @returns undefined where the header is incomplete */
export function bmpHeader(bytes: Uint8Array): BmpHeader | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = bytes.length < 18 ? 0 : view.getUint32(14, true);
  if (length < 12 || bytes.length < 14 + length) return undefined;
  const isCore = length === 12;
  const signed = isCore ? view.getUint16(20, true) : view.getInt32(22, true);
  return {
    width: isCore ? view.getUint16(18, true) : view.getInt32(18, true),
    height: Math.abs(signed),
    bits: view.getUint16(isCore ? 24 : 28, true),
    isTopDown: signed < 0,
    isCore,
    length,
  };
}
