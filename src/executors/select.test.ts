import assert from "node:assert/strict";
import { test } from "node:test";
import { SenetError } from "../errors.ts";
import { executorNames, selectExecutor } from "./select.node.ts";

test("every executor can be asked for by its name", async () => {
  for (const name of executorNames) {
    const { executor, reason } = await selectExecutor({ name });
    assert.equal(executor.name, name);
    assert.equal(reason, "asked for");
  }
});

test("without a name ort is chosen, and the reason says why", async () => {
  const { executor, reason } = await selectExecutor();
  assert.equal(executor.name, "ort");
  assert.match(reason, /the default/);
});

test("an unknown executor is refused with the nearest name", async () => {
  for (const name of ["refrence", "constructor"]) {
    await assert.rejects(selectExecutor({ name }), (error) => error instanceof SenetError && error.code === "usage");
  }
  await assert.rejects(selectExecutor({ name: "refrence" }), /try: {6}reference/);
});
