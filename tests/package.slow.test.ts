/** What is in the package that others install. */

import assert from "node:assert/strict";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { openWeights } from "../src/weights/open.node.ts";
import { npm } from "./npm.ts";
import { root } from "./support.ts";

interface Package {
  readonly main: string;
  readonly types: string;
  readonly bin: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
  readonly typesVersions: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;
}
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as Package;

test("the package has what it names, and neither tests nor what only development needs", async () => {
  const { code, stdout, stderr } = await npm(["pack", "--dry-run", "--ignore-scripts", "--json"], { cwd: root });
  assert.equal(code, 0, stderr);
  const [{ files }] = JSON.parse(stdout) as [{ files: { path: string }[] }];
  const paths = files.map(({ path }) => path);
  assert.deepEqual(
    paths.filter(
      (path) =>
        !/^(?:dist\/src\/.*\.(?:js|d\.ts)|dist\/app\/.*|weights\/imagenette\.safetensors|bin\/senet\.js|LICENSE|README\.md|package\.json)$/.test(
          path,
        ),
    ),
    [],
  );
  assert.deepEqual(
    paths.filter((path) => /test/.test(path)),
    [],
  );
  assert.ok(paths.length > 300, "its own code is there");
  const named = [
    ...[manifest.main, manifest.types, ...Object.values(manifest.bin)],
    ...Object.values(manifest.exports).flatMap((entry) => (typeof entry === "string" ? [entry] : Object.values(entry))),
    ...Object.values(manifest.typesVersions["*"]!).flat(),
  ].map((path) => path.replace(/^\.\//, ""));
  for (const path of named.filter((path) => path !== "weights/*")) assert.ok(paths.includes(path), path);
});

const network = join(root, "weights", "imagenette.safetensors");
const skip = !existsSync(network) && "weights/imagenette.safetensors is not there yet";

test("the network that comes with it is small, says how it was trained, and knows ten classes by name", {
  skip,
}, async () => {
  assert.ok(statSync(network).size <= 12e6, `${statSync(network).size} bytes`);
  const { labels, training, model } = await openWeights(network);
  assert.equal(labels.length, 10);
  for (const label of labels) assert.match(label, /^n\d{8} \w/);
  assert.match(model.name, /^se-/);
  assert.ok(training !== undefined && training.recipe !== null, "recipe and seed are in its metadata");
  assert.ok(training.top1Error < 10, `${training.top1Error} % wrong`);
});
