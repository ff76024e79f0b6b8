/** `mpirun -np N senet train`: what several processes learn together is what one learns. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { before, test } from "node:test";
import { selectExecutor } from "../src/executors/select.node.ts";
import type { Flavour } from "../src/mpi/library.node.ts";
import { decodeCheckpoint } from "../src/weights/decode-checkpoint.ts";
import { launcher, senet, temporaryFolder } from "./command.ts";
import { writeDrawnPictures } from "./drawn.ts";
import { launch, mpirun, needsMpi, runJob } from "./mpi.ts";

const folder = temporaryFolder();
const executor = await selectExecutor({ name: "onednn", purpose: "training" }).then(
  () => "onednn",
  () => "reference",
);
/** Momentum, an average, mixed pictures and gradients in parts: twenty steps, of 36 pictures in batches of 16. */
const options = [
  ..."--data pictures --model se-resnet-8 --image-size 16 --epochs 10 --lr 0.02 --sync-bn --mixup 0.2".split(" "),
  ..."--model-ema --model-ema-decay 0.9 --threads 1 --workers 1 --save-every 0s --no-report".split(" "),
  ...["--executor", executor],
];
const whole = 16;

before(() => writeDrawnPictures(join(folder, "pictures"), { train: 12, val: 5, size: 24 }));

const lastOf = (out: string) => {
  const file = join(folder, out, "last.safetensors");
  return decodeCheckpoint(readFileSync(file), file);
};

const batches = (count: number) => ["--batch-size", `${whole / count}`, "--micro-batch", `${whole / 2 / count}`];

async function trainTogether(
  flavour: Flavour,
  count: number,
  out: string,
  more: readonly string[] = [],
): Promise<string> {
  const args = [launcher, "train", ...options, ...batches(count), "--out", out, ...more];
  const { code, stderr } = await mpirun(flavour, count, args, { cwd: folder });
  assert.equal(code, 0, stderr);
  assert.match(stderr, /^done: /m);
  assert.doesNotMatch(stderr, /left to none/);
  assert.equal(stderr.match(/^epoch 1\/10: /gm)?.length, 1, "one process talks");
  return stderr;
}

/** |a − b| / |b|, over all numbers together. */
function distance(a: ReadonlyMap<string, { data: ArrayLike<number> }>, b: typeof a): number {
  let [difference, size] = [0, 0];
  for (const [name, { data }] of b) {
    for (let i = 0; i < data.length; i++) {
      difference += (a.get(name)!.data[i]! - data[i]!) ** 2;
      size += data[i]! ** 2;
    }
  }
  return Math.sqrt(difference / size);
}

function assertSameRun(out: string, expected: string, tolerance: number): void {
  const [found, wanted] = [lastOf(out), lastOf(expected)];
  const far = [distance(found.weights, wanted.weights), distance(found.run!.average!, wanted.run!.average!)];
  assert.ok(Math.max(...far) <= tolerance, `${out}: weights and their average are off by ${far.join(" and ")}`);
}

let alone: Promise<void> | undefined;
const trainAlone = () => {
  alone ??= senet(["train", ...options, ...batches(1), "--out", "one"], { cwd: folder }).then(({ code, stderr }) =>
    assert.equal(code, 0, stderr),
  );
  return alone;
};

for (const [flavour, count] of [
  ["Open MPI", 2],
  ["Open MPI", 4],
  ["MPICH", 2],
] satisfies [Flavour, number][]) {
  const name = `${flavour}, ${count} processes`;
  test(`${name}: after twenty steps the weights are those of one with their batches together, and twice the same`, {
    ...needsMpi(flavour),
  }, async () => {
    await trainAlone();
    const out = `${flavour.replace(" ", "")}-${count}`;
    await trainTogether(flavour, count, out);
    assertSameRun(out, "one", 1e-5);
    const [config, theirs] = [out, "one"].map((run) => readFileSync(join(folder, run, "config.json"), "utf8"));
    assert.equal(config, theirs);
    // Each picture is validated once, whoever does it.
    const [found, wanted] = [lastOf(out), lastOf("one")].map(
      ({ run }) => (run!.state as { history: object[] }).history,
    );
    const errors = (rows: object[]) => rows.map((row) => (row as { validationTop1Error: number }).validationTop1Error);
    assert.deepEqual(errors(found!), errors(wanted!));
    // In other buckets.
    await trainTogether(flavour, count, `${out}-again`, ["--bucket-mib", "1"]);
    assertSameRun(`${out}-again`, out, 0);
  });
}

