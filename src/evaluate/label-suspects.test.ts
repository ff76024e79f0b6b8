import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { before, test } from "node:test";
import { colourClasses, colourInput, colourNetwork, drawColours } from "../../tests/colours.ts";
import { temporaryFolder } from "../../tests/command.ts";
import { openDataset } from "../data/datasets.node.ts";
import { SenetError } from "../errors.ts";
import { referenceExecutor } from "../executors/reference/reference.ts";
import { labelSuspects } from "./suspects.node.ts";

const root = join(temporaryFolder(), "pictures");
const checkpoint = colourNetwork([...colourClasses], colourInput.rgb);
const [red, green, blue] = colourClasses;
const dataset = () => openDataset(root, { classes: checkpoint.labels });

before(async () => {
  await drawColours(root, 5);
  copyFileSync(join(root, green, "4.png"), join(root, red, "a.png"));
  copyFileSync(join(root, blue, "4.png"), join(root, green, "b.png"));
  writeFileSync(join(root, red, "bad.png"), "no picture");
});

test("pictures in another class's folder are found, and no others; what cannot be decoded is left out", async () => {
  const told: (readonly [number, number])[] = [];
  const options = { checkpoint, dataset: dataset(), executor: referenceExecutor, workers: 1, batchSize: 4 };
  const found = await labelSuspects({ ...options, onProgress: (done, total) => told.push([done, total]) });
  assert.deepEqual(
    found.suspects.map(({ sample, label, guess }) => [relative(root, sample.file), label, guess]).sort(),
    [
      [join(green, "b.png"), green, blue],
      [join(red, "a.png"), red, green],
    ],
  );
  assert.ok(found.suspects.every(({ margin, probability }) => margin < 0 && probability < 0.5));
  assert.deepEqual([found.pictures, found.finished, told.at(-1)], [17, true, [18, 18]]);
  assert.deepEqual(
    found.failures.map(({ file }) => relative(root, file)),
    [join(red, "bad.png")],
  );
  // One of six, and one of six, of 17.
  assert.ok(Math.abs(found.noise - 2 / 17) < 1e-9, `${found.noise}`);
  assert.equal(found.agreement, 15 / 17);
  assert.equal(found.confusions.length, 2);
});

test("it can be stopped; pictures that nobody can decode are an error", async () => {
  const options = { checkpoint, executor: referenceExecutor, workers: 1, batchSize: 4 };
  const stopped = await labelSuspects({ ...options, dataset: dataset(), signal: AbortSignal.abort() });
  assert.equal(stopped.finished, false);
  assert.ok(stopped.pictures < 17);
  const bad = join(temporaryFolder(), "bad");
  mkdirSync(join(bad, red), { recursive: true });
  writeFileSync(join(bad, red, "1.png"), "no picture");
  await assert.rejects(
    labelSuspects({ ...options, dataset: openDataset(bad, { classes: checkpoint.labels }) }),
    (error) => error instanceof SenetError && error.code === "data" && /no picture can be decoded/.test(error.message),
  );
});
