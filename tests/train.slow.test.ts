/** Training runs that are stopped, started twice, gone on with on other pictures, or told nonsense. */

import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { writeDemoPictures } from "../src/demo/write.node.ts";
import { type EpochMetrics, type TrainingState, trainingStateSchema } from "../src/train/state.ts";
import type { Checkpoint } from "../src/weights/checkpoint.ts";
import { encodeCheckpoint } from "../src/weights/checkpoint-write.ts";
import { decodeCheckpoint } from "../src/weights/decode-checkpoint.ts";
import { filesOfRun, firstFiles, type RunOptions, senet, temporaryFolder } from "./command.ts";
import type { Ran } from "./ran.ts";

const folder = temporaryFolder();
const at = (...path: string[]) => join(folder, ...path);
const small = "--model se-resnet-20 --image-size 16 --batch-size 16 --threads 1 --workers 1".split(" ");

const train = (data: string, more: readonly string[], options: RunOptions = {}): Promise<Ran> =>
  senet(["train", "--data", data, ...more], { cwd: folder, ...options });
const start = (data: string, out: string, epochs: number, options: RunOptions = {}): Promise<Ran> =>
  train(data, [...small, "--epochs", `${epochs}`, "--out", out], options);
const resume = (data: string, out: string, ...more: readonly string[]): Promise<Ran> =>
  train(data, ["--out", out, "--resume", "--threads", "1", "--workers", "1", ...more]);

const load = (out: string) => decodeCheckpoint(readFileSync(at(out, "last.safetensors")), out);
const stateOf = (out: string): TrainingState => trainingStateSchema.parse(load(out).run!.state);
/** Writes `last.safetensors` again with another run in it. */
function rewrite(out: string, change: (run: NonNullable<Checkpoint["run"]>) => NonNullable<Checkpoint["run"]>): void {
  const checkpoint = load(out);
  const bytes = encodeCheckpoint({ ...checkpoint, run: change(checkpoint.run!) });
  writeFileSync(at(out, "last.safetensors"), Buffer.concat(bytes));
}
const rowsOf = (out: string): EpochMetrics[] =>
  readFileSync(at(out, "metrics.jsonl"), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as EpochMetrics);
const timeless = (rows: readonly EpochMetrics[]) =>
  rows.map((row) => ({ ...row, seconds: 0, imagesPerSecond: 0, waitShare: 0 }));

function assertFailed({ code, stderr }: Ran, expected: 1 | 2, ...words: readonly RegExp[]): void {
  for (const word of words) assert.match(stderr, word);
  assert.doesNotMatch(stderr, /bug in senet|\n +at /);
  assert.equal(code, expected);
}

/** Waits until a run has saved for the first time, then calls `act`, once. */
function onceSaved(out: string, act: (process: ChildProcess) => void): RunOptions {
  return {
    onStart: (process) => {
      const timer = setInterval(() => {
        if (!existsSync(at(out, "last.safetensors"))) return;
        clearInterval(timer);
        act(process);
      }, 2);
      process.on("exit", () => clearInterval(timer));
    },
  };
}

before(async () => {
  await writeDemoPictures(at("pictures"), { trainPerClass: 6, valPerClass: 2, heldBackPerClass: 0, size: 40 });
  // So many to validate that a signal meets the validation.
  await writeDemoPictures(at("many"), { trainPerClass: 4, valPerClass: 2, heldBackPerClass: 0, size: 40 });
  for (const name of readdirSync(at("many", "val"))) {
    for (let i = 3; i < 150; i++) cpSync(at("many", "val", name, "001.jpg"), at("many", "val", name, `${i}.jpg`));
  }
  const whole = await start("pictures", "whole", 2);
  assert.equal(whole.code, 0, whole.stderr);
});

for (const [signal, code] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
  ["SIGHUP", 129],
] as const) {
  test(`${signal} while it validates ends a run at once; gone on with, it validates and is complete`, async () => {
    const out = `validating-${signal}`;
    const stopped = await start(
      "many",
      out,
      1,
      onceSaved(out, (process) => process.kill(signal)),
    );
    assert.equal(stopped.code, code, stopped.stderr);
    const command = /^stopped and saved; continue with: senet (train .*)$/m.exec(stopped.stderr)?.[1];
    assert.ok(command !== undefined, stopped.stderr);
    const state = stateOf(out);
    assert.deepEqual([state.epoch, state.step, state.history.length], [0, 3, 0]);
    assert.deepEqual(filesOfRun(at(out)), [...firstFiles, "last.safetensors"].sort());

    const resumed = await senet(command.split(" "), { cwd: folder });
    assert.equal(resumed.code, 0, resumed.stderr);
    assert.match(resumed.stderr, /resumed at epoch 1, after step 3 of 3/);
    assert.deepEqual([stateOf(out).epoch, rowsOf(out).length], [1, 1]);
    assert.ok(existsSync(at(out, "best.safetensors")));
  });
}

