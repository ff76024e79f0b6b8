/** That the command starts, helps, and knows when it is asked for wrongly; the rest is in cli.slow.test.ts. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { senet } from "./command.ts";
import { root } from "./support.ts";

test("senet --version is the package's, and bin/senet.js runs the same program", async () => {
  const { version, bin } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    version: string;
    bin: Record<string, string>;
  };
  assert.deepEqual(await senet(["--version"]), { code: 0, stdout: `${version}\n`, stderr: "" });
  const source = readFileSync(join(root, bin.senet!), "utf8");
  assert.match(
    source,
    /^#!\/usr\/bin\/env node\nimport \{ main \} from "\.\.\/dist\/src\/cli\/main\.js";\n\nawait main\(process\.argv\);\n$/,
  );
});

test("an unknown model ends with exit code 2 and the nearest names", async () => {
  const { code, stdout, stderr } = await senet(["models", "seresnet50"]);
  assert.equal(code, 2);
  assert.equal(stdout, "");
  assert.equal(
    stderr,
    'senet: there is no model "seresnet50"\n  try:      se-resnet-50, se-resnext-50, se-resnet-20 (senet models lists all)\n',
  );
});
