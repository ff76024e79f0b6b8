/** `senet evaluate` as a user runs it: tables, JSON, CSV, interruptions, and what it refuses. */

import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { imagenetLabels } from "../src/import/imagenet-classes.ts";
import { dusted } from "../src/text-output.ts";
import { colourInput, colourNetwork, drawColours, writeCheckpoint } from "./colours.ts";
import { type RunOptions, senet, temporaryFolder } from "./command.ts";
import type { Ran } from "./ran.ts";
import { needsShared, sharedData } from "./support.ts";

const folder = temporaryFolder();
const at = (...path: string[]) => join(folder, ...path);
const evaluate = (args: string, onStderr: RunOptions["onStderr"] = () => {}): Promise<Ran> =>
  senet(["evaluate", ...args.split(" "), "--threads", "1", "--workers", "1"], { cwd: folder, onStderr });

const pictureCount = 600;
const linesOf = (path: string) => (existsSync(path) ? readFileSync(path, "utf8").split("\n").length - 1 : 0);

/** Runs until the journal has some more pictures, then sends the signal. */
function interrupted(args: string, signal: NodeJS.Signals): Promise<Ran> {
  const enough = linesOf(at("journal.jsonl")) + 22;
  let isWatched = false;
  const watch = async (process: ChildProcess) => {
    if (isWatched) return;
    isWatched = true;
    while (process.exitCode === null && linesOf(at("journal.jsonl")) < enough) await setTimeout(2);
    process.kill(signal);
  };
  return evaluate(args, (_, process) => void watch(process));
}

before(async () => {
  await drawColours(at("few", "folders"), 3);
  await drawColours(at("many", "folders"), pictureCount / 3);
  const network = colourNetwork(imagenetLabels("devkit"), colourInput.bgr, "se-resnet-50");
  writeCheckpoint(at("caffe.safetensors"), network);
  const other = colourNetwork(imagenetLabels("sorted"), colourInput.rgb);
  // It takes all setters for foxes.
  const bias = other.labels.findIndex((label) => label.startsWith("n02119789"));
  other.weights.get("fc.bias")!.data[bias] = 100;
  writeCheckpoint(at("torch.safetensors"), other);
});

