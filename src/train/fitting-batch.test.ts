import assert from "node:assert/strict";
import { join } from "node:path";
import { before, test } from "node:test";
import { temporaryFolder } from "../../tests/command.ts";
import { writeDemoPictures } from "../demo/write.node.ts";
import { selectExecutor } from "../executors/select.node.ts";
import { trainingConfig } from "./config.ts";
import { largestBatch, withFittingBatch } from "./fitting-batch.node.ts";

const MIB = 2 ** 20;

test("the largest batch is a multiple of eight or a power of two, and within memory and data", () => {
  const memory = { fixed: 10 * MIB, perPicture: MIB };
  assert.equal(largestBatch(memory, 110 * MIB, 1000), 96);
  assert.equal(largestBatch(memory, 114 * MIB, 1000), 104);
  assert.equal(largestBatch(memory, 110 * MIB, 50), 48);
  assert.equal(largestBatch(memory, 17.5 * MIB, 1000), 4);
  assert.equal(largestBatch(memory, 0, 1000), 2);
});

const data = join(temporaryFolder(), "pictures");
before(() => writeDemoPictures(data, { trainPerClass: 60, valPerClass: 1, heldBackPerClass: 1, size: 8 }));

for (const [executor, less, more] of [
  ["reference", 100, 200],
  ["onednn", 40, 80],
] as const) {
  const skip = await selectExecutor({ name: executor, purpose: "training" }).then(
    () => false as const,
    (error: unknown) => String(error),
  );
  test(`${executor}: more memory gives a larger batch, until an epoch would have too few steps`, { skip }, async () => {
    const config = trainingConfig({ model: "se-resnet-8", imageSize: 32 });
    const lines: string[] = [];
    const sizeWith = async (mebibytes: number) => {
      const options = { data, config, executor, threads: 1, say: (line: string) => lines.push(line) };
      return (await withFittingBatch({ ...options, memoryLimit: mebibytes * MIB })).batchSize;
    };
    assert.equal(await sizeWith(1), 2);
    const [some, larger] = [await sizeWith(less), await sizeWith(more)];
    assert.ok(some >= 8 && larger > some && larger < 72, `${some}, ${larger}`);
    assert.match(lines[1]!, new RegExp(`^batches of ${some} pictures: the most for half of the ${less}(\\.0)? MiB`));
    // 720 pictures.
    assert.equal(await sizeWith(100_000), 72);
    assert.match(lines.at(-1)!, /^batches of 72 pictures: for 10 steps an epoch; /);
  });
}
