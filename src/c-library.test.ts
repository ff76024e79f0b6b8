import assert from "node:assert/strict";
import { test } from "node:test";
import { cFunction, memoryAddress } from "./c-library.node.ts";

const skip = process.platform === "win32" && "its processes have no C library of this kind";

test("a function of the C library is found once, and one that it lacks is undefined", { skip }, () => {
  const declaration = "int abs(int number)";
  assert.equal(cFunction(declaration)!(-7), 7);
  assert.equal(cFunction(declaration), cFunction(declaration));
  assert.equal(cFunction("int senet_has_no_such_function(void)"), undefined);
});

test("an array's address is where C finds its bytes", { skip }, () => {
  const text = new TextEncoder().encode("seven bytes?\0");
  const length = cFunction("size_t strlen(void *text)")!;
  assert.equal(length(memoryAddress(text)), 12);
  assert.equal(length(memoryAddress(text.subarray(6))), 6);
});
