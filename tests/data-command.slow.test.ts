/** `senet data`, interrupted. */

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { senet, temporaryFolder } from "./command.ts";
import { golden } from "./support.ts";
import { tarOf } from "./tar.ts";

test("data check: Ctrl-C stops it, with what was found so far", async () => {
  const file = join(temporaryFolder(), "many.tar");
  const picture = readFileSync(golden("images", "square.jpg"));
  const members = Array.from({ length: 4000 }, (_, i) => ({
    name: `${i % 2 === 0 ? "a" : "b"}/${1e4 + i}.jpg`,
    bytes: picture,
  }));
  writeFileSync(file, tarOf([{ name: "a/0.jpg", bytes: "no picture" }, ...members]));
  let sent = false;
  const { code, stdout, stderr } = await senet(["data", "check", file, "--json", "--workers", "1"], {
    onStderr(text, child) {
      if (sent || !text.includes("bad: ")) return;
      sent = true;
      child.kill("SIGINT");
    },
  });
  assert.equal(code, 130, stderr);
  assert.match(stderr, /^stopping after this batch/m);
  const { finished, faults } = JSON.parse(stdout) as {
    readonly finished: boolean;
    readonly faults: readonly string[];
  };
  assert.equal(finished, false);
  assert.ok(faults.includes("1 picture cannot be decoded"));
});
