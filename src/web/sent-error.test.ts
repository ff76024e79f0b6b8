import assert from "node:assert/strict";
import { test } from "node:test";
import { SenetError } from "../errors.ts";
import { sentError } from "./error-to-page.ts";
import { receivedError } from "./sent-error.ts";

test("an error of ours arrives with its code, its details and its words", async () => {
  const details = { where: "a.safetensors", expected: ["a", "b"], found: "c", hint: "d" };
  const error = new SenetError("weights", "it is damaged", { ...details, cause: () => {} });
  const received = receivedError(structuredClone(await sentError(error)));
  assert.ok(received instanceof SenetError);
  assert.equal(received.message, error.message);
  assert.equal(received.code, "weights");
  assert.deepEqual(received.details, details);
});

test("a part of the program that does not load is said to", async () => {
  for (const words of [
    "Failed to fetch dynamically imported module: https://a.b/png-1.js",
    "error loading dynamically imported module: https://a.b/png-1.js",
    "Importing a module script failed.",
  ]) {
    const received = receivedError(structuredClone(await sentError(new TypeError(words))));
    assert.ok(received instanceof SenetError);
    assert.equal(received.code, "io");
    assert.match(received.message, /does not load[\s\S]*load the page again/);
  }
});

test("other errors arrive with their name, and what is no error as one", async () => {
  const received = receivedError(structuredClone(await sentError(new RangeError("too far"))));
  assert.deepEqual([received.name, received.message], ["RangeError", "too far"]);
  assert.match(received.stack!, /sent-error\.test/);
  assert.equal(receivedError(structuredClone(await sentError("text"))).message, "text");
});
