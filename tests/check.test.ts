/** `--check`: every picture is decoded before anything else is done. */

import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { senetHere } from "./command.ts";
import { golden } from "./support.ts";

test("train --check names each picture that cannot be decoded, and does not begin", async (t) => {
  const root = mkdtempSync(join(tmpdir(), "senet-check-command-"));
  t.after(() => rmSync(root, { recursive: true }));
  for (const part of ["train/a", "train/b", "val/a", "val/b"]) {
    mkdirSync(join(root, part), { recursive: true });
    cpSync(golden("images", "rgb-420.jpg"), join(root, part, "good.jpg"));
  }
  writeFileSync(join(root, "train", "a", "empty.jpg"), "");
  writeFileSync(join(root, "val", "b", "page.jpg"), "<html>404</html>");
  const ran = await senetHere(["train", "--data", root, "--out", join(root, "run"), "--workers", "1", "--check"]);
  assert.equal(ran.code, 1, ran.stderr);
  assert.match(ran.stderr, /^senet: .*: 2 of 6 pictures cannot be decoded$/m);
  assert.match(ran.stderr, /without --check they are left out/);
  assert.doesNotMatch(ran.stderr, /parameters/);
  assert.match(ran.stderr, /train.a.empty\.jpg: the picture file is empty/);
  assert.match(ran.stderr, /val.b.page\.jpg: this is not a picture .*a web page/);
});