test("several networks: a table with published figures where there are any, and the errors of each class", async () => {
  const weights = "--weights caffe.safetensors torch.safetensors";
  const ran = await evaluate(`${weights} --data few/folders --per-class classes.csv --report page.html`);
  assert.equal(ran.code, 0, ran.stderr);
  const page = readFileSync(at("page.html"), "utf8");
  for (const words of ["<h2>caffe.safetensors</h2>", "<h2>torch.safetensors</h2>", "<dd>66.67 %</dd>", "✗ wrong"])
    assert.ok(page.includes(words), words);
  // The six mistakes of the second network, each with its picture and, below it, what spoke for the answer.
  assert.equal(page.match(/src="data:image\/jpeg/g)?.length, 12);
  const [header, , caffe, torch, empty, note] = ran.stdout.split("\n");
  assert.match(header!, /^weights +model +pictures +views +top-1 error +published +top-5 error +published +images\/s$/);
  const view = "9  centre crop of 8 from 16";
  assert.match(
    caffe!,
    new RegExp(`^caffe\\.\\w+ +se-resnet-50 +${view} +0\\.00 % +22\\.37 % +0\\.00 % +6\\.36 % +[\\d.]+$`),
  );
  assert.match(torch!, new RegExp(`^torch\\.\\w+ +colours +${view} +66\\.67 % +0\\.00 % +[\\d.]+$`));
  assert.equal(empty, "");
  assert.match(note!, /^Published figures are for all 50,000 validation pictures, centre crop of 224 from 256\.$/);
  assert.equal(
    readFileSync(at("classes.csv"), "utf8"),
    [
      "weights,label,pictures,top1_error,top5_error",
      ...[`${imagenetLabels("devkit")[0]},3,0,0`, `${imagenetLabels("devkit")[1]},3,0,0`].map(
        (l) => `caffe.safetensors,${l}`,
      ),
      `caffe.safetensors,${imagenetLabels("devkit")[2]},3,0,0`,
      `torch.safetensors,${imagenetLabels("devkit")[1]},3,100,0`,
      `torch.safetensors,${imagenetLabels("devkit")[2]},3,100,0`,
      `torch.safetensors,${imagenetLabels("devkit")[0]},3,0,0`,
      "",
    ].join("\n"),
  );
});

test("--json: a line a network", async () => {
  const ran = await evaluate(
    "--weights caffe.safetensors torch.safetensors --data few/flat --list few/list.txt --list-order devkit --crop 12 --crops 10 --json",
  );
  assert.equal(ran.code, 0, ran.stderr);
  const rows = ran.stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  const common = { images: 9, resize: 24, crop: 12, views: "ten-crop", left_out: 0, missing: 0 };
  const [caffe, torch] = rows.map(({ images_per_second: rate, ...row }) => {
    assert.ok(typeof rate === "number" && rate > 0);
    return row;
  });
  assert.equal(rows.length, 2);
  assert.deepEqual(caffe, {
    ...{ ...common, weights: "caffe.safetensors", model: "se-resnet-50", top1_error: 0, top5_error: 0 },
    ...{ published_top1_error: 22.37, published_top5_error: 6.36 },
  });
  const top1 = { top1_error: dusted(200 / 3), top5_error: 0 };
  assert.deepEqual(torch, { ...common, ...top1, weights: "torch.safetensors", model: "colours" });
});

test("kill -9, then Ctrl-C, and the same command goes on each time, to the same result", async () => {
  const args = "--weights caffe.safetensors --data many/folders --batch-size 1 --journal journal.jsonl --json";
  assert.equal((await interrupted(args, "SIGKILL")).code, null);
  const after = linesOf(at("journal.jsonl"));
  assert.ok(after >= 22 && after < pictureCount, `${after} lines in the journal`);
  const stopped = await interrupted(args, "SIGINT");
  assert.equal(stopped.code, 130, stopped.stderr);
  assert.equal(stopped.stdout, "", "no result of a part of the pictures");
  assert.match(stopped.stderr, /^stopping after this batch; press Ctrl-C again to stop at once$/m);
  assert.match(stopped.stderr, /^caffe\.safetensors: \d+ pictures, top-1 error 0\.00 %/m);
  assert.match(stopped.stderr, /^stopped; run the same command to continue$/m);
  assert.ok(linesOf(at("journal.jsonl")) < pictureCount);

  const other = await evaluate(`${args} --resize 20`);
  assert.equal(other.code, 2);
  assert.match(other.stderr, /journal\.jsonl: the journal has caffe\.safetensors with different settings/);
  assert.match(other.stderr, /expected: resize 16\n +found: +resize 20\n/);

  const finished = await evaluate(args);
  assert.equal(finished.code, 0, finished.stderr);
  const { images, top1_error } = JSON.parse(finished.stdout) as Record<string, number>;
  assert.deepEqual([images, top1_error], [pictureCount, 0]);
  const pictures = readFileSync(at("journal.jsonl"), "utf8").match(/"picture":"[^"]+"/g)!;
  assert.equal(pictures.length, pictureCount, "each picture was looked at once");
  assert.equal(new Set(pictures).size, pictureCount);
});

test("where later weights cannot be opened, what was measured is told", async () => {
  const ran = await evaluate("--weights caffe.safetensors nowhere.safetensors --data few/folders");
  assert.equal(ran.code, 1);
  assert.match(ran.stdout, /^caffe\.safetensors .* 0\.00 %/m);
  assert.match(ran.stderr, /nowhere\.safetensors: cannot be read/);
});

const refused: readonly (readonly [args: string, code: number, words: RegExp])[] = [
  [
    "--data few/flat --list few/all.txt --list-order devkit",
    1,
    /10 pictures in few\/flat[\s\S]*9; the first that is missing is 3\.png[\s\S]*--allow-missing/,
  ],
  ["--data few/flat --list few/none.txt", 1, /few\/none\.txt: the list cannot be read/],
  ["--data few/folders --crops 10 --mirror", 2, /ten crops have their mirror images already/],
  ["--data few/folders --crops 10 --crop 20 --resize 16", 2, /at most 16, the shorter side, for ten crops/],
  ["--data few/folders --crops 5", 2, /expected 1, 10\./],
  ["--data few/folders --list-order srted", 2, /Did you mean sorted\?/],
  ["--data few/folders --journal few/list.txt", 1, /few\/list\.txt: this file is not an evaluation journal/],
  ["--data many", 1, /not classes of the network[\s\S]*found: +"flat", "folders"/],
];
for (const [args, code, words] of refused) {
  test(`evaluate ${args} is refused in words`, async () => {
    writeFileSync(at("few", "all.txt"), `${readFileSync(at("few", "list.txt"), "utf8")}3.png 2\n`);
    const ran = await evaluate(`--weights caffe.safetensors ${args}`);
    assert.match(ran.stderr, words);
    assert.deepEqual([ran.code, ran.stdout], [code, ""]);
    assert.doesNotMatch(ran.stderr, /bug in senet|\n +at /);
  });
}

test("missing pictures may be, and are counted", async () => {
  writeFileSync(at("few", "more.txt"), `${readFileSync(at("few", "list.txt"), "utf8")}3.png 2\n`);
  const args =
    "--weights caffe.safetensors --data few/flat --list few/more.txt --list-order devkit --allow-missing --json";
  const ran = await evaluate(args);
  assert.equal(ran.code, 0, ran.stderr);
  const { images, missing } = JSON.parse(ran.stdout) as Record<string, number>;
  assert.deepEqual([images, missing], [9, 1]);
  assert.match(ran.stderr, /^pictures on the list that are missing: 1 of 10$/m);
});

test("the original's list, with the photographs that are here", needsShared("imagenet", "photos"), async () => {
  const data = `--data ${sharedData("imagenet", "photos")} --list ${sharedData("imagenet", "ILSVRC2017_val.txt")}`;
  const ran = await evaluate(`--weights caffe.safetensors ${data} --allow-missing --json`);
  assert.equal(ran.code, 0, ran.stderr);
  const { images, missing } = JSON.parse(ran.stdout) as Record<string, number>;
  assert.deepEqual([images, missing], [19, 49_981]);
});
