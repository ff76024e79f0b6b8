/** Recognises out-of-memory errors. */

import { SenetError } from "../errors.ts";

/** The messages of oneDNN, ONNX Runtime, V8 and this project. */
const words =
  /not enough memory|out of memory|allocation failed|failed to allocate|bad_alloc|invalid typed array length/i;

/** @param error thrown by compiling or running */
export function isOutOfMemory(error: unknown): boolean {
  if (error instanceof SenetError) {
    const { found = [] } = error.details;
    return (
      error.code === "executor" &&
      (words.test([error.message, ...[found].flat()].join("\n")) || isOutOfMemory(error.cause))
    );
  }
  return error instanceof RangeError && words.test(error.message);
}
