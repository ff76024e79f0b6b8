/** Data sets that are no folder, through the commands. */

import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { test } from "node:test";
import { Loader } from "../src/data/loader.node.ts";
import { nameIn } from "../src/data/sample-name.node.ts";
import { openTrainingData } from "../src/data/split.node.ts";
import { renderScene } from "../src/demo/write.node.ts";
import { imagenetPreprocessing } from "../src/images/preprocess.ts";
import { fingerprintOf } from "../src/train/fingerprint.ts";
import { openWeights } from "../src/weights/open.node.ts";
import { senet, senetHere, temporaryFolder } from "./command.ts";
import { fileHandler, serve } from "./server.ts";
import { needsShared, sharedData } from "./support.ts";
import { joined, type Member, tarOf } from "./tar.ts";

/** 16 pictures a class to train on, 8 to validate with: dark ones and light ones, which a network tells apart at once. */
function cifar(): string {
  const root = join(temporaryFolder(), "cifar-10-batches-bin");
  mkdirSync(root);
  const records = (count: number) =>
    joined(
      Array.from({ length: count }, (_, i) => new Uint8Array(3073).fill(i % 2 === 0 ? 40 : 200).fill(i % 2, 0, 1)),
    );
  writeFileSync(join(root, "data_batch_1.bin"), records(32));
  writeFileSync(join(root, "test_batch.bin"), records(16));
  return root;
}

/** 16 pictures of either class in `train`, 8 in `val`. */
async function pets(): Promise<Member[]> {
  const members: Member[] = [];
  for (const [part, count] of [
    ["train", 16],
    ["val", 8],
  ] as const) {
    for (const [c, name] of ["star", "house"].entries()) {
      for (let i = 0; i < count; i++) {
        members.push({ name: `${part}/${name}/${i}.jpg`, bytes: await renderScene(name, [count, c, i], 32) });
      }
    }
  }
  return members;
}

async function archive(): Promise<string> {
  const file = join(temporaryFolder(), "pets.tar");
  writeFileSync(file, tarOf(await pets()));
  return file;
}

async function served(): Promise<string> {
  process.env.SENET_CACHE = temporaryFolder();
  const { origin } = await serve(fileHandler(tarOf(await pets())));
  return `${origin}/pets.tar`;
}

/** All in class folders, with a list of either part beside them. */
async function folder(): Promise<string> {
  const root = temporaryFolder();
  const lists = { train: "", val: "" };
  for (const { name, bytes } of await pets()) {
    const [part, pet, file] = name.split("/") as ["train" | "val", string, string];
    mkdirSync(join(root, pet), { recursive: true });
    writeFileSync(join(root, pet, `${part}-${file}`), bytes!);
    lists[part] += `${pet}/${part}-${file} ${pet === "star" ? 0 : 1}\n`;
  }
  for (const [part, lines] of Object.entries(lists)) writeFileSync(join(root, `${part}.txt`), lines);
  return root;
}

interface Case {
  readonly name: string;
  readonly make: () => string | Promise<string>;
  readonly classes: readonly string[];
  /** Where the parts are, told each time; how they are made, which a run remembers; and what evaluation is told. */
  readonly places?: (data: string) => readonly string[];
  readonly parts?: readonly string[];
  readonly evaluated?: (data: string) => readonly string[];
}

const cases: readonly Case[] = [
  { name: "CIFAR's binary files", make: cifar, classes: Array.from({ length: 10 }, (_, i) => `${i}`) },
  { name: "an archive of class folders", make: archive, classes: ["house", "star"] },
  { name: "an archive by its address", make: served, classes: ["house", "star"] },
  {
    name: "Caffe's lists",
    make: folder,
    classes: ["star", "house"],
    places: (data) => ["--list", join(data, "train.txt"), "--val-list", join(data, "val.txt")],
    evaluated: (data) => ["--list", join(data, "val.txt")],
  },
  {
    name: "a folder without val/",
    make: folder,
    classes: ["house", "star"],
    // This part and this seed keep back 16 of these 48.
    parts: ["--val-split", "0.33", "--seed", "17"],
    evaluated: () => ["--val-split", "0.33", "--seed", "17"],
  },
];

for (const { name, make, classes, places = () => [], parts = [], evaluated: measuring = () => [] } of cases) {
  test(`${name}: trained on, gone on with, evaluated and previewed`, async () => {
    const data = await make();
    const out = join(temporaryFolder(), "run");
    const sizes = ["--image-size", "32", "--batch-size", "16", "--evaluation-resize", "32"];
    const trained = await senet([
      ...["train", "--data", data, "--out", out, "--epochs", "1", "--no-mirror", "--check"],
      ...["--model", "se-resnet-20", ...sizes, ...places(data), ...parts],
    ]);
    assert.equal(trained.code, 0, trained.stderr);
    assert.match(trained.stderr, /32 pictures to train on, 16 to validate/);
    const resumed = await senet(["train", "--data", data, "--out", out, "--resume", "--epochs", "2", ...places(data)]);
    assert.equal(resumed.code, 0, resumed.stderr);
    assert.match(resumed.stderr, /resumed at epoch 2/);
    const weights = join(out, "best.safetensors");
    const evaluated = await senet(["evaluate", "--weights", weights, "--data", data, "--json", ...measuring(data)]);
    assert.equal(evaluated.code, 0, evaluated.stderr);
    const { images, top1_error } = JSON.parse(evaluated.stdout) as { images: number; top1_error: number };
    assert.equal(images, 16);
    const metrics = readFileSync(join(out, "metrics.jsonl"), "utf8").trim().split("\n");
    const errors = metrics.map((line) => (JSON.parse(line) as { validationTop1Error: number }).validationTop1Error);
    assert.ok(errors.includes(top1_error), `${top1_error} is not among ${errors}`);
    assert.deepEqual((await openWeights(weights)).labels, classes);
    const few = ["--pictures", "2", "--variants", "1", "--image-size", "16"];
    const sheet = join(out, "sheet.png");
    const seen = await senetHere(["data", "preview", data, "--out", sheet, ...few, ...places(data), ...parts]);
    assert.equal(seen.code, 0, seen.stderr);
    assert.ok(existsSync(sheet));
  });
}

test("Imagenette in its archive", needsShared("imagenette-224.tar"), async () => {
  const file = sharedData("imagenette-224.tar");
  const { train, val, remarks } = openTrainingData(file);
  assert.deepEqual([train.samples.length, val.samples.length, remarks], [9469, 3925, []]);
  assert.equal(relative(file, train.samples[0]!.file), "train/n01440764/ILSVRC2012_val_00000293.JPEG");
  const counts = fingerprintOf(train, val, nameIn).val.map(({ count }) => count);
  assert.deepEqual([counts.length, counts.reduce((sum, count) => sum + count, 0)], [10, 3925]);
  await using loader = new Loader({
    dataset: val,
    batchSize: 64,
    transform: { kind: "evaluate", preprocessing: { ...imagenetPreprocessing, resize: 32, crop: 32 } },
    cacheBytes: 0,
  });
  let good = 0;
  for await (const { size } of loader.epoch(0)) good += size;
  assert.deepEqual([good, loader.failures], [3925, []]);
});
