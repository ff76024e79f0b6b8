/** What ranks do together, on the launchers and libraries that this machine has. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { mpirun, needsMpi, program } from "../../tests/mpi.ts";
import type { Flavour } from "./library.node.ts";

const digests = new Map<number, string>();

for (const [flavour, count] of [
  ["Open MPI", 2],
  ["Open MPI", 4],
  ["MPICH", 2],
] satisfies [Flavour, number][]) {
  test(`${flavour}, ${count} ranks: sums and what is gathered are right, the same on all, and the same with every library`, {
    ...needsMpi(flavour),
  }, async () => {
    const { code, stdout, stderr } = await mpirun(flavour, count, [program("mpi-sums.js")]);
    assert.equal(code, 0, stderr);
    const told = JSON.parse(stdout) as { count: number; neighbours: number; failures: string[]; digest: string };
    assert.deepEqual(told.failures, []);
    assert.deepEqual([told.count, told.neighbours], [count, count]);
    assert.equal(digests.get(count) ?? told.digest, told.digest);
    digests.set(count, told.digest);
    assert.doesNotMatch(stderr, /WARN/);
  });
}
