import assert from "node:assert/strict";
import { test } from "node:test";
import { megabytes, progressText } from "./pulling.ts";

test("progress says how far, how fast and how long yet", () => {
  const text = progressText({ received: 51_200_000, total: 112_611_220 }, 3_400_000);
  assert.equal(text, "45.5 %, 51.2 MB of 112.6 MB, 3.4 MB/s, 0:18 left");
  assert.equal(progressText({ received: 1_500_000 }, 500_000), "1.5 MB, 0.5 MB/s");
  // Nothing has come yet: nobody knows how long.
  assert.equal(progressText({ received: 0, total: 10_000_000 }, 0), "0.0 %, 0.0 MB of 10.0 MB, 0.0 MB/s");
  assert.equal(megabytes(461_488_402), "461.5 MB");
});
