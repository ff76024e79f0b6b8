import assert from "node:assert/strict";
import { test } from "node:test";
import { SenetError } from "../errors.ts";
import { failureOf } from "./ort/runtime.ts";
import { isOutOfMemory } from "./out-of-memory.ts";

test("too little memory is told from every other fault, in each engine's words", () => {
  let unallocated: unknown;
  try {
    new ArrayBuffer(2 ** 52);
  } catch (error) {
    unallocated = error;
  }
  for (const error of [
    unallocated,
    new SenetError("executor", "there is not enough memory for the plan"),
    new SenetError("executor", "oneDNN refuses", { found: "out of memory" }),
    new SenetError("executor", "the engine fails", { cause: unallocated }),
    failureOf(
      "the run failed",
      "graph",
      new Error("(size_t) Failed to allocate memory for requested buffer of size 1"),
    ),
  ]) {
    assert.ok(isOutOfMemory(error), String(error));
  }
  for (const error of [
    new SenetError("executor", "oneDNN refuses", { found: "invalid arguments" }),
    new SenetError("data", "not enough memory for the picture"),
    new RangeError("resize: positive whole numbers wanted"),
    new Error("out of memory"),
    undefined,
  ]) {
    assert.ok(!isOutOfMemory(error), String(error));
  }
});