test("killed while it validates, a run has lost no step", async () => {
  const killed = await start(
    "many",
    "killed",
    1,
    onceSaved("killed", (process) => process.kill("SIGKILL")),
  );
  assert.equal(killed.code, null);
  assert.equal(stateOf("killed").step, 3);
  const resumed = await resume("many", "killed");
  assert.equal(resumed.code, 0, resumed.stderr);
  assert.match(resumed.stderr, /resumed at epoch 1, after step 3 of 3/);
  assert.ok(!existsSync(at("killed", "run.lock")));
});

test("what nohup has started does not hear of a closed terminal", { skip: process.platform === "win32" }, async () => {
  const script = 'nohup "$@" & child=$!; echo $child >&2; wait $child; exit $?';
  let sent = false;
  const ran = await start("pictures", "nohup", 2, {
    shell: `set -- "$@"; bash -c '${script}' bash "$@"; exit $?`,
    onStderr: (stderr) => {
      if (sent || !stderr.includes("executor ")) return;
      sent = true;
      process.kill(Number(/^\d+$/m.exec(stderr)![0]), "SIGHUP");
    },
  });
  assert.ok(sent);
  assert.equal(ran.code, 0, ran.stderr);
  assert.match(ran.stderr, /done: best top-1 error/);
});

test("with nobody to tell, a stopped run still saves", { skip: process.platform === "win32" }, async () => {
  // The reader of standard error goes away, as a closed terminal does.
  const ran = await start("pictures", "deaf", 400, {
    shell: 'set -- "$@"; exec 2> >(head -n 3 >/dev/null); exec "$@"',
    ...onceSaved("deaf", (process) => setTimeout(() => process.kill("SIGHUP"), 200)),
  });
  assert.equal(ran.code, 129, ran.stderr);
  const { epoch, step, history } = stateOf("deaf");
  assert.ok(epoch + step > 0 && history.length === epoch);
});

test("of two runs in one folder the second is refused, and the first goes on", async () => {
  let second: Promise<Ran> | undefined;
  let pid: number | undefined;
  const first = await start("pictures", "shared", 12, {
    onStderr: (stderr, process) => {
      if (!stderr.includes("epoch 1/12: ") || second !== undefined) return;
      pid = process.pid;
      second = start("pictures", "shared", 2);
    },
  });
  assertFailed(await second!, 2, /shared: another run is using this folder/, new RegExp(`process ${pid}, running`));
  assert.equal(first.code, 0, first.stderr);
  assert.equal(rowsOf("shared").length, 12);
  const config = JSON.parse(readFileSync(at("shared", "config.json"), "utf8")) as { epochs: number };
  assert.equal(config.epochs, 12);
  assertFailed(await start("pictures", "shared", 2), 2, /there is a run in this folder already/);
});

test("runs without --out that start at once get a folder each; one that cannot begin leaves none", async () => {
  mkdirSync(at("names"));
  const run = (data: string) => train(data, [...small, "--epochs", "1"], { cwd: at("names") });
  const ran = await Promise.all([run("../pictures"), run("../pictures"), run("../pictures")]);
  for (const { code, stderr } of ran) assert.equal(code, 0, stderr);
  assert.deepEqual(readdirSync(at("names", "runs")).sort(), ["se-resnet-20", "se-resnet-20-2", "se-resnet-20-3"]);
  for (const out of readdirSync(at("names", "runs"))) assert.equal(rowsOf(join("names", "runs", out)).length, 1);
  assertFailed(await run("../absent"), 1, /absent/);
  assert.equal(readdirSync(at("names", "runs")).length, 3);
});

/** A copy of the finished run. */
function copied(name: string): string {
  cpSync(at("whole"), at(name), { recursive: true });
  return name;
}

