import assert from "node:assert/strict";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { SenetError } from "../errors.ts";
import { launchOf, openJob, requireConnection } from "./launch.node.ts";

test("a launcher whose socket did not get through to here is missed, with what to start instead", () => {
  assert.doesNotThrow(() => requireConnection({}));
  const file = openSync(import.meta.filename, "r");
  try {
    for (const descriptor of [`${file}`, "99999", "x"]) {
      assert.throws(
        () => requireConnection({ PMI_FD: descriptor }),
        (error) => error instanceof SenetError && /npx[\s\S]*node_modules\/\.bin\/senet/.test(error.message),
      );
    }
  } finally {
    closeSync(file);
  }
});

test("launchers are known by what they leave in the environment", () => {
  const told = (environment: Record<string, string>) => {
    const launch = launchOf(environment);
    return launch && [launch.count, launch.flavour];
  };
  assert.equal(told({}), undefined);
  assert.deepEqual(told({ OMPI_COMM_WORLD_SIZE: "4", PMIX_RANK: "1" }), [4, "Open MPI"]);
  assert.deepEqual(told({ PMI_SIZE: "2", PMI_RANK: "0" }), [2, "MPICH"]);
  assert.deepEqual(told({ SLURM_NTASKS: "8", PMIX_RANK: "3" }), [8, "Open MPI"]);
  assert.deepEqual(told({ SLURM_NTASKS: "8", PMI_RANK: "3" }), [8, "MPICH"]);
  // Within an allocation, but not started by srun.
  assert.equal(told({ SLURM_NTASKS: "8" }), undefined);
});

test("without a launcher a process is alone, and no MPI library is loaded", async () => {
  const job = await openJob();
  assert.deepEqual([job.rank, job.count, job.neighbours], [0, 1, 1]);
  if (existsSync("/proc/self/maps")) assert.doesNotMatch(readFileSync("/proc/self/maps", "utf8"), /libmpi/);
});
