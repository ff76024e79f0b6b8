/** What reaches a terminal, and what happens when the output cannot be written. */

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, openSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import sharp from "sharp";
import { imagenetPreprocessing } from "../src/images/preprocess.ts";
import { encodeCheckpoint } from "../src/weights/checkpoint.ts";
import { initialWeights } from "../src/weights/init.ts";
import { inferenceGraph, model } from "../src/zoo/index.ts";
import { launcher, runNode, senet, temporaryFolder } from "./command.ts";
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
    senet(classify),
    senet([...classify, "--json"]),
    senet(["classify", picture, "--weights", `${evil}.pth`]),
    senet([`--${evil}`]),
    senet([`command${evil}`]),
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

/** Runs with a standard output that takes nothing: that file's, or a pipe whose reader has gone. */
async function runUnheard(args: readonly string[], stdout: "pipe" | number): Promise<{ code: number; err: string }> {
  const child = spawn(process.execPath, [launcher, ...args], { stdio: ["ignore", stdout, "pipe"] });
  child.stdout?.destroy();
  let err = "";
  child.stderr!.setEncoding("utf8").on("data", (text: string) => {
    err += text;
  });
  const [code] = (await once(child, "close")) as [number];
  return { code, err };
}

const commands = [["--help"], ["models"], ["pull", "--json"]];

test("a full disk under standard output is said, with an exit code that tells", {
  skip: existsSync("/dev/full") ? false : "there is no /dev/full",
}, async () => {
  const full = openSync("/dev/full", "w");
  try {
    for (const { code, err } of await Promise.all(commands.map((command) => runUnheard(command, full)))) {
      assert.equal(code, 1);
      assert.equal(err, "senet: standard output: the result cannot be written\n  found:    no space is left\n");
    }
  } finally {
    closeSync(full);
  }
});

test("a reader that goes ends the command quietly", async () => {
  for (const gone of await Promise.all(commands.map((command) => runUnheard(command, "pipe"))))
    assert.deepEqual(gone, { code: 141, err: "" });
});

test("a reader that is slow gets all", async () => {
  // A pipe holds 64 KiB, which is less than this; Node's own pipes between processes hold more.
  const { stdout } = await promisify(execFile)(
    "sh",
    ["-c", '"$@" | (sleep 0.7; cat)', "sh", process.execPath, launcher, "models", "senet-154", "--json"],
    { maxBuffer: 2 ** 24 },
  );
  assert.ok(stdout.length > 100_000);
  assert.equal((JSON.parse(stdout) as { name: string }).name, "senet-154");
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
