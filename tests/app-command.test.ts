/** `senet app`: what is wrong with its arguments is said before it listens. */

import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { senetHere, temporaryFolder } from "./command.ts";

const folder = temporaryFolder();

const refused = async (args: readonly string[], code: number, words: RegExp) => {
  const ran = await senetHere(["app", ...args]);
  assert.match(ran.stderr, words);
  assert.deepEqual([ran.code, ran.stdout], [code, ""]);
  assert.doesNotMatch(ran.stderr, /bug in senet|\n +at /);
};

test("networks to begin with that are not there are said as everywhere", async () => {
  await refused(["--weights", "se-resent-50"], 2, /no released weights of that name[\s\S]*se-resnet-50/);
  // Whichever is found first: the page that has not been built, or what is no file.
  await refused(["--weights", join(folder, "no.safetensors")], 1, /no such file|not been built/);
});

test("a page that is written is not opened", () =>
  refused(["--out", join(folder, "site"), "--open"], 2, /--out.*cannot be used with option '--open'/));

test("a port is a number, and one that there is", async () => {
  await refused(["--port", "http"], 2, /expected a whole number/);
  await refused(["--port", "65536"], 2, /expected a port, 0 to 65535/);
});

test("what is no network is refused before the page is written", async () => {
  const file = join(folder, "prices.csv");
  writeFileSync(file, "cat,3\n");
  await refused(["--weights", file, "--out", join(folder, "site")], 1, /prices\.csv/);
  assert.equal(existsSync(join(folder, "site")), false);
});
