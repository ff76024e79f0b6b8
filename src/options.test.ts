import assert from "node:assert/strict";
import { test } from "node:test";
import { givenOptions } from "./options.ts";

test("an option that is undefined does not hide a default; one that is null, false or 0 does", () => {
  const asked: { seed?: number | undefined; say?: null | undefined; tolerant?: boolean; workers?: number | undefined } =
    {
      seed: undefined,
      say: null,
      tolerant: false,
      workers: 0,
    };
  const options = { seed: 7, say: "yes", tolerant: true, workers: 4, ...givenOptions(asked) };
  assert.deepEqual(options, { seed: 7, say: null, tolerant: false, workers: 0 });
});
