import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { SenetError } from "./errors.ts";
import { ownFile } from "./own-file.node.ts";

test("a file beside the code is found, and missed with what to do about a bundler", () => {
  assert.equal(ownFile("./own-file.node.test.js", import.meta.url).href, import.meta.url);
  const isSaid = (error: unknown) =>
    error instanceof SenetError &&
    error.code === "usage" &&
    error.message.includes(fileURLToPath(new URL("./worker.js", import.meta.url))) &&
    error.message.includes("`external` for esbuild");
  assert.throws(() => ownFile("./worker.js", import.meta.url), isSaid);
});
