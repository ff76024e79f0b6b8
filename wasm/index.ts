/**
 * Loops over pixels as one WebAssembly module with SIMD. Each has its truth in TypeScript and the same bits
 * (src/images/kernels.test.ts). Nothing is allocated here: whoever calls says where everything lies.
 */

/** From here on memory is the caller's. */
export const heap: usize = __heap_base;

export { resampleAffine } from "./affine";
export { jitter } from "./jitter";
export { tableOf, unstuff } from "./jpeg/huffman";
export { colourPart } from "./jpeg/part";
export { decodeScan } from "./jpeg/scan";
export { normalizePlane } from "./normalize";
export { resampleColumns, resampleRows } from "./resample";
