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

test("no message has a phrase that had to be put into plain English before", () => {
  const files = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" }).filter(
    (path) => path.endsWith(".ts") && !path.endsWith(".test.ts"),
  );
  const found: string[] = [];
  for (const file of files) {
    const code = readFileSync(join(root, "src", file), "utf8").replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "");
    for (const [text] of code.matchAll(/"[^"\n]*"|`[^`]*`/g)) {
      if (foreign.some((phrase) => phrase.test(text))) found.push(`${file}: ${text}`);
    }
  }
  assert.ok(files.length > 200);
  assert.deepEqual(found, []);
});
