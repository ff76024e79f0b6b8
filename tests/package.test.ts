/** The package by its own name; what is in it is in package.slow.test.ts. */

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { test } from "node:test";
import { root } from "./support.ts";

test("its own name leads to its entry points, and to package.json", () => {
  const require = createRequire(join(root, "package.json"));
  for (const name of ["senet", "senet/node", "senet/package.json"]) assert.ok(existsSync(require.resolve(name)), name);
  assert.equal((require("senet/package.json") as { name: string }).name, "senet");
});

test("zod is imported as a namespace, of which bundlers leave out what is not used", () => {
  // Bundled for a browser: 147 kB instead of 497, most of it messages in fifty languages.
  const files = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" });
  const wrong = files.filter((file) => /import \{[^}]*\} from "zod"/.test(readIfSource(join(root, "src", file))));
  assert.deepEqual(wrong, []);
});

const readIfSource = (file: string): string => (file.endsWith(".ts") ? readFileSync(file, "utf8") : "");
