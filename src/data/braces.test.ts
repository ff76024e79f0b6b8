import assert from "node:assert/strict";
import { test } from "node:test";
import { SenetError } from "../errors.ts";
import { expandBraces, hasBraces } from "./braces.ts";

test("alternatives and numbers, in each other and after each other, as bash expands them", () => {
  for (const [pattern, expected] of [
    ["a.tar", "a.tar"],
    ["{a,b}.tar", "a.tar b.tar"],
    ["t-{0..3}", "t-0 t-1 t-2 t-3"],
    ["t-{008..011}", "t-008 t-009 t-010 t-011"],
    ["t-{3..1}", "t-3 t-2 t-1"],
    ["{9..10}", "9 10"],
    ["{0..10..x}", "{0..10..x}"],
    ["{train,val}-{0..1}.tar", "train-0.tar train-1.tar val-0.tar val-1.tar"],
    ["{train-{00..02},val-{0..1}}.tar", "train-00.tar train-01.tar train-02.tar val-0.tar val-1.tar"],
    ["{x}{a,}", "{x}a {x}"],
    ["{x{a,b}}", "{xa} {xb}"],
    ["{a,{0..1}}", "a 0 1"],
    ["{a,b", "{a,b"],
    ["a}b{c,d}", "a}bc a}bd"],
  ] as const) {
    assert.deepEqual(expandBraces(pattern), expected.split(" "), pattern);
    assert.equal(hasBraces(pattern), expandBraces(pattern).length > 1, pattern);
  }
});

test("what would fill the memory is refused", () => {
  for (const pattern of ["{0..100000}", "{0..999}{0..999}{0..999}", `${"{a,b}".repeat(60)}`, "{1..9007199254740991}"]) {
    assert.throws(
      () => expandBraces(pattern),
      (error) => error instanceof SenetError && error.code === "usage",
      pattern,
    );
  }
});
