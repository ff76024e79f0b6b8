import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { hexOf, sha256 } from "./sha256.ts";

test("the digests are those of OpenSSL, at every length around a block, and of any text", () => {
  const texts = Array.from({ length: 130 }, (_, i) => "senet/".repeat(30).slice(0, i));
  for (const text of [...texts, "Größe 日本 🐈", "\ud800", "x".repeat(100_000)]) {
    assert.equal(hexOf(sha256(text)), createHash("sha256").update(text).digest("hex"), text.slice(0, 20));
  }
});
