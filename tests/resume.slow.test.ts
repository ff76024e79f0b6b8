/** A run that is killed at random moments, twenty times, ends as one that never stopped: to the last bit, on every engine. */

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { writeDemoPictures } from "../src/demo/write.node.ts";
import { selectExecutor } from "../src/executors/select.node.ts";
import { createRandom } from "../src/random.ts";
import { trainingStateSchema } from "../src/train/state.ts";
import { decodeCheckpoint } from "../src/weights/checkpoint.ts";
import { type Ran, senet, temporaryFolder } from "./command.ts";

const folder = temporaryFolder();
const at = (...path: string[]) => join(folder, ...path);
const kills = 20;

/** Everything that a run keeps between steps is in use: averages, gradients in parts, mixed pictures, clipping, dropping of batch norm. */
const options = [
  ..."--model se-resnet-20 --image-size 16 --batch-size 16 --micro-batch 8 --epochs 10".split(" "),
  ..."--model-ema --model-ema-decay 0.9 --model-ema-warmup --mixup 0.2 --clip-grad 5 --reprob 0.2".split(" "),
  ..."--freeze-bn-epochs 3 --schedule one-cycle".split(" "),
];
const common = ["--data", "pictures", "--threads", "1", "--workers", "1", "--save-every", "0s", "--no-report"];

const load = (out: string, file = "last.safetensors") => decodeCheckpoint(readFileSync(at(out, file)), out);

before(() => writeDemoPictures(at("pictures"), { trainPerClass: 6, valPerClass: 2, heldBackPerClass: 1, size: 40 }));

for (const executor of ["onednn", "ort"]) {
  const missing = await selectExecutor({ name: executor, purpose: "training" }).then(
    () => false as const,
    (error: unknown) => String(error),
  );
  test(`${executor}: twenty kills at random moments leave no trace`, { skip: missing }, async () => {
    const run = (out: string, more: readonly string[], killAfter?: number): Promise<Ran> =>
      senet(["train", ...common, "--out", out, "--executor", executor, ...more], {
        cwd: folder,
        onStart: (process) => {
          if (killAfter === undefined) return;
          const timer = setTimeout(() => process.kill("SIGKILL"), killAfter);
          process.on("exit", () => clearTimeout(timer));
        },
      });
    const [whole, killed] = [`${executor}-whole`, `${executor}-killed`];
    const start = performance.now();
    const uninterrupted = await run(whole, options);
    assert.equal(uninterrupted.code, 0, uninterrupted.stderr);
    const duration = performance.now() - start;

    const random = createRandom(7);
    const positions = new Set<string>();
    for (let kill = 0; kill < kills; kill++) {
      const isSaved = existsSync(at(killed, "last.safetensors"));
      // Never so long that it could come to its end.
      const ran = await run(killed, isSaved ? ["--resume"] : options, (0.2 + 0.25 * random.uniform()) * duration);
      assert.equal(ran.code, null, `kill ${kill} came too late: ${ran.stderr}`);
      if (!existsSync(at(killed, "last.safetensors"))) continue;
      const { epoch, step } = trainingStateSchema.parse(load(killed).run!.state);
      positions.add(`epoch ${epoch}, step ${step}`);
      if (epoch >= 9) break;
    }
    assert.ok(positions.size >= 5, `it was stopped at ${[...positions].join("; ")}`);
    const last = await run(killed, ["--resume"]);
    assert.equal(last.code, 0, last.stderr);

    const [found, expected] = [load(killed), load(whole)];
    assert.deepEqual(found.weights, expected.weights);
    assert.deepEqual(found.run!.optimizer, expected.run!.optimizer);
    assert.ok(expected.run!.average !== undefined);
    assert.deepEqual(found.run!.average, expected.run!.average);
    assert.deepEqual(found.run!.config, expected.run!.config);
    assert.deepEqual(load(killed, "best.safetensors"), load(whole, "best.safetensors"));
  });
}
