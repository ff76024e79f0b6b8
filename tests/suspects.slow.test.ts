/** Probable label errors, end to end: wrong labels are put into drawn pictures, a network is trained on them, and finds them. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
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

interface Found {
  readonly part: "train" | "val";
  readonly noise: number;
  readonly suspects: readonly { readonly picture: string }[];
}

test("of labels that were made wrong, a network that was trained on some of them finds most", async () => {
  const folder = temporaryFolder();
  const data = join(folder, "pictures");
  await writeDemoPictures(data, { trainPerClass: 120, valPerClass: 60 });
  const parts = ["train", "val"] as const;
  for (const part of parts) {
    for (const name of readdirSync(join(data, part))) {
      if (!kept.includes(name)) rmSync(join(data, part, name), { recursive: true });
    }
  }
  const [train, val] = parts.map((part) => mislabel(join(data, part))) as [Set<string>, Set<string>];
  const wrong = { train, val };
  assert.deepEqual([train.size, val.size], [36, 18]);
  const out = join(folder, "run");
  const trained = await senet([
    ...["train", "--data", data, "--out", out, "--model", "se-resnet-20", "--image-size", "32"],
    ...["--evaluation-resize", "32", "--batch-size", "16", "--epochs", "14", "--lr", "0.03", "--crop-scale", "0.6"],
  ]);
  assert.equal(trained.code, 0, trained.stderr);
  const weights = join(out, "best.safetensors");
  const page = join(folder, "suspects.html");
  const found = await senet(["data", "suspects", data, "--weights", weights, "--json", "--html", page]);
  assert.equal(found.code, 0, found.stderr);
  assert.ok(readFileSync(page, "utf8").includes("data:image/jpeg;base64,"));
  const [error] = /best top-1 error \S+/.exec(trained.stderr)!;
  for (const { part, noise, suspects } of JSON.parse(found.stdout) as readonly Found[]) {
    const names = suspects.map(({ picture }) => relative(join(data, part), picture));
    const { size } = wrong[part];
    const hits = (most: number) => names.slice(0, most).filter((name) => wrong[part].has(name)).length;
    const said =
      `${part}: ${hits(names.length)} of ${size} wrong labels among ${names.length} suspects, ${hits(size)} among the ` +
      `first ${size}; estimated ${(100 * noise).toFixed(1)} %; ${error} %`;
    console.log(`# ${said}`);
    // The network has learnt many of the wrong labels of the pictures that it was trained on; not those of the others.
    assert.ok(hits(size) >= size * (part === "val" ? 0.66 : 0.2), said);
    assert.ok(hits(names.length) >= names.length / 2, said);
    // 1 of 20 is wrong.
    assert.ok(noise > 0.005 && noise < 0.2, said);
  }
});
