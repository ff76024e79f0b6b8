import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32c, maskedCrc } from "./crc32c.ts";

test("the checksum is Castagnoli's", () => {
  // RFC 3720, B.4
  assert.equal(crc32c(new Uint8Array(32)), 0x8a9136aa);
  assert.equal(crc32c(new Uint8Array(32).fill(255)), 0x62a8ab43);
  assert.equal(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e);
  assert.equal(maskedCrc(0), 0xa282ead8);
});
