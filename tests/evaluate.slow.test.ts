/** From pictures to errors, in both orders of ImageNet's classes and both ways to prepare pictures. */

import assert from "node:assert/strict";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { checkSameLogits } from "../src/api/compare.node.ts";
import { type Engine, evaluateOne, type Protocol, type Row } from "../src/cli/evaluating.ts";
import { LiveLine } from "../src/cli/output.ts";
import { openFolder } from "../src/data/folder.node.ts";
import { SenetError } from "../src/errors.ts";
import { Journal } from "../src/evaluate/journal.node.ts";
import { type MeasureOptions, measure } from "../src/evaluate/measure.node.ts";
import { ortExecutor } from "../src/executors/ort/executor.node.ts";
import { type ClassOrder, imagenetLabels } from "../src/import/imagenet-classes.ts";
import { type Tensor, tensor } from "../src/tensor.ts";
import { colourInput, colourNetwork, drawColours, drawPicture, writeCheckpoint } from "./colours.ts";
import { temporaryFolder } from "./command.ts";

const folder = temporaryFolder();
const at = (...path: string[]) => join(folder, ...path);
const running = { batchSize: 4, threads: 1, workers: 1 };
const engine: Engine = { choice: { name: "ort" }, ...running };

const filled = ({ shape }: Tensor, value: number): Tensor =>
  tensor(shape, new Float32Array(shape.reduce((product, extent) => product * extent, 1)).fill(value));

class Silent extends LiveLine {
  override show(): void {}
  override print(): void {}
}

before(() => drawColours(at("folders"), 3));

function evaluated(weights: string, protocol: Partial<Protocol>): Promise<Row> {
  const defaults: Protocol = {
    ...{ data: at("folders"), list: undefined, listOrder: "devkit", allowMissing: false, held: undefined },
    ...{ views: "centre", opening: {} },
  };
  return evaluateOne([weights], { ...defaults, ...protocol }, engine, new Silent(), new AbortController().signal);
}

/** Red, by the names of folders and of flat files. */
const isFox = /^(n02119789\/|0-)/;
const nameOf = (picture: string) =>
  isFox.test(picture) ? "red" : /^(n02100735\/|1-)/.test(picture) ? "green" : "blue";

const ways: Partial<Protocol>[] = [{}, { data: at("flat"), list: at("list.txt") }];

for (const order of ["devkit", "sorted"] as const) {
  for (const channels of ["rgb", "bgr"] as const) {
    test(`classes in ${order} order, pictures in ${channels}: no error, by folder and by list, without flags`, async () => {
      const file = at(`${order}-${channels}.safetensors`);
      writeCheckpoint(file, colourNetwork(imagenetLabels(order), colourInput[channels]));
      for (const way of ways) {
        const { measured } = await evaluated(file, way);
        assert.deepEqual([measured.images, measured.top1Error, measured.top5Error], [9, 0, 0]);
        const fox = imagenetLabels(order).findIndex((label) => label.startsWith("n02119789"));
        const { label, predicted } = measured.outcomes.find(({ picture }) => isFox.test(picture))!;
        assert.deepEqual([label, predicted], [fox, fox]);
      }
    });
  }
}

test("a network in another order than its labels say is wrong throughout, and one in BGR swaps red and blue", async () => {
  const network = colourNetwork(imagenetLabels("sorted"), colourInput.rgb);
  writeCheckpoint(at("mislabelled.safetensors"), { ...network, labels: imagenetLabels("devkit") });
  const swapped = { ...colourInput.rgb, channels: "bgr" } as const;
  writeCheckpoint(at("swapped.safetensors"), { ...network, preprocessing: swapped });
  for (const way of ways) {
    assert.equal((await evaluated(at("mislabelled.safetensors"), way)).measured.top1Error, 100);
    const { outcomes } = (await evaluated(at("swapped.safetensors"), way)).measured;
    assert.deepEqual(
      [...new Set(outcomes.flatMap(({ rank, picture }) => (rank === 0 ? [nameOf(picture)] : [])))],
      ["green"],
    );
  }
});

