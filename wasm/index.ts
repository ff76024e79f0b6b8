/**
 * Loops over pixels as one WebAssembly module with SIMD. Each has its truth in TypeScript and the same bits
 * (src/images/kernels.test.ts). Nothing is allocated here: whoever calls says where everything lies.
 */

/** From here on memory is the caller's. */
export const heap: usize = __heap_base;

export { colourRow, greyRow, upsampleRow, upsampleRows } from "./jpeg/colour";
export { buildTable, unstuff } from "./jpeg/huffman";
export { decodeScan } from "./jpeg/scan";
export { normalizePlane } from "./normalize";
export { resampleColumns, resampleRows } from "./resample";
