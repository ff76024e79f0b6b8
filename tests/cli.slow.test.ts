/** The command line without training: help, unknown names, exit codes, and output for programs. Many processes. */

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { zoo } from "../src/zoo/index.ts";
import { senet, temporaryFolder } from "./command.ts";

const commands = [
  "demo",
  "train",
  "report",
  "lr-find",
  "quantize",
  "verify",
  "evaluate",
  "classify",
  "explain",
  "prune",
  "serve",
  "data check",
  "data preview",
  "data suspects",
  "models",
  "recipes",
  "pull",
  "export",
  "convert",
  "app",
  "benchmark",
  "doctor",
];
const folder = temporaryFolder();

test("senet --help lists every command", async () => {
  const { code, stdout } = await senet(["--help"]);
  assert.equal(code, 0);
  const listed = [...stdout.matchAll(/^ {2}([\w-]+) (?:\[|<| )/gm)].map((match) => match[1]!);
  const expected = new Set(commands.map((command) => command.split(" ")[0]!));
  assert.deepEqual(listed.filter((name) => name !== "help" && name !== "senet").sort(), [...expected].sort());
});

for (const command of commands) {
  test(`senet ${command} --help has examples, of options that it has`, async () => {
    const { code, stdout, stderr } = await senet([...command.split(" "), "--help"]);
    assert.equal(code, 0);
    assert.equal(stderr, "");
    const [options, examples] = stdout.split("\nExamples:\n");
    assert.ok(examples !== undefined, stdout);
    const lines = examples.split("\n").filter((line) => line.startsWith("  senet "));
    assert.ok(lines.length > 0 && lines.every((line) => line.startsWith(`  senet ${command}`)), examples);
    for (const option of lines.flatMap((line) => line.match(/--[\w-]+/g) ?? []).concat("--help")) {
      assert.ok(options!.includes(`${option} `), `${option} is in an example of ${command}, and no option of it`);
    }
  });
}

/** Each is refused with exit code 2, by words that match. */
const asked: readonly (readonly [args: string, words: RegExp])[] = [
  ["trian --data x", /unknown command 'trian'\s+\(Did you mean train\?\)/],
  ["clasify x", /Did you mean classify\?/],
  ["train --data x --epcohs 3", /unknown option '--epcohs'\s+\(Did you mean --epochs\?\)/],
  ["train --data x --opt adamw", /unknown option '--opt'\s+\(Here it is --optimizer\)/],
  ["lr-find --data x --learning-rate 1", /unknown option '--learning-rate'\s+\(Here it is --lr\)/],
  ["evaluate --weights x --data y --jsn", /Did you mean --json\?/],
  ["train --data x --model seresnet18", /no model "seresnet18"\s+try: +se-resnet-18, /],
  [
    "evaluate --weights se-resent-50 --data x",
    /no such file, and no released weights of that name\s+try: +se-resnet-50, /,
  ],
  ["models se-resent-50", /no model "se-resent-50"\s+try: +se-resnet-50, /],
  ["benchmark --model resnet50", /try: +resnet-50, /],
  ["benchmark --model se-resnet-20 --executor otr", /no executor "otr"\s+expected: onednn, ort, reference\s+try: +ort/],
  ["train --data x --schedule cosin", /'cosin' is invalid. expected cosine, step, .*\(Did you mean cosine\?\)/],
  ["train --data x --epochs 0", /expected a whole number, 1 or more/],
  ["train --data x --cache -1", /expected a number, 0 or more/],
  [
    "benchmark --model se-resnet-50 --batch-size 100000",
    /--batch-size: the batches are too large for the memory that is left\s+expected: .* for a batch\s+found: .*\s+try: +--batch-size \d/,
  ],
  ["train --data x --lr fast", /expected a number/],
  ["train --data x --lr 0", /--lr: expected more than 0/],
  ["train --data x --momentum 1", /momentum: /],
  ["train --data x --resume", /--resume: no run to resume was named/],
  ["train --data x --resume --out nowhere", /nowhere.last\.safetensors: there is nothing to resume/],
  ["train --epochs 3", /--data: no pictures were named/],
  ["classify --weights x", /missing required argument 'picture'/],
  ["", /Usage: senet/],
];

for (const [args, words] of asked) {
  test(`senet ${args} is asked for wrongly`, async () => {
    const { code, stdout, stderr } = await senet(args.split(" ").filter(Boolean), { cwd: folder });
    assert.match(stderr, words);
    assert.equal(code, 2);
    assert.equal(stdout, "", "what went wrong is not a result");
    assert.doesNotMatch(stderr, /bug in senet|\n +at /);
  });
}

test("a config file is held to its keys, and to being one", async () => {
  const config = join(folder, "config.json");
  const refused = async (text: string, words: RegExp) => {
    writeFileSync(config, text);
    const { code, stderr } = await senet(["train", "--data", folder, "--config", config]);
    assert.match(stderr, words);
    assert.equal(code, 2);
  };
  await refused('{"epochs": 3, "learning_rate": 0.1}', /"learning_rate" is unknown \(nearest: learningRate, /);
  await refused('{"epochs": 3', /config\.json: the config cannot be read/);
  await refused("[]", /config\.json: the config cannot be used/);
  await refused('{"model": "vgg"}', /no model "vgg"/);
});

/** Each goes wrong with exit code 1, by words that match. */
const wrong: readonly (readonly [args: string, words: RegExp])[] = [
  ["train --data nowhere", /^senet: nowhere: the folder cannot be read[\s\S]*expected: [\s\S]*found: [\s\S]*try: /],
  ["train --data empty", /^senet: empty: there is no train\/ and no val\/ here/],
  [
    "evaluate --weights nowhere.pth --data empty",
    /^senet: nowhere\.pth: cannot be read\s+found: +there is no such file/,
  ],
  ["evaluate --weights text --data empty", /^senet: text: /],
  ["classify nowhere.jpg --weights text", /^senet: nowhere\.jpg: there is no such picture/],
  ["classify empty --weights text", /^senet: empty: there are no pictures in this folder/],
];
mkdirSync(join(folder, "empty"));
writeFileSync(join(folder, "text"), "this is no safetensors file, whatever its name says");

for (const [args, words] of wrong) {
  test(`senet ${args} goes wrong in words`, async () => {
    const { code, stdout, stderr } = await senet(args.split(" "), { cwd: folder });
    assert.match(stderr, words);
    assert.equal(code, 1);
    assert.equal(stdout, "");
    assert.doesNotMatch(stderr, /bug in senet|\n +at /);
  });
}

test("senet models --json has every model with what the field asks first", async () => {
  const { code, stdout, stderr } = await senet(["models", "--json"]);
  assert.equal(code, 0);
  assert.equal(stderr, "");
  const models = JSON.parse(stdout) as Record<string, unknown>[];
  assert.deepEqual(
    models.map(({ name }) => name),
    [...zoo.keys()],
  );
  for (const found of models) {
    assert.deepEqual(Object.keys(found), [
      "name",
      "parameters",
      "multiplyAddsAt224",
      "multiplyAdds",
      "input",
      "classes",
      "mebibytes",
      "top1Error",
      "top5Error",
      "source",
      "licence",
      "paper",
      "paperErrors",
      "reached",
      "imports",
    ]);
  }
  const fifty = models.find(({ name }) => name === "se-resnet-50")!;
  assert.equal(fifty.parameters, 28_088_024);
  assert.equal(fifty.input, "3x224x224");
  assert.deepEqual([fifty.top1Error, fifty.top5Error], [22.37, 6.36]);
  assert.equal(models.find(({ name }) => name === "resnet-50")!.top1Error, null);
  // Of each of the seven ports every network has its source, and the paper's figure where the paper has one.
  const imports = models.flatMap((found) => found.imports as { source: string; reached?: string }[]);
  assert.equal(imports.filter(({ source }) => source === "albanie/mcnSENets").length, 8);
  const port = models.find(({ name }) => name === "tensorpack-se-resnet-50")!;
  assert.deepEqual(port.paperErrors, { top1Error: 23.29, top5Error: 6.62 });
  assert.equal(models.find(({ name }) => name === "taki0112-se-inception-resnet-v2")!.paperErrors, null);
  const list = (await senet(["models"])).stdout;
  assert.match(list, /^se-resnet-50 .*SE-ResNet-50 +23\.29 %, 6\.62 % +22\.30 % top-1, .*albanie\/mcnSENets$/m);
  assert.match(list, /^nutszebra-se-resnet-164-r16 .*4\.39 % +95\.91 % .*nutszebra\/SENets$/m);
});

test("senet models NAME lists the layers, and they add up", async () => {
  const { stdout } = await senet(["models", "se-resnet-20", "--json"]);
  const found = JSON.parse(stdout) as {
    parameters: number;
    multiplyAdds: number;
    layers: { name: string; op: string; output: number[]; parameters: number; multiplyAdds: number }[];
  };
  const sum = (key: "parameters" | "multiplyAdds") => found.layers.reduce((total, layer) => total + layer[key], 0);
  assert.equal(sum("parameters"), found.parameters);
  assert.equal(sum("multiplyAdds"), found.multiplyAdds);
  const gate = found.layers.find(({ name }) => name === "layer3.2.se.gate")!;
  assert.deepEqual([gate.op, gate.output], ["sigmoid", [1, 64, 1, 1]]);

  const { stdout: text } = await senet(["models", "se-resnet-20"]);
  assert.match(text, /^layer3\.2\.se\.fc1 +conv2d +1x4x1x1 +260 +256$/m);
  assert.match(text, /^total +274,847 +40,/m);

  const { stdout: port } = await senet(["models", "moskomule-se-resnet-20-r8"]);
  assert.match(
    port,
    /^moskomule-se-resnet-20-r8: the paper's SE-ResNet-20 for CIFAR, r = 8, from moskomule\/senet\.pytorch; 93 % right on CIFAR-10/,
  );
  const { stdout: released } = await senet(["models", "senet-154"]);
  assert.match(
    released,
    /^senet-154: the paper's SENet-154 \(18\.68 %, 4\.47 % error\), from albanie\/mcnSENets; 18\.67 % top-1, 4\.50 % top-5 error/,
  );
});

test("senet doctor says what was found, what would be chosen, and why", async () => {
  const { code, stdout } = await senet(["doctor", "--json"]);
  assert.equal(code, 0);
  const found = JSON.parse(stdout) as Record<string, unknown>;
  assert.equal(found.node, process.version);
  const executors = found.executors as { name: string; available: boolean }[];
  assert.deepEqual(
    executors.map(({ name }) => name),
    ["onednn", "ort", "reference"],
  );
  const { stdout: text } = await senet(["doctor", "--no-speed"]);
  const chosen = found.chosen as Record<string, { executor: string; reason: string }>;
  assert.deepEqual(Object.keys(chosen), ["training", "inference", "auto", "int8"]);
  for (const { executor, reason } of Object.values(chosen)) {
    assert.ok(executors.some(({ name, available }) => available && name === executor));
    assert.ok(text.includes(`: ${executor}, ${reason}\n`), text);
  }
  assert.ok(!text.includes("images/s"));
  const { speed } = found as { speed: { executors: { executor: string; imagesPerSecond: Record<string, number> }[] } };
  assert.deepEqual(
    speed.executors.map(({ executor }) => executor),
    executors.filter(({ available }) => available).map(({ name }) => name),
  );
  for (const { executor, imagesPerSecond } of speed.executors) {
    assert.ok(Object.values(imagesPerSecond).every((rate) => rate > 0));
    const precisions = Object.keys(imagesPerSecond).filter((name) => name !== "bf16");
    assert.deepEqual(precisions, executor === "reference" ? ["float32"] : ["float32", "int8"]);
  }
});

test("senet benchmark ends with one JSON object, with --json and without", async () => {
  const args = "benchmark --model se-resnet-20 --image-size 8 --batch-size 2 --runs 3 --threads 1 --mode".split(" ");
  for (const mode of ["inference", "training"]) {
    for (const json of [[], ["--json"]]) {
      const { code, stdout } = await senet([...args, mode, ...json]);
      assert.equal(code, 0);
      const lines = stdout.trimEnd().split("\n");
      assert.equal(lines.length === 1, json.length === 1, stdout);
      const found = JSON.parse(lines.at(-1)!) as Record<string, unknown>;
      assert.equal(found.mode, mode);
      assert.equal(found.batchSize, 2);
      assert.equal(found.imageSize, 8);
      const { millisecondsPerImage, imagesPerSecond, parts } = found as Record<string, number> & { parts: object };
      assert.ok(millisecondsPerImage! > 0);
      assert.ok(Math.abs(imagesPerSecond! * millisecondsPerImage! - 1000) < 1e-6);
      const expected = mode === "training" ? ["total", "forward and backward", "optimiser"] : ["total"];
      assert.deepEqual(Object.keys(parts), expected);
    }
  }
});

test("senet benchmark --profile says where the time goes and what was planned, where the executor knows", async () => {
  const args = "benchmark --model se-resnet-20 --mode training --image-size 16 --batch-size 2 --runs 2 --profile".split(
    " ",
  );
  const unaware = await senet([...args, "--executor", "ort"]);
  assert.match(unaware.stdout, /does not report where its time goes/);
  const { stdout, stderr } = await senet(args);
  if (!stderr.startsWith("onednn")) return;
  assert.match(stdout, /kind of work +ms an image[\s\S]*convolution backwardWeights/);
  assert.match(
    stdout,
    /plan: \d+ steps; activations share \d+ MiB\nactivations that change their layout on the way: none/,
  );
  const summary = JSON.parse(stdout.trim().split("\n").at(-1)!);
  assert.ok(summary.kinds["in TypeScript"] > 0 && summary.plan.steps > 100);
});
