/** Probable label errors, end to end: wrong labels are put into drawn pictures, a network is trained on them, and finds them. */

import assert from "node:assert/strict";
import { existsSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join, relative } from "node:path";
import { test } from "node:test";
import { writeDemoPictures } from "../src/demo/write.node.ts";
import { createRandom } from "../src/random.ts";
import { senet, temporaryFolder } from "./command.ts";

/** Half of the classes: a small network learns them in a few seconds. */
const kept = ["car", "fish", "house", "star", "tree", "umbrella"];

/** Moves one of twenty pictures of each class into the folder of another. */
function mislabel(folder: string): Set<string> {
  const random = createRandom(5);
  const classes = readdirSync(folder).sort();
  const wrong = new Set<string>();
  for (const [label, name] of classes.entries()) {
    const files = readdirSync(join(folder, name))
      .filter((file) => !file.startsWith("moved"))
      .sort();
    for (const place of random.shuffled(files.length).subarray(0, Math.round(files.length / 20))) {
      const other = classes[(label + 1 + random.below(classes.length - 1)) % classes.length]!;
      const target = join(other, `moved-${name}-${files[place]!}`);
      renameSync(join(folder, name, files[place]!), join(folder, target));
      wrong.add(target);
    }
  }
  return wrong;
}

test("of labels that were made wrong, a network that was trained on them finds most", async () => {
  const folder = temporaryFolder();
  const data = join(folder, "pictures");
  await writeDemoPictures(data, { trainPerClass: 120, valPerClass: 20 });
  const train = join(data, "train");
  for (const part of ["train", "val"]) {
    for (const name of readdirSync(join(data, part))) {
      if (!kept.includes(name)) rmSync(join(data, part, name), { recursive: true });
    }
  }
  const wrong = mislabel(train);
  assert.equal(wrong.size, 36);
  const out = join(folder, "run");
  const trained = await senet([
    ...["train", "--data", data, "--out", out, "--model", "se-resnet-20", "--image-size", "32"],
    ...["--evaluation-resize", "32", "--batch-size", "32", "--epochs", "12", "--lr", "0.05", "--crop-scale", "0.6"],
  ]);
  assert.equal(trained.code, 0, trained.stderr);
  const weights = join(out, "best.safetensors");
  const page = join(folder, "suspects.html");
  const found = await senet([
    "data",
    "suspects",
    data,
    "--part",
    "train",
    "--weights",
    weights,
    "--json",
    "--html",
    page,
  ]);
  assert.equal(found.code, 0, found.stderr);
  assert.ok(existsSync(page));
  const [part] = JSON.parse(found.stdout) as { noise: number; suspects: { picture: string }[] }[];
  const names = part!.suspects.map(({ picture }) => relative(train, picture));
  const hits = (most: number) => names.slice(0, most).filter((name) => wrong.has(name)).length;
  console.log(
    `# ${hits(names.length)} of 36 among ${names.length}, ${hits(36)} among the first 36; noise ${part!.noise}`,
  );
  assert.ok(hits(names.length) >= 27, `${hits(names.length)} of 36 found among ${names.length}`);
  assert.ok(hits(36) >= 24, `${hits(36)} of 36 among the first 36`);
  // 1 of 20 is wrong.
  assert.ok(part!.noise > 0.02 && part!.noise < 0.15, `${part!.noise}`);
});
