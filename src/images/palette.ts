/** Palettes that have fewer colours than the pixels name. */

/** 256 colours: those of the palette, three bytes each, and beyond it the greys that Pillow has there. */
export function wholePalette(palette: Uint8Array): Uint8Array {
  const colours = Uint8Array.from({ length: 768 }, (_, i) => Math.floor(i / 3));
  colours.set(palette.subarray(0, Math.min(768, palette.length - (palette.length % 3))));
  return colours;
}
