/** Completes palettes with fewer colours than the pixels use. */

/** Returns 256 colours, three bytes each: those of the palette, followed by the greys that Pillow uses there. */
export function wholePalette(palette: Uint8Array): Uint8Array {
  const colours = Uint8Array.from({ length: 768 }, (_, i) => Math.floor(i / 3));
  colours.set(palette.subarray(0, Math.min(768, palette.length - (palette.length % 3))));
  return colours;
}
