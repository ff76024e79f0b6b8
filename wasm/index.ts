/**
 * Loops over pixels, compiled to one WebAssembly module with SIMD. Each gives the same result, to the last bit, as its
 * counterpart in TypeScript (src/images/kernels.test.ts). Nothing is allocated here: the caller decides where
 * everything is stored.
 */

/** The memory from this address on belongs to the caller. */
export const heap: usize = __heap_base;

export { resampleAffine } from "./affine";
export { jitter } from "./jitter";
export { tableOf, unstuff } from "./jpeg/huffman";
export { colourPart } from "./jpeg/part";
export { decodeScan } from "./jpeg/scan";
export { normalizePlane } from "./normalize";
export { resampleColumns, resampleRows } from "./resample";