test("a list may count in sorted order, and a network of other classes in its own", async () => {
  const file = at("any.safetensors");
  writeCheckpoint(file, colourNetwork(imagenetLabels("devkit"), colourInput.rgb));
  const numberIn = (order: ClassOrder) => imagenetLabels(order).findIndex((label) => label.startsWith("n02100735"));
  writeFileSync(at("sorted.txt"), `1-0.png ${numberIn("sorted")}\n`);
  const way = { data: at("flat"), list: at("sorted.txt") };
  assert.equal((await evaluated(file, { ...way, listOrder: "sorted" })).measured.top1Error, 0);
  assert.equal((await evaluated(file, way)).measured.top1Error, 100);

  writeCheckpoint(file, colourNetwork(["n02110185", "n02100735", "n02119789"], colourInput.rgb));
  writeFileSync(at("own.txt"), "0-0.png 2\n1-0.png 1\n2-0.png 0\n");
  assert.equal((await evaluated(file, { data: at("flat"), list: at("own.txt") })).measured.top1Error, 0);
});

test("ten crops see the margins that the centre crop does not; another crop comes from a side in proportion", async () => {
  const file = at("views.safetensors");
  writeCheckpoint(file, colourNetwork(imagenetLabels("devkit"), colourInput.rgb));
  // Blue, but red in the middle: the centre crop says kit fox, ten crops say husky.
  await drawPicture(at("framed", "n02110185", "1.png"), [10, 10, 240], [240, 10, 10]);
  const data = at("framed");
  const centre = await evaluated(file, { data });
  assert.deepEqual([centre.measured.top1Error, centre.measured.top5Error], [100, 0]);
  assert.equal((await evaluated(file, { data, views: "mirror" })).measured.top1Error, 100);
  assert.equal((await evaluated(file, { data, views: "ten-crop" })).measured.top1Error, 0);

  const sizes = async (given: Partial<Protocol>) => {
    const { preprocessing } = await evaluated(file, { data, ...given });
    return [preprocessing.resize, preprocessing.crop];
  };
  assert.deepEqual(await sizes({ opening: { crop: 12 } }), [24, 12]);
  assert.deepEqual(await sizes({ opening: { resize: 20 } }), [20, 8]);
  assert.deepEqual(await sizes({ opening: { resize: 20, crop: 12 } }), [20, 12]);
  // All of the picture: blue has the majority.
  assert.equal((await evaluated(file, { data, opening: { resize: 16, crop: 16 } })).measured.top1Error, 0);
});

const network = colourNetwork(imagenetLabels("devkit"), colourInput.rgb);

function measuring(data: string, more: Partial<MeasureOptions> = {}) {
  const dataset = openFolder(data, { classes: network.labels });
  return measure({ checkpoint: network, dataset, views: "centre", executor: ortExecutor, ...running, ...more });
}

/** As `measuring`, with a journal, stopped after so many batches. */
async function stoppedAfter(batches: number, data: string, journal: string, more: Partial<MeasureOptions> = {}) {
  const file = new Journal(journal);
  const interrupt = new AbortController();
  let count = 0;
  const onProgress = () => {
    if (++count === batches) interrupt.abort();
  };
  try {
    return await measuring(data, { journal: { file, name: "net" }, signal: interrupt.signal, onProgress, ...more });
  } finally {
    file.close();
  }
}

test("a measurement that was stopped goes on with the pictures that are left", async () => {
  await drawColours(at("resumed", "folders"), 3);
  const data = at("resumed", "folders");
  const whole = await measuring(data);
  const first = await stoppedAfter(1, data, at("journal.jsonl"));
  assert.deepEqual([first.finished, first.images], [false, 3]);
  // Were they looked at again, this would show: these are no pictures any more.
  for (const { picture } of first.outcomes) writeFileSync(join(data, picture), "");
  const second = await stoppedAfter(1, data, at("journal.jsonl"), { batchSize: 2 });
  assert.deepEqual([second.finished, second.images], [false, 5]);
  const last = await stoppedAfter(Number.POSITIVE_INFINITY, data, at("journal.jsonl"));
  assert.deepEqual({ ...last, imagesPerSecond: 0 }, { ...whole, imagesPerSecond: 0 });
  // Nothing is left to do, and nothing is done.
  for (const { picture } of last.outcomes) writeFileSync(join(data, picture), "");
  assert.deepEqual((await stoppedAfter(1, data, at("journal.jsonl"))).outcomes, last.outcomes);
});

