import assert from "node:assert/strict";
import { test } from "node:test";
import { causeText, type ErrorDetails, SenetError } from "./errors.ts";
import { rowsOf } from "./text.ts";

const long = "name".repeat(10_000_000);
const many = Array.from({ length: 1000 }, (_, i) => `class ${i} ${"of them ".repeat(i % 40)}`);

test("a message names what, where, expected, found and what to try", () => {
  const { message } = new SenetError("data", "is no picture", {
    where: "a.jpg",
    expected: "JPEG",
    found: "text",
    hint: "b",
  });
  assert.equal(message, "a.jpg: is no picture\n  expected: JPEG\n  found:    text\n  try:      b");
});

test("lines stand under each other, and are cut with a count", () => {
  const { message } = new SenetError("weights", "no", { found: ["3 faults", "a", "b", "c"], hint: "d" });
  assert.equal(message, "no\n  found:    3 faults\n            a\n            b\n            c\n  try:      d");
  assert.match(new SenetError("weights", "no", { found: many }).message, /\n {12}and \d+ more$/);
});

test("whatever is put into it, a message is a screen long at most, and 2,000 characters", () => {
  const texts = [undefined, "short", long, many, ["x"], [long, long], "\u001b".repeat(5000)];
  for (const what of ["what", long])
    for (const where of [undefined, long])
      for (const expected of texts)
        for (const found of texts)
          for (const hint of [undefined, "try", long]) {
            const details = { where, expected, found, hint } as ErrorDetails;
            const { message } = new SenetError("data", what, details);
            const rows = `senet: ${message}`.split("\n").reduce((sum, line) => sum + rowsOf(line), 0);
            assert.ok(message.length <= 2000 && rows <= 24, `${message.length} characters, ${rows} rows:\n${message}`);
          }
});

test("nothing from outside reaches a terminal raw by way of a message", () => {
  const evil = "\u001b]0;PWNED\u0007\u001b[2J\u009b31m\nsenet: all good\r\u202e";
  const { message, details } = new SenetError("data", evil, {
    where: evil,
    expected: evil,
    found: [evil, evil],
    hint: evil,
  });
  // biome-ignore lint/suspicious/noControlCharactersInRegex: what must not come through
  assert.doesNotMatch(message.replaceAll("\n", ""), /[\u0000-\u001f\u007f-\u009f\u202e]/);
  assert.equal(message.split("\n").length, 5, "a name cannot begin a line");
  assert.equal(details.where, evil, "a program gets the true name");
});

test("a cause without a message says what its own cause does, as Node 22's streams have it", () => {
  const zlib = new Error("invalid block type");
  assert.equal(causeText(new TypeError("", { cause: zlib })), "invalid block type");
  assert.equal(causeText(new TypeError("")), "TypeError");
  assert.equal(causeText(zlib), "invalid block type");
  assert.equal(causeText("words"), "words");
});