test("a run goes on with changed pictures only when told to, and says what changed", async () => {
  const out = copied("changed");
  cpSync(at("pictures"), at("other"), { recursive: true });
  for (let i = 1; i <= 5; i++) rmSync(at("other", "train", "car", `00${i}.jpg`));
  cpSync(at("other", "val", "car", "001.jpg"), at("other", "val", "car", "more.jpg"));
  const words = [
    /67 pictures to train on instead of 72 \(car: 1 instead of 6\)/,
    /25 pictures to validate with instead of 24 \(car: 3 instead of 2\)/,
  ];
  const before = readFileSync(at(out, "last.safetensors"));
  const refused = await resume("other", out, "--epochs", "3");
  assertFailed(refused, 2, /not those that the run was trained on/, ...words, /--accept-changes/);
  assert.deepEqual(readFileSync(at(out, "last.safetensors")), before);
  const accepted = await resume("other", out, "--epochs", "3", "--accept-changes");
  assert.equal(accepted.code, 0, accepted.stderr);
  for (const word of words) assert.match(accepted.stderr, word);
  // From now on these are its pictures; and a data folder elsewhere is the same one.
  cpSync(at("other"), at("moved"), { recursive: true });
  const again = await resume("moved", out, "--epochs", "4");
  assert.equal(again.code, 0, again.stderr);
  assert.doesNotMatch(again.stderr, /instead of 72/);
  assert.equal(rowsOf(out).length, 4);
});

test("a run from before pictures were kept goes on, and says that it does not know", async () => {
  const out = copied("old");
  rewrite(out, ({ config, state, optimizer }) => ({ config, state, optimizer }));
  const ran = await resume("pictures", out, "--epochs", "3");
  assert.equal(ran.code, 0, ran.stderr);
  assert.match(ran.stderr, /it is unknown whether they have changed/);
  assert.doesNotMatch((await resume("pictures", out, "--epochs", "4")).stderr, /not known/);
});

test("more epochs train longer; anything else that differs is refused by its name, also from a file", async () => {
  const out = copied("longer");
  const longer = await resume("pictures", out, "--epochs", "3");
  assert.equal(longer.code, 0, longer.stderr);
  assert.match(longer.stderr, /3 epochs instead of 2: the cosine schedule .* continues at 0\.003125 \(it was 0\)/);
  assert.equal(rowsOf(out).length, 3);
  assert.deepEqual(timeless(rowsOf(out).slice(0, 2)), timeless(rowsOf("whole")));
  const config = JSON.parse(readFileSync(at(out, "config.json"), "utf8")) as Record<string, unknown>;
  assert.equal(config.epochs, 3);

  assertFailed(await resume("pictures", out, "--epochs", "2"), 2, /only --epochs may be raised/, /found: +--epochs 2/);
  assertFailed(await resume("pictures", out, "--no-mirror"), 2, /--no-mirror true/);
  writeFileSync(at("given.json"), JSON.stringify({ ...config, batchSize: 8, epochs: 9 }));
  const fromFile = await resume("pictures", out, "--config", "given.json");
  assertFailed(fromFile, 2, /"batchSize" in given\.json 16/, /found: +"batchSize" in given\.json 8$/m);
  writeFileSync(at("given.json"), JSON.stringify({ ...config, epochs: 4 }));
  assert.equal((await resume("pictures", out, "--config", "given.json")).code, 0);
  assert.equal(rowsOf(out).length, 4);
});

test("metrics that a killed run left behind its state, ahead of it or in halves are mended", async () => {
  const csv = readFileSync(at("whole", "metrics.csv"), "utf8");
  const jsonl = readFileSync(at("whole", "metrics.jsonl"), "utf8");
  for (const [i, spoil] of [(text: string) => text.slice(0, -20), (text: string) => text + text, () => ""].entries()) {
    const out = copied(`metrics-${i}`);
    writeFileSync(at(out, "metrics.csv"), spoil(csv));
    writeFileSync(at(out, "metrics.jsonl"), spoil(jsonl));
    assert.equal((await resume("pictures", out)).code, 0);
    assert.equal(readFileSync(at(out, "metrics.csv"), "utf8"), csv);
    assert.equal(readFileSync(at(out, "metrics.jsonl"), "utf8"), jsonl);
  }
});

test("states that no run can be in are refused", async () => {
  const cases: readonly (readonly [Partial<TrainingState>, RegExp])[] = [
    [{ epoch: 1e15 }, /state of the run cannot be used[\s\S]*epoch/],
    [{ step: 3, sums: { ...stateOf("whole").sums, images: 48 } }, /step 3 after the last epoch/],
    [{ epoch: 1, history: [], step: 0 }, /a row of the history for each epoch/],
    [{ step: -1 }, /state of the run cannot be used/],
    [
      {
        epoch: 1,
        history: stateOf("whole").history.slice(0, 1),
        step: 99,
        sums: { ...stateOf("whole").sums, images: 1584 },
      },
      /an epoch of 4 steps, of which the run has done 99/,
    ],
  ];
  for (const [i, [change, words]] of cases.entries()) {
    const out = copied(`impossible-${i}`);
    rewrite(out, (run) => ({ ...run, state: { ...(run.state as TrainingState), ...change } }));
    assertFailed(await resume("pictures", out, "--epochs", "3"), 1, words);
  }
});

