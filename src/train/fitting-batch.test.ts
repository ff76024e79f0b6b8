import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../../tests/command.ts";
import { selectExecutor } from "../executors/select.node.ts";
import { trainingConfig } from "./config.ts";
import { largestBatch, withFittingBatch } from "./fitting-batch.node.ts";

const mebibyte = 2 ** 20;

// Before the first test: once that has ended, what is awaited here would find the folder gone.
const engines = await Promise.all(
  (
    [
      ["reference", 100, 200],
      ["onednn", 40, 80],
    ] as const
  ).map(async ([executor, less, more]) => {
    const skip = await selectExecutor({ name: executor, purpose: "training" }).then(
      () => false as const,
      (error: unknown) => String(error),
    );
    return { executor, less, more, skip };
  }),
);

test("the largest batch is a multiple of eight or a power of two, and within memory and data", () => {
  const memory = { fixed: 10 * mebibyte, perPicture: mebibyte };
  assert.equal(largestBatch(memory, 110 * mebibyte, 1000), 96);
  assert.equal(largestBatch(memory, 114 * mebibyte, 1000), 104);
  assert.equal(largestBatch(memory, 110 * mebibyte, 50), 48);
  assert.equal(largestBatch(memory, 17.5 * mebibyte, 1000), 4);
  assert.equal(largestBatch(memory, 0, 1000), 2);
});

const data = join(temporaryFolder(), "pictures");
/** 720 pictures to learn from, of which nobody looks at more than the names. */
for (let label = 0; label < 12; label++) {
  for (const [part, count] of Object.entries({ train: 60, val: 1 })) {
    const folder = join(data, part, `class-${label}`);
    mkdirSync(folder, { recursive: true });
    for (let i = 0; i < count; i++) writeFileSync(join(folder, `${i}.ppm`), "P6\n1 1\n255\n123");
  }
}

for (const { executor, less, more, skip } of engines) {
  test(`${executor}: more memory gives a larger batch, until an epoch would have too few steps`, { skip }, async () => {
    const config = trainingConfig({ model: "se-resnet-8", imageSize: 32 });
    const lines: string[] = [];
    const sizeWith = async (mebibytes: number) => {
      const options = { data, config, executor, threads: 1, say: (line: string) => lines.push(line) };
      return (await withFittingBatch({ ...options, memoryLimit: mebibytes * mebibyte })).batchSize;
    };
    assert.equal(await sizeWith(1), 2);
    const [some, larger] = [await sizeWith(less), await sizeWith(more)];
    assert.ok(some >= 8 && larger > some && larger < 72, `${some}, ${larger}`);
    assert.match(lines[1]!, new RegExp(`^batches of ${some} pictures: the most for half of the ${less}(\\.0)? MiB`));
    assert.equal(await sizeWith(100_000), 72);
    assert.match(lines.at(-1)!, /^batches of 72 pictures: for 10 steps an epoch; /);
  });
}
