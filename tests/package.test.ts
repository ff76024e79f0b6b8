/** The package by its own name; what is in it is in package.slow.test.ts. */

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { test } from "node:test";
import { root } from "./support.ts";

test("its own name leads to its entry points, and to package.json", () => {
  const require = createRequire(join(root, "package.json"));
  for (const name of ["senet", "senet/node", "senet/package.json"]) assert.ok(existsSync(require.resolve(name)), name);
  assert.equal((require("senet/package.json") as { name: string }).name, "senet");
});

interface Lock {
  readonly packages: Readonly<Record<string, Readonly<Partial<Record<Wants, Readonly<Record<string, string>>>>>>>;
}
type Wants = "dependencies" | "optionalDependencies" | "devDependencies";

/** Packages that a lock file's packages want and that it does not have: `npm ci` refuses such a file. */
function missingIn({ packages }: Lock): readonly string[] {
  const has = (place: string, name: string): boolean => {
    if (`${place === "" ? "" : `${place}/`}node_modules/${name}` in packages) return true;
    const above = place.lastIndexOf("node_modules/");
    return place !== "" && has(place.slice(0, Math.max(0, above - 1)), name);
  };
  return Object.entries(packages).flatMap(([place, { dependencies, optionalDependencies, devDependencies }]) =>
    Object.keys({ ...dependencies, ...optionalDependencies, ...(place === "" && devDependencies) })
      .filter((name) => !has(place, name))
      .map((name) => `${place} wants ${name}`),
  );
}

test("both lock files have all that their packages want, and say nothing of where it was from", () => {
  for (const path of ["package-lock.json", "web/package-lock.json"]) {
    const text = readFileSync(join(root, path), "utf8");
    assert.deepEqual(missingIn(JSON.parse(text) as Lock), [], path);
    assert.doesNotMatch(text, /"resolved"/, path);
  }
});
