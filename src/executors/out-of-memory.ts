/** Whether an engine had too little memory. */

import { SenetError } from "../errors.ts";

/** What oneDNN, ONNX Runtime, V8 and this project say then. */
const words =
  /not enough memory|out of memory|allocation failed|failed to allocate|bad_alloc|invalid typed array length/i;

/** @param error what compiling or running has thrown */
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
