/** One job on two hosts: by the network, to the same weights, and to an end when the cable is pulled out. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Flavour } from "../src/mpi/library.node.ts";
import { launcher, temporaryFolder } from "./command.ts";
import { writeDrawnPictures } from "./drawn.ts";
import { Hosts, needsHosts } from "./hosts.ts";
import { mpirun, program, runJob } from "./mpi.ts";

/** MPICH's messages over TCP (UCX) hang or break now and then between namespaces of one machine, before we have any say. */
const flavours: readonly Flavour[] = ["Open MPI"];
const folder = temporaryFolder();
let hosts: Hosts | undefined;
if (flavours.some((flavour) => needsHosts(flavour).skip === false)) {
  before(async () => {
    await writeDrawnPictures(join(folder, "pictures"), { train: 12, val: 5, size: 24 });
    hosts = new Hosts();
  });
  after(() => hosts?.end());
}

const options =
  "--data pictures --model se-resnet-8 --image-size 16 --batch-size 8 --lr 0.02 --threads 1 --workers 1 --no-report";

for (const flavour of flavours) {
  test(
    `${flavour}: two hosts add up by the network what two processes of one host do`,
    needsHosts(flavour),
    async () => {
      const before = hosts!.sent;
      const found = await runJob(hosts!.launch(flavour, 2), [program("mpi-sums.js")], { env: hosts!.env });
      assert.equal(found.code, 0, found.stderr);
      const { neighbours, failures, digest } = JSON.parse(found.stdout);
      assert.deepEqual([neighbours, failures], [1, []]);
      assert.ok(hosts!.sent - before > 1_000_000, `${hosts!.sent - before} bytes went over the cable`);
      const here = await mpirun(flavour, 2, [program("mpi-sums.js")]);
      assert.equal(JSON.parse(here.stdout).digest, digest);
    },
  );

  test(`${flavour}: what two hosts learn is, to the last bit, what two processes of one host do`, {
    ...needsHosts(flavour),
    timeout: 120_000,
  }, async () => {
    const args = (out: string) => [launcher, "train", ...options.split(" "), "--epochs", "2", "--out", out];
    const [there, here] = [`${flavour}-two`, `${flavour}-one`].map((name) => name.replace(" ", ""));
    const found = await runJob(hosts!.launch(flavour, 2), args(there!), { cwd: folder, env: hosts!.env });
    assert.equal(found.code, 0, found.stderr);
    const wanted = await mpirun(flavour, 2, args(here!), { cwd: folder });
    assert.equal(wanted.code, 0, wanted.stderr);
    const [theirs, ours] = [there!, here!].map((out) => readFileSync(join(folder, out, "best.safetensors")));
    assert.ok(theirs!.equals(ours!));
  });
}

/** Of the job, from the pull to its end; and of what is left, which nobody can reach, on the other host. */
const endsWithin = 30_000;

for (const flavour of flavours) {
  test(`${flavour}: when the cable is pulled out the job ends, says who is silent, and leaves nobody behind`, {
    ...needsHosts(flavour),
    timeout: 180_000,
  }, async () => {
    const cut = new Hosts();
    try {
      const out = `${flavour.replace(" ", "")}-cut`;
      const args = [launcher, "train", ...options.split(" "), "--epochs", "100000", "--save-every", "1s", "--out", out];
      let pulled: number | undefined;
      const { code, stderr } = await runJob(cut.launch(flavour, 2), args, {
        cwd: folder,
        env: cut.env,
        timeout: 60_000,
        onStderr(text) {
          if (pulled !== undefined || !/^epoch 3\//m.test(text)) return;
          pulled = performance.now();
          cut.cut();
        },
      });
      const took = performance.now() - pulled!;
      assert.ok(took < endsWithin, `it took ${(took / 1000).toFixed(1)} s: ${stderr}`);
      assert.notEqual(code, 0);
      const [, other] = cut.hosts;
      assert.match(stderr, new RegExp(`rank 1 on host ${other.name}: nothing was heard of it for \\d+ seconds`));
      assert.match(stderr, new RegExp(`continue with: .*senet train --resume .*--out ${out}`));
      const end = performance.now() + endsWithin;
      while (cut.processes.length > 0 && performance.now() < end) await sleep(200);
      assert.deepEqual(cut.processes, []);
    } finally {
      cut.end();
    }
  });
}
