/** In a container with little memory: a real control group, where this process may make one. */

import assert from "node:assert/strict";
import { existsSync, linkSync, mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import sharp from "sharp";
import { runNode, senet, temporaryFolder } from "./command.ts";

const mebibyte = 2 ** 20;

/** A new control group of so many bytes, for a shell to enter; nothing where none can be made. */
function groupOf(t: TestContext, bytes: number): { readonly enter: string } | undefined {
  const name = `senet-test-${process.pid}`;
  const versions = [
    { folder: join("/sys/fs/cgroup/memory", name), limit: "memory.limit_in_bytes" },
    { folder: join("/sys/fs/cgroup", name), limit: "memory.max" },
  ];
  for (const { folder, limit } of versions) {
    try {
      mkdirSync(folder);
    } catch {
      continue;
    }
    t.after(() => rmdirSync(folder));
    if (!existsSync(join(folder, limit))) continue;
    writeFileSync(join(folder, limit), `${bytes}`);
    return { enter: `echo $$ > ${folder}/cgroup.procs` };
  }
  return undefined;
}

/** Pictures of twelve megapixels in two classes, each a link to the same file. */
async function photographs(): Promise<string> {
  const root = temporaryFolder();
  const [width, height] = [4000, 3000];
  const pixels = new Uint8Array(width * height * 3);
  for (let i = 0; i < pixels.length; i++) pixels[i] = (i >> 4) ^ (i % 251);
  const jpeg = await sharp(pixels, { raw: { width, height, channels: 3 } })
    .jpeg()
    .toBuffer();
  writeFileSync(join(root, "photograph.jpg"), jpeg);
  for (const [part, count] of [
    ["train", 20],
    ["val", 4],
  ] as const) {
    for (const label of ["a", "b"]) {
      mkdirSync(join(root, part, label), { recursive: true });
      for (let i = 0; i < count; i++) linkSync(join(root, "photograph.jpg"), join(root, part, label, `${i}.jpg`));
    }
  }
  return root;
}

test("training on photographs stays within a gigabyte, whatever threads and cache are asked for", async (t) => {
  const group = groupOf(t, 1000 * mebibyte);
  if (group === undefined) return t.skip("this process may not make control groups");
  const data = await photographs();
  const small = ["--model", "se-resnet-20", "--image-size", "32", "--batch-size", "8", "--epochs", "1"];
  const out = join(temporaryFolder(), "run");
  const options = ["--data", data, "--out", out, ...small, "--workers", "8", "--cache", "4"];
  const ran = await senet(["train", ...options], { shell: group.enter });
  assert.equal(ran.code, 0, `${ran.code} ${ran.stderr}`);
  assert.match(
    ran.stderr,
    /^memory for decoded pictures: 0\.\d GiB, because at most a third of the free memory may be used$/m,
  );
});

test("eight threads of the loader fit into 600 MB", async (t) => {
  const group = groupOf(t, 600 * mebibyte);
  if (group === undefined) return t.skip("this process may not make control groups");
  const data = await photographs();
  const module = (name: string) => JSON.stringify(new URL(`../src/data/${name}.node.js`, import.meta.url).href);
  const script = `
    const { openFolder } = await import(${module("folder")});
    const { checkPictures } = await import(${module("check")});
    const failures = await checkPictures([openFolder(${JSON.stringify(join(data, "train"))})], { workers: 8 });
    console.log(failures.length + " failures");`;
  const ran = await runNode(["--input-type=module", "-e", script], { shell: group.enter });
  assert.deepEqual(ran, { code: 0, stdout: "0 failures\n", stderr: "" });
});
