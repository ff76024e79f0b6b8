/** A run that is killed at random moments, again and again, ends as one that never stopped: to the last bit, on every engine. */

import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { writeDemoPictures } from "../src/demo/write.node.ts";
import { selectExecutor } from "../src/executors/select.node.ts";
import { createRandom } from "../src/random.ts";
import { trainingStateSchema } from "../src/train/state.ts";
import { decodeCheckpoint } from "../src/weights/decode-checkpoint.ts";
import { senet, temporaryFolder } from "./command.ts";

const folder = temporaryFolder();
const at = (...path: string[]) => join(folder, ...path);
/** SENET_KILLS=20 is the full proof (docs/environment.md). */
const kills = Number(process.env.SENET_KILLS ?? 6);

/** Everything that a run keeps between steps is in use: averages, slow weights, gradients in parts, mixed pictures, clipping, dropping of batch norm. */
const options = [
  ..."--model se-resnet-20 --image-size 16 --batch-size 16 --micro-batch 8 --epochs 20".split(" "),
  ..."--model-ema --model-ema-decay 0.9 --model-ema-warmup --mixup 0.2 --clip-grad 5 --reprob 0.2".split(" "),
  ..."--freeze-bn-epochs 3 --schedule one-cycle --lookahead --lookahead-steps 7".split(" "),
];
/** Of all of it: 72 pictures in batches of 16, 20 times. */
const steps = 80;
const common = ["--data", "pictures", "--threads", "1", "--workers", "1", "--save-every", "0s", "--no-report"];

const load = (out: string, file = "last.safetensors") => decodeCheckpoint(readFileSync(at(out, file)), out);

before(() => writeDemoPictures(at("pictures"), { trainPerClass: 6, valPerClass: 2, heldBackPerClass: 1, size: 40 }));

for (const executor of ["onednn", "ort"]) {
  const missing = await selectExecutor({ name: executor, purpose: "training" }).then(
    () => false as const,
    (error: unknown) => String(error),
  );
  test(`${executor}: ${kills} kills at random moments leave no trace`, { skip: missing }, async () => {
    const [whole, killed] = [`${executor}-whole`, `${executor}-killed`];
    const run = (out: string, more: readonly string[], onStart: (process: ChildProcess) => void = () => {}) =>
      senet(["train", ...common, "--out", out, "--executor", executor, ...more], { cwd: folder, onStart });
    const started = performance.now();
    const saves: number[] = [];
    const uninterrupted = await run(whole, options, (process) =>
      watchSaves(process, whole, () => saves.push(performance.now())),
    );
    assert.equal(uninterrupted.code, 0, uninterrupted.stderr);
    const beginning = saves[0]! - started;
    const interval = (saves.at(-1)! - saves[0]!) / steps;

    const random = createRandom(7);
    const positions = new Set<string>();
    for (let kill = 0; kill < kills; kill++) {
      // Every fourth before it could do a step; else after a save or two, and within a step and a half from there.
      const isEarly = kill % 4 === 3;
      const wanted = isEarly ? 0 : 1 + Math.floor(2 * random.uniform());
      const delay = random.uniform() * (isEarly ? 0.8 * beginning : 1.5 * interval);
      const ran = await run(killed, kill === 0 ? options : ["--resume"], (process) => {
        const killSoon = () => setTimeout(() => process.kill("SIGKILL"), delay);
        let count = 0;
        if (isEarly) killSoon();
        else watchSaves(process, killed, () => ++count === wanted && killSoon());
      });
      assert.equal(ran.code, null, `kill ${kill} came too late: ${ran.stderr}`);
      const { epoch, step } = trainingStateSchema.parse(load(killed).run!.state);
      positions.add(`epoch ${epoch}, step ${step}`);
    }
    assert.ok(positions.size >= kills / 2, `it was stopped at ${[...positions].join("; ")}`);
    const last = await run(killed, ["--resume"]);
    assert.equal(last.code, 0, last.stderr);

    const [found, expected] = [load(killed), load(whole)];
    assert.deepEqual(found.weights, expected.weights);
    assert.deepEqual(found.run!.optimizer, expected.run!.optimizer);
    assert.ok(expected.run!.average !== undefined);
    assert.deepEqual(found.run!.average, expected.run!.average);
    assert.deepEqual(found.run!.config, expected.run!.config);
    const best = (out: string) => readFileSync(at(out, "best.safetensors"));
    assert.ok(best(killed).equals(best(whole)), "best.safetensors has other bytes");
  });
}

/** Calls back for each save that a process does; of two within milliseconds, for one of them. */
function watchSaves(process: ChildProcess, out: string, onSave: () => void): void {
  const file = at(out, "last.safetensors");
  // A save is a new file under the old name.
  const version = () => {
    const stat = statSync(file, { throwIfNoEntry: false });
    return stat && `${stat.ino} ${stat.mtimeMs}`;
  };
  let seen = version();
  const timer = setInterval(() => {
    const now = version();
    if (now === seen) return;
    seen = now;
    onSave();
  }, 2);
  process.on("exit", () => clearInterval(timer));
}
