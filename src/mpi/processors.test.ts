import assert from "node:assert/strict";
import { test } from "node:test";
import { leftOver, processorsOf } from "./processors.node.ts";

test("processors that nobody was given are counted, however they are written", () => {
  assert.equal(leftOver("0-3,8", ["0", "1-2"]), 2);
  assert.equal(leftOver("0-15", ["0", "1"]), 14);
  assert.equal(leftOver("0-1", ["0-1", "0-1"]), 0);
  assert.equal(leftOver("0-1", ["0-63"]), 0);
  assert.equal(leftOver("", ["0"]), 0, "nothing is known");
});

test("this process may run on some, and of one that is not there nothing is known", () => {
  if (process.platform === "linux") assert.match(processorsOf("self"), /^\d+([-,]\d+)*$/);
  assert.equal(processorsOf(0), "");
});
