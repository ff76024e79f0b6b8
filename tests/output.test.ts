/** What reaches a terminal. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import sharp from "sharp";
import { imagenetPreprocessing } from "../src/images/preprocess.ts";
import { encodeCheckpoint } from "../src/weights/checkpoint-write.ts";
import { initialWeights } from "../src/weights/init.ts";
import { inferenceGraph, model } from "../src/zoo/index.ts";
import { runNode, senetHere, temporaryFolder } from "./command.ts";
import { root } from "./support.ts";

const evil = "\u001b]0;PWNED\u0007\u001b[2J\u009b31mevil\nsenet: all good\r\u202e";
// biome-ignore lint/suspicious/noControlCharactersInRegex: what must not come through
const raw = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/;

test("names and labels from outside reach no terminal raw, in errors, tables and JSON", async () => {
  const folder = temporaryFolder();
  const network = model("se-resnet-20", 2);
  const labels = [evil, "second"];
  const weights = initialWeights(inferenceGraph(network, { batch: 1, imageSize: 32 }), 1);
  const file = join(folder, "evil\u001b[31m.safetensors");
  const preprocessing = { ...imagenetPreprocessing, resize: 32, crop: 32 };
  writeFileSync(file, Buffer.concat(encodeCheckpoint({ model: network, labels, preprocessing, weights })));
  const picture = join(folder, "p\u001b[2J\nq.png");
  const grey = { create: { width: 8, height: 8, channels: 3, background: "grey" } } as const;
  writeFileSync(picture, await sharp(grey).png().toBuffer());

  const classify = ["classify", picture, "--weights", file, "--executor", "reference"];
  const [plain, json, absent, option, command] = await Promise.all([
    senetHere(classify),
    senetHere([...classify, "--json"]),
    senetHere(["classify", picture, "--weights", `${evil}.pth`]),
    senetHere([`--${evil}`]),
    senetHere([`command${evil}`]),
  ]);
  for (const { stdout, stderr } of [plain, json, absent, option, command]) {
    assert.doesNotMatch(stdout + stderr, raw);
    assert.doesNotMatch(stdout + stderr, /^senet: all good/m, "a name cannot begin a line");
  }
  assert.match(plain.stdout, /\\u001b\]0;PWNED/);
  const [{ predictions }] = JSON.parse(json.stdout) as [{ predictions: { label: string }[] }];
  assert.deepEqual(new Set(predictions.map(({ label }) => label)), new Set(labels), "programs get true values");
  assert.deepEqual([absent.code, option.code, command.code], [1, 2, 2]);
});

test("talk is a screen long at most, whatever a file has put into it", async () => {
  const output = JSON.stringify(new URL("../src/cli/output.js", import.meta.url).href);
  const code = `import(${output}).then(({ say, LiveLine }) => { say("x\\n".repeat(1e7)); new LiveLine().print("y\\u001b".repeat(1e7)); })`;
  const { stderr } = await runNode(["-e", code]);
  const [said, printed, end] = stderr.split("\n");
  assert.match(said!, /^x\\nx.*\(20000000 characters\).*\\n$/);
  assert.match(printed!, /^y\\u001by.*\(20000000 characters\)/);
  assert.ok(said!.length <= 2000 && printed!.length <= 2000);
  assert.equal(end, "");
});

test("one file writes to the standard streams", () => {
  const files = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" }).filter((file) =>
    /(?<!\.test)\.ts$/.test(file),
  );
  const writers = files.filter((file) =>
    /console\.|process\.std(out|err)/.test(
      readFileSync(join(root, "src", file), "utf8").replace(/\/\*[\s\S]*?\*\//g, ""),
    ),
  );
  assert.deepEqual(writers, [join("cli", "output.ts")]);
});
