import assert from "node:assert/strict";
import { test } from "node:test";
import { SenetError } from "../errors.ts";
import { candidates, loadMpi } from "./library.node.ts";

test("the launcher's library is looked for first, the other one then", () => {
  assert.equal(candidates("Open MPI")[0], "libmpi.so.40");
  assert.equal(candidates("MPICH")[0], "libmpi.so.12");
  assert.deepEqual([...candidates("MPICH")].sort(), [...candidates("Open MPI")].sort());
});

test("a path that is no MPI library is refused, and nothing else is looked for", () => {
  for (const path of ["/nowhere/libmpi.so", "libm.so.6"]) {
    assert.throws(
      () => loadMpi("Open MPI", path),
      (error) =>
        error instanceof SenetError &&
        error.message.startsWith(`SENET_MPI=${path}: no MPI library`) &&
        !error.message.includes("libmpi.so.40:"),
    );
  }
});
