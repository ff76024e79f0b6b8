/** What users read is plain English: turns of phrase that no native speaker would use do not come back. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { root } from "./support.ts";

/** Each was in a message once. */
const foreign = [
  /is not spoken/,
  /has not the /,
  /(is|are) not said\b/,
  /no layer of ours/,
  /gives nothing\b/,
  /that is not there\b/,
  /takes no square/,
  /again and again/,
  /that they were exported from/,
  /whether .* is not known/,
  /\bor is none of\b/,
  /\bhas them not\b/,
];

/** The texts in a file's code. */
function textsOf(file: string): string[] {
  const code = readFileSync(join(root, "src", file), "utf8").replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "");
  return [...code.matchAll(/"[^"\n]*"|`(?:[^`\\]|\\.)*`/g)].map(([text]) => text);
}
const files = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".ts") && !path.endsWith(".test.ts"))
  .map((path) => path.replaceAll("\\", "/"));

/** Flags of other programs, and what looks like flags in style sheets. */
const notOurs = /--(include=optional|input-type)\b|var\(--|(style=)?"--share|\{ --|^`[\s\S]*--paper/;

test("no message of the library names a flag: that is the command line's matter, by option() and cli/flags.ts", () => {
  const found = files
    .filter((file) => !file.startsWith("cli/"))
    .flatMap((file) => textsOf(file).map((text) => `${file}: ${text}`))
    .filter((text) => /(^|[\s"`(:,])--[a-z]/.test(text) && !notOurs.test(text));
  assert.deepEqual(found, []);
});

test("no message has a phrase that had to be put into plain English before", () => {
  const found: string[] = [];
  for (const file of files) {
    for (const text of textsOf(file)) {
      if (foreign.some((phrase) => phrase.test(text))) found.push(`${file}: ${text}`);
    }
  }
  assert.ok(files.length > 200);
  assert.deepEqual(found, []);
});
