/** Sheets of pictures. */

import type { Picture } from "./resize.ts";

/** Writes a picture into a larger one. */
export function paste(picture: Picture, onto: Picture, left: number, top: number): void {
  for (let y = 0; y < picture.height; y++) {
    const row = picture.data.subarray(3 * y * picture.width, 3 * (y + 1) * picture.width);
    onto.data.set(row, 3 * ((top + y) * onto.width + left));
  }
}

const gapPixels = 4;

/** Rows of pictures on white, with a gap around each, and a wider one after the first column. */
export function sheetOf(rows: readonly (readonly Picture[])[]): Picture {
  const [first] = rows[0]!;
  const side = first!.width;
  const columns = rows[0]!.length;
  const width = columns * (side + gapPixels) + 3 * gapPixels;
  const height = rows.length * (side + gapPixels) + gapPixels;
  const sheet = { width, height, data: new Uint8Array(3 * width * height).fill(255) };
  for (const [row, cells] of rows.entries()) {
    for (const [column, cell] of cells.entries()) {
      const left = gapPixels + column * (side + gapPixels) + (column === 0 ? 0 : 2 * gapPixels);
      paste(cell, sheet, left, gapPixels + row * (side + gapPixels));
    }
  }
  return sheet;
}
