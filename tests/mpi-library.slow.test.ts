/** Training by several processes as a program asks for it: the example, on both libraries. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import type { Flavour } from "../src/mpi/library.node.ts";
import { filesOfRun, launcher, temporaryFolder } from "./command.ts";
import { writeDrawnPictures } from "./drawn.ts";
import { mpirun, needsMpi, program } from "./mpi.ts";

const folder = temporaryFolder();
const example = join(program("."), "..", "examples", "several-processes.js");
const bytesOf = (out: string) => readFileSync(join(folder, out, "best.safetensors"));

before(() => writeDrawnPictures(join(folder, "pictures"), { train: 4, val: 2, size: 20 }));

let commandRun: Promise<Buffer> | undefined;

/** The weights that the command comes to, with two processes of Open MPI. */
function byCommand(): Promise<Buffer> {
  const flags =
    "--model se-resnet-8 --image-size 16 --epochs 2 --batch-size 4 --sync-bn --executor reference --no-report";
  const args = [launcher, "train", "--data", "pictures", ...flags.split(" "), "--out", "command"];
  commandRun ??= mpirun("Open MPI", 2, args, { cwd: folder }).then(({ code, stderr }) => {
    assert.equal(code, 0, stderr);
    return bytesOf("command");
  });
  return commandRun;
}

for (const flavour of ["Open MPI", "MPICH"] satisfies Flavour[]) {
  test(`${flavour}: the library trains with two processes as the command does`, needsMpi(flavour), async () => {
    const out = `${flavour.replace(" ", "")}-library`;
    const { code, stdout, stderr } = await mpirun(flavour, 2, [example, "pictures", out], { cwd: folder });
    assert.equal(code, 0, stderr);
    assert.match(stdout, new RegExp(`^2 together: ${out}/best\\.safetensors, top-1 error [\\d.]+ %\n$`));
    assert.ok(filesOfRun(join(folder, out)).includes("report.html"));
    if (needsMpi("Open MPI").skip !== false) return;
    assert.ok(bytesOf(out).equals(await byCommand()), "the same weights, to the last bit");
  });

  test(`${flavour}: what one process of a program meets ends all, and is said`, needsMpi(flavour), async () => {
    const { code, stderr } = await mpirun(flavour, 2, [program("mpi-library.js"), example], { cwd: folder });
    assert.notEqual(code, 0);
    assert.match(stderr, /^rank 1 on host \S+: .*no-such-folder/m);
  });
}

test("processes that name no folder take one and the same", needsMpi("Open MPI"), async () => {
  const { code, stdout, stderr } = await mpirun("Open MPI", 2, [program("mpi-library.js"), "no folder"], {
    cwd: folder,
  });
  assert.equal(code, 0, stderr);
  assert.deepEqual(stdout.trim().split("\n"), new Array(2).fill("runs/se-resnet-8/best.safetensors true"));
});
