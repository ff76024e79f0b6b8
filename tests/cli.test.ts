/** That the command starts, helps, and knows when it is asked for wrongly; the rest is in cli.slow.test.ts. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { recipeNames } from "../src/recipes/recipes.ts";
import { senet, senetHere, temporaryFolder } from "./command.ts";
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

test("what cannot be written is said before the work, and what to write instead", async () => {
  const folder = temporaryFolder();
  const network = join(folder, "none.safetensors");
  const refusal = async (out: string, command = ["export", "--weights", network, "--out", out]) => {
    const { code, stderr } = await senetHere(command);
    assert.equal(stderr.includes("free some space"), false);
    return `${code} ${stderr}`;
  };
  assert.match(
    await refusal(join(folder, "model.pt")),
    /^2 [\s\S]*model\.pt: files of this kind are read, and not written[\s\S]*try: .*model\.onnx\n/,
  );
  assert.match(await refusal(join(folder, "model")), /found: +none[\s\S]*try: .*model\.onnx\n/);
  assert.match(await refusal(folder), /^2 [\s\S]*folder, not the name of a file[\s\S]*try: .*model\.onnx\n/);
  assert.match(await refusal(`${folder}/none/`), /folder, not the name of a file/);
  assert.match(
    await refusal(join(folder, "a", "b", "m.onnx")),
    /^1 [\s\S]*a\/b: [\s\S]*no such file or folder[\s\S]*make it/,
  );
  const converted = join(folder, "a", "m.safetensors");
  assert.match(await refusal("", ["convert", network, converted]), /make it first/);
});

test("an unknown model ends with exit code 2 and the nearest names", async () => {
  const { code, stdout, stderr } = await senetHere(["models", "seresnet50"]);
  assert.equal(code, 2);
  assert.equal(stdout, "");
  assert.equal(
    stderr,
    'senet: there is no model "seresnet50"\n  try:      se-resnet-50, se-resnet-50-d, se-resnext-50 (senet models lists all)\n',
  );
});

test("recipes are listed, shown with their sources, and given as JSON with their whole config", async () => {
  const list = await senetHere(["recipes"]);
  assert.equal(list.code, 0);
  for (const name of recipeNames) assert.match(list.stdout, new RegExp(`^${name} +\\S`, "m"));
  const one = await senetHere(["recipes", "senet-2018"]);
  assert.match(
    one.stdout,
    /issue 62: 270 epochs[\s\S]*345,915,090 pictures, 4\.0e\+18 multiply-adds[\s\S]*stepEpochs +\[125,200,250\]/,
  );
  const { code, stdout } = await senetHere(["recipes", "moskomule-cifar", "--json"]);
  assert.equal(code, 0);
  const json = JSON.parse(stdout);
  assert.deepEqual([json.name, json.version, json.cost.pictures], ["moskomule-cifar", 2, 10_000_000]);
  assert.deepEqual([json.config.recipe, json.config.imageSize, json.config.seed], ["moskomule-cifar@2", 32, 0]);
  const wrong = await senetHere(["recipes", "senet"]);
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /there is no recipe "senet"/);
});
