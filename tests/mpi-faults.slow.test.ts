/** What ends one process of a job ends all, within half a minute, and says what is needed to go on. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import type { Flavour } from "../src/mpi/library.node.ts";
import { decodeCheckpoint } from "../src/weights/decode-checkpoint.ts";
import { launcher, temporaryFolder } from "./command.ts";
import { writeDrawnPictures } from "./drawn.ts";
import { mpirun, needsMpi, program } from "./mpi.ts";

const folder = temporaryFolder();
const options = [
  ..."--data pictures --model se-resnet-8 --image-size 16 --epochs 100000 --batch-size 4".split(" "),
  ..."--executor reference --workers 1 --save-every 0s --no-report".split(" "),
];
/** The same, saved when they end alone. */
const longEpochs = options.map((option) => (option === "0s" ? "1h" : option));
const variables: Readonly<Record<Flavour, string>> = { "Open MPI": "OMPI_COMM_WORLD_RANK", MPICH: "PMI_RANK" };

before(() => writeDrawnPictures(join(folder, "pictures"), { train: 4, val: 2, size: 20 }));

/** The process ids of a job, by rank: known by the run's folder, which stands in their commands. */
function processesOf(out: string, flavour: Flavour): Map<number, number> {
  const found = new Map<number, number>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const command = readFileSync(`/proc/${name}/cmdline`, "utf8").split("\0");
      if (!command.includes(out) || !command[0]!.endsWith("node")) continue;
      const environment = readFileSync(`/proc/${name}/environ`, "utf8").split("\0");
      const rank = environment.find((line) => line.startsWith(`${variables[flavour]}=`))?.split("=")[1];
      if (rank !== undefined) found.set(Number(rank), Number(name));
    } catch {} // It has ended meanwhile.
  }
  return found;
}

/** Trains with two processes until one has `signal`; gives what the job then said, and how long it took to end. */
async function trainUntil(flavour: Flavour, out: string, rank: number, signal: NodeJS.Signals) {
  let at = 0;
  const ran = await mpirun(flavour, 2, [launcher, "train", ...options, "--out", out], {
    cwd: folder,
    onStderr(stderr) {
      if (at > 0 || !/^epoch 1\//m.test(stderr)) return;
      at = performance.now();
      process.kill(processesOf(out, flavour).get(rank)!, signal);
    },
  });
  const seconds = (performance.now() - at) / 1000;
  assert.ok(at > 0, ran.stderr);
  assert.notEqual(ran.code, 0);
  assert.ok(seconds < 30, `it took ${seconds} s`);
  // MPICH's launcher does not wait for those that it kills.
  for (let i = 0; i < 50 && processesOf(out, flavour).size > 0; i++) await wait(100);
  assert.deepEqual([...processesOf(out, flavour).keys()], [], "nothing is left of it");
  return ran;
}

for (const flavour of ["Open MPI", "MPICH"] satisfies Flavour[]) {
  const name = flavour.replace(" ", "");
  test(`${flavour}: a process that is killed ends the job`, needsMpi(flavour), async () => {
    const { stdout, stderr } = await trainUntil(flavour, `${name}-killed`, 1, "SIGKILL");
    assert.match(stdout + stderr, /signal 9/, "the launcher says which and how");
    assert.match(stderr, new RegExp(`mpirun -np 2 senet train --resume .*--out ${name}-killed`));
  });

  test(
    `${flavour}: a process that stands still is named with its host, and ends the job`,
    needsMpi(flavour),
    async () => {
      const { stderr } = await trainUntil(flavour, `${name}-still`, 1, "SIGSTOP");
      assert.match(stderr, /^senet, rank 0 on host \S+: rank 1 on host \S+: nothing was heard of it for \d\d seconds/m);
      assert.match(
        stderr,
        new RegExp(`saved before: ${name}-still/last.safetensors; continue with: mpirun -np 2 senet`),
      );
    },
  );

  test(`${flavour}: the first process that stands still is named by the others`, needsMpi(flavour), async () => {
    const { stderr } = await trainUntil(flavour, `${name}-first`, 0, "SIGSTOP");
    assert.match(stderr, /^senet, rank 1 on host \S+: rank 0 on host \S+: nothing was heard of it/m);
    assert.match(stderr, /saved before: .*last\.safetensors; continue with: mpirun -np 2 senet/);
  });

  test(`${flavour}: a process that throws says why, which it is, and ends the job`, needsMpi(flavour), async () => {
    const { code, stderr } = await mpirun(flavour, 2, [program("mpi-throws.js"), launcher, ...options], {
      cwd: folder,
    });
    assert.notEqual(code, 0);
    assert.match(stderr, /^senet, rank 1 on host \S+: .*no-such-folder/m);
    assert.doesNotMatch(stderr, /rank 0 on host/);
  });
}

test("a process that gets only a part of its processor is named, with its host", needsMpi("Open MPI"), async () => {
  // Stopped for most of the time, as a container with a tenth of a processor is: also on a busy machine it is the slower one.
  let slowing: NodeJS.Timeout | undefined;
  const slow = (out: string) => {
    const pid = processesOf(out, "Open MPI").get(1)!;
    const send = (signal: NodeJS.Signals) => {
      try {
        process.kill(pid, signal);
      } catch {} // It has ended meanwhile.
    };
    slowing = setInterval(() => {
      send("SIGSTOP");
      setTimeout(() => send("SIGCONT"), 450);
    }, 500);
  };
  const named = /^the others wait (\d+) % of the time for rank 1 on host \S+$/m;
  let asked = false;
  try {
    const { stderr } = await mpirun("Open MPI", 2, [launcher, "train", ...longEpochs, "--out", "slow"], {
      cwd: folder,
      onStderr(stderr, child) {
        if (slowing === undefined && /^epoch 1\//m.test(stderr)) slow("slow");
        if (asked || !named.test(stderr)) return;
        asked = true;
        clearInterval(slowing);
        setTimeout(() => child.kill("SIGUSR2"), 1000);
      },
    });
    const [, share] = named.exec(stderr) ?? assert.fail(stderr);
    assert.ok(Number(share) >= 10, `${share} %`);
  } finally {
    clearInterval(slowing);
  }
});

test("what a launcher sends before it kills saves once", needsMpi("Open MPI"), async () => {
  const file = join(folder, "ended", "last.safetensors");
  let at = 0;
  const { code } = await mpirun("Open MPI", 2, [launcher, "train", ...longEpochs, "--out", "ended"], {
    cwd: folder,
    more: ["--mca", "odls_base_sigkill_timeout", "3"],
    onStderr(stderr, child) {
      if (at > 0 || !/^epoch 1\//m.test(stderr)) return;
      at = Date.now();
      child.kill("SIGTERM");
    },
  });
  assert.notEqual(code, 0);
  assert.deepEqual([...processesOf("ended", "Open MPI").keys()], []);
  const { state } = decodeCheckpoint(readFileSync(file), file).run!;
  assert.ok(statSync(file).mtimeMs > at && (state as { epoch: number }).epoch >= 1);
});

test("processes that begin otherwise are refused, with what differs", needsMpi("Open MPI"), async () => {
  const { code, stderr } = await mpirun(
    "Open MPI",
    2,
    [program("mpi-throws.js"), launcher, ...options, "--seed", "?"],
    {
      cwd: folder,
    },
  );
  assert.notEqual(code, 0);
  assert.doesNotMatch(stderr, /continue with/, "there is nothing to go on with");
  assert.match(
    stderr,
    /rank 1 on host \S+: this process starts differently from the first one\n +expected: +seed 7\n +found: +seed 8/,
  );
});
