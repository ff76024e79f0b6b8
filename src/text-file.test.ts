import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeText, linesOf } from "./text-file.ts";

test("byte order marks are no part of a text", () => {
  const text = "cat\u00e9\ndog";
  for (const bytes of [
    Buffer.from(text),
    Buffer.from(`\ufeff${text}`),
    Buffer.from(`\ufeff${text}`, "utf16le"),
    Buffer.from(`\ufeff${text}`, "utf16le").swap16(),
  ]) {
    assert.equal(decodeText(bytes), text);
  }
});

test("lines end as on any system, and empty ones at the end are none", () => {
  assert.deepEqual(linesOf("a\r\nb\n\nc\rd\r\n\r\n \n"), ["a", "b", "", "c", "d"]);
});