test("a measurement goes on only with the same weights, pictures and way of looking", async () => {
  const data = at("folders");
  const journal = at("settled.jsonl");
  await stoppedAfter(1, data, journal);
  const refuses = async (more: Partial<MeasureOptions>, words: RegExp) => {
    await assert.rejects(stoppedAfter(1, data, journal, more), (error) => {
      assert.ok(error instanceof SenetError && error.code === "usage", String(error));
      assert.match(error.message, words);
      return true;
    });
  };
  await refuses({ views: "mirror" }, /expected: views centre\n +found: +views mirror\n/);
  const larger = { ...network, preprocessing: { ...network.preprocessing, resize: 17 } };
  await refuses({ checkpoint: larger }, /expected: resize 16\n +found: +resize 17\n/);
  const weights = new Map(network.weights).set("fc.bias", network.weights.get("bn1.bias")!);
  await refuses({ checkpoint: { ...network, weights } }, /expected: weights \w{16}\n/);
  const dataset = openFolder(data, { classes: network.labels });
  await refuses({ dataset: { ...dataset, samples: dataset.samples.slice(1) } }, /expected: pictures 9 \(\w+\)\n.*8 \(/);
  // How fast it goes is no setting.
  await stoppedAfter(1, data, journal, { batchSize: 3, workers: 2 });
});

test("answers that are not numbers are told, and are no error rate", async () => {
  const network = colourNetwork(imagenetLabels("sorted"), colourInput.rgb);
  // Finite, and beyond what a float holds once they are multiplied with a picture.
  const weights = new Map([...network.weights].map(([name, tensor]) => [name, filled(tensor, 3e38)]));
  writeCheckpoint(at("overflowing.safetensors"), { ...network, weights });
  await assert.rejects(evaluated(at("overflowing.safetensors"), {}), /0\.png: .*not a number/);
  assert.throws(() => checkSameLogits([1, Number.NaN], [1, Number.NaN], "out"), /network's own logits/);
});

test("bad pictures are left out, named once over all runs, and end nothing where a class may have none left", async () => {
  await drawColours(at("bad", "folders"), 2);
  const data = at("bad", "folders");
  for (const name of ["n02119789/0.png", "n02100735/0.png", "n02100735/1.png"]) writeFileSync(join(data, name), "");
  const hopeless = /no picture of the class "n02100735 .*[23] bad pictures, the last n02\d+\/[01]\.png: /s;
  await assert.rejects(measuring(data), hopeless);
  // Nor does it become good by starting again.
  for (let run = 0; run < 2; run++) await assert.rejects(stoppedAfter(9, data, at("again.jsonl")), hopeless);
  const measured = await measuring(data, { tolerant: true });
  assert.deepEqual([measured.images, measured.top1Error, measured.finished], [3, 0, true]);
  const names = (failures: readonly { picture: string }[]) => failures.map(({ picture }) => picture).sort();
  const bad = ["n02100735/0.png", "n02100735/1.png", "n02119789/0.png"];
  assert.deepEqual(names(measured.failures), bad);
  await stoppedAfter(1, data, at("bad.jsonl"), { batchSize: 1, tolerant: true });
  const resumed = await stoppedAfter(Number.POSITIVE_INFINITY, data, at("bad.jsonl"), { tolerant: true });
  assert.deepEqual(names(resumed.failures), bad);
  assert.deepEqual(names(resumed.outcomes), names(measured.outcomes));

  mkdirSync(at("hopeless", "n02119789"), { recursive: true });
  writeFileSync(at("hopeless", "n02119789", "1.png"), "");
  await assert.rejects(measuring(at("hopeless"), { tolerant: true }), /no picture can be decoded[\s\S]*1 bad pictures/);
  rmSync(at("hopeless"), { recursive: true });
});