test("a run goes on along its curve with another number of processes, also with one, and stops for all at once", {
  ...needsMpi("Open MPI"),
}, async () => {
  await trainAlone();
  const args = [launcher, "train", ...options, ...batches(2), "--out", "moved"];
  let isTold = false;
  const stopped = await mpirun("Open MPI", 2, args, {
    cwd: folder,
    onStderr(stderr, child) {
      if (isTold || !/^epoch 1\/10: /m.test(stderr)) return;
      isTold = true;
      child.kill("SIGUSR2");
    },
  });
  assert.notEqual(stopped.code, 0);
  const { epoch } = lastOf("moved").run!.state as { epoch: number };
  assert.ok(epoch >= 1 && epoch < 10, `stopped in epoch ${epoch + 1}`);
  assert.match(stopped.stderr, /stopped and saved; continue with: mpirun -np 2 senet train --resume .*--out moved/);
  const resumed = [
    launcher,
    "train",
    "--resume",
    "--out",
    "moved",
    "--executor",
    executor,
    "--threads",
    "1",
    "--no-report",
  ];
  const { code, stderr } = await mpirun("Open MPI", 4, resumed, { cwd: folder });
  assert.equal(code, 0, stderr);
  assert.match(stderr, /^resumed at epoch/m);
  assertSameRun("moved", "one", 1e-5);
});

test("bf16 on the wire learns nearly the same", { ...needsMpi("Open MPI") }, async () => {
  await trainAlone();
  const stderr = await trainTogether("Open MPI", 2, "short", ["--wire", "bf16"]);
  assert.match(stderr, /if one of them dies: mpirun .* --wire bf16/, "so does a run that is resumed");
  const { weights } = lastOf("short");
  const far = distance(weights, lastOf("one").weights);
  assert.ok(far > 1e-6 && far < 1e-2, `off by ${far}`);
});

test("processors that the launcher leaves to none of the processes are told of", {
  ...(needsMpi("Open MPI").skip === false &&
  availableParallelism() > 1 &&
  spawnSync("taskset", ["--version"]).status === 0
    ? {}
    : { skip: "Open MPI, a second processor or taskset is absent" }),
}, async () => {
  const args = ["train", ...options, ...batches(2), "--time-budget", "1s"];
  const bound = [...launch("Open MPI", 2), "taskset", "-c", "0"];
  const told = await runJob(bound, [launcher, ...args, "--out", "bound"], { cwd: folder });
  assert.match(told.stderr, /^\d+ processors of this host are unused: .*--bind-to none/m);
});

test("a recipe's rate goes with the batch of all, however many share it", needsMpi("Open MPI"), async () => {
  const recipe = "train --data pictures --recipe paper-2017 --model se-resnet-8 --image-size 16 --epochs 1 --no-report";
  const args = (batch: number, out: string) => [...recipe.split(" "), "--batch-size", `${batch}`, "--out", out];
  const one = await senet(args(16, "recipe-one"), { cwd: folder });
  assert.equal(one.code, 0, one.stderr);
  assert.match(one.stderr, /batches of 16 instead of the recipe's 1024: a rate of 0\.009375 instead of 0\.6/);
  const two = await mpirun("Open MPI", 2, [launcher, ...args(8, "recipe-two")], { cwd: folder });
  assert.equal(two.code, 0, two.stderr);
  const configOf = (out: string) => readFileSync(join(folder, out, "config.json"), "utf8");
  assert.equal(configOf("recipe-two"), configOf("recipe-one"));
  assert.equal((JSON.parse(configOf("recipe-two")) as { learningRate: number }).learningRate, (0.6 * 16) / 1024);
});