test("weights that diverge end the run, and what was saved before stays good", async () => {
  const diverged = await train("pictures", [...small, "--epochs", "3", "--lr", "1e30", "--out", "diverged"]);
  assertFailed(diverged, 1, /not a finite number|no finite numbers/, /--lr.*--warmup-epochs/);
  for (const file of readdirSync(at("diverged")).filter((name) => name.endsWith(".safetensors"))) {
    decodeCheckpoint(readFileSync(at("diverged", file)), file);
  }
});

test("a demo that finds no room says so", { skip: process.platform === "win32" }, async () => {
  const full = await senet(["demo", "--out", "full-demo"], { cwd: folder, shell: "ulimit -f 1" });
  assertFailed(full, 1, /full-demo\/pictures: the demo's pictures cannot be written/, /larger than is allowed/);
  writeFileSync(at("given.json"), "");
  const file = await senet(["demo", "--out", "given.json/demo"], { cwd: folder });
  assertFailed(file, 1, /the folder cannot be made/, /a part of the path is a file/);
  let second: Promise<Ran> | undefined;
  const first = await senet(["demo", "--out", "demo", "--epochs", "1"], {
    cwd: folder,
    onStderr: (stderr, process) => {
      second ??= senet(["demo", "--out", "demo", "--epochs", "1"], { cwd: folder });
      if (stderr.includes("executor ")) process.kill("SIGTERM");
    },
  });
  assertFailed(await second!, 2, /another demo is using this folder/);
  assert.equal(first.code, 143, first.stderr);
  assert.ok(!existsSync(at("demo", "demo.lock")));
});

test("nonsense is refused by the name that was typed", async () => {
  const refused = async (words: RegExp, ...args: string[]) =>
    assertFailed(await train("pictures", [...small, "--out", "nonsense", ...args]), 2, words);
  await refused(/--lr: expected more than 0, found 0/, "--lr", "0");
  await refused(/--lr: expected more than 0, found -1/, "--lr=-1");
  await refused(/--lr .*expected a number/, "--lr", "nan");
  await refused(/--lr .*expected a number/, "--lr", "1e400");
  await refused(/--label-smoothing: expected less than 1, found 1/, "--label-smoothing", "1");
  await refused(
    /--step-factor: expected at most 1, found 2[\s\S]*--momentum: expected less than 1, found 1\.5/,
    "--momentum",
    "1.5",
    "--step-factor",
    "2",
  );
  await refused(/--step-epochs\.1: expected more than 0, found -2/, "--step-epochs", "1,-2");
  await refused(/a batch is larger than the training set/, "--batch-size", "100");
  assert.ok(!existsSync(at("nonsense")));
});

test("what a person should know is said once, and lines fit their terminal", async () => {
  const { stderr } = await start("pictures", "words", 1);
  assert.match(stderr, /each epoch leaves out 8 pictures, others each time: they do not fill a batch of 16/);
  assert.match(stderr, /72 pictures are few: a network that has already been trained on others/);
  assert.match(stderr, /highest rate 0\.00625$/m);
  cpSync(at("pictures"), at("five"), { recursive: true });
  for (const split of ["train", "val"]) {
    for (const name of readdirSync(at("five", split)).sort().slice(5))
      rmSync(at("five", split, name), { recursive: true });
  }
  const five = await start("five", "five-out", 1);
  assert.equal(five.code, 0, five.stderr);
  assert.doesNotMatch(five.stderr, /top-5/);
  assert.equal(rowsOf("five-out")[0]!.validationTop5Error, null);
  const evaluate = ["evaluate", "--weights", "five-out/best.safetensors", "--data", "five/val", "--threads", "1"];
  const table = await senet(evaluate, { cwd: folder });
  assert.equal(table.code, 0, table.stderr);
  assert.doesNotMatch(table.stdout + table.stderr, /top-5/);
  const json = JSON.parse((await senet([...evaluate, "--json"], { cwd: folder })).stdout) as Record<string, unknown>;
  assert.equal(json.top5_error, null);
});
