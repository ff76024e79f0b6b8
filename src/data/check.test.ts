import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { golden } from "../../tests/support.ts";
import { checkPictures } from "./check.node.ts";
import { openFolder } from "./folder.node.ts";

test("every picture is decoded once, and those that cannot be are told, in order", async (t) => {
  const root = mkdtempSync(join(tmpdir(), "senet-check-"));
  t.after(() => rmSync(root, { recursive: true }));
  for (const label of ["a", "b"]) {
    mkdirSync(join(root, label));
    for (let i = 0; i < 20; i++) cpSync(golden("images", "rgb-420.jpg"), join(root, label, `${i}.jpg`));
  }
  for (const bad of ["b/3x.jpg", "a/5x.jpg", "b/2x.jpg"]) writeFileSync(join(root, bad), "");
  const folder = openFolder(root);
  const met: string[] = [];
  const progress: number[] = [];
  const failures = await checkPictures([folder, folder], {
    workers: 2,
    onFailure: ({ file }) => met.push(file),
    onProgress: (done) => progress.push(done),
  });
  const expected = ["a/5x.jpg", "b/2x.jpg", "b/3x.jpg"].map((name) => join(root, name));
  assert.deepEqual(
    failures.map(({ file }) => file),
    [...expected, ...expected],
  );
  assert.match(failures[0]!.reason, /empty/);
  assert.deepEqual(met.sort(), [...expected, ...expected].sort());
  assert.equal(progress.at(-1), 86);
  assert.deepEqual(await checkPictures([{ ...folder, samples: folder.samples.slice(0, 20) }]), failures.slice(0, 1));
});
