import assert from "node:assert/strict";
import { test } from "node:test";
import { constants, deflateRawSync } from "node:zlib";
import { createRandom } from "../random.ts";
import { inflateSound } from "./inflate.ts";

test("what zlib deflates in any way comes out again", () => {
  const random = createRandom(1);
  const text = new TextEncoder().encode("a picture, and a picture of a picture. ".repeat(2000));
  const noise = Uint8Array.from({ length: 70_000 }, () => random.below(256));
  const skewed = Uint8Array.from({ length: 70_000 }, () => random.below(1 + random.below(200)));
  for (const bytes of [new Uint8Array(0), Uint8Array.of(7), text, noise, skewed, new Uint8Array(100_000)]) {
    for (const options of [{ level: 9 }, { level: 1 }, { level: 0 }, { strategy: constants.Z_FIXED }]) {
      assert.deepEqual(inflateSound(deflateRawSync(bytes, options), bytes.length), bytes);
    }
  }
});
