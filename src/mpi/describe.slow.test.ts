/** What is found of MPI, and that nobody who is alone loads it. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { runNode } from "../../tests/command.ts";
import { needsMpi } from "../../tests/mpi.ts";
import { describeMpi } from "./describe.node.ts";
import { pathVariable } from "./library.node.ts";

test("Open MPI is described with its version and file", needsMpi("Open MPI"), () => {
  assert.match(describeMpi(), /Open MPI v[45]\.[\d.]+\S* \(libmpi\.so\.40\)/);
});

test("MPICH is described with its version and file", needsMpi("MPICH"), () => {
  assert.match(describeMpi(), /MPICH [345]\.[\d.]+\S* \(libmpi\w*\.so\.12\)/);
});

test("what SENET_MPI names is looked for alone, and what is wrong with it is said", () => {
  const before = process.env[pathVariable];
  process.env[pathVariable] = "/nowhere/libmpi.so";
  try {
    assert.match(describeMpi(), /\/nowhere\/libmpi\.so.*apt-get install openmpi-bin/s);
  } finally {
    if (before === undefined) delete process.env[pathVariable];
    else process.env[pathVariable] = before;
  }
});

test("without a launcher there is a job of one, and no library of MPI is in the process", async () => {
  const api = new URL("../index.node.js", import.meta.url).href;
  const { code, stdout, stderr } = await runNode([
    "--input-type=module",
    "-e",
    `import { readFileSync } from "node:fs";
     const { openJob } = await import(${JSON.stringify(api)});
     const { count, rank } = await openJob();
     const maps = process.platform === "linux" ? readFileSync("/proc/self/maps", "utf8") : "";
     console.log(count, rank, /libmpi|open-rte|koffi/.exec(maps)?.[0]);`,
  ]);
  assert.equal(code, 0, stderr);
  assert.equal(stdout, "1 0 undefined\n");
});
