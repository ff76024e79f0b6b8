/** The main job as a user does it, on tiny pictures: train, be interrupted, resume, evaluate, classify, and go wrong. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { before, test } from "node:test";
import { writeDemoPictures } from "../src/demo/write.node.ts";
import { dusted, jsonText } from "../src/text-output.ts";
import { trainingConfig } from "../src/train/config.ts";
import { type EpochMetrics, type TrainingState, trainingStateSchema } from "../src/train/state.ts";
import { decodeCheckpoint } from "../src/weights/decode-checkpoint.ts";
import { filesOfRun, firstFiles, type RunOptions, senet, temporaryFolder } from "./command.ts";
import type { Ran } from "./ran.ts";

const folder = temporaryFolder();
const at = (...path: string[]) => join(folder, ...path);
const epochs = 5;
const steps = 4;
/** What stands on standard error once the first epoch has been saved. */
const firstEpoch = `epoch 1/${epochs}: `;

/** `senet train` on these pictures; one thread of each kind, so that the machine may do other things. */
const train = (out: string, data: string, more: readonly string[] = [], options: RunOptions = {}): Promise<Ran> =>
  senet(["train", "--data", data, "--out", out, "--threads", "1", "--workers", "1", ...more], {
    cwd: folder,
    ...options,
  });
const small = ["--model", "se-resnet-20", "--image-size", "16", "--batch-size", "16", "--epochs", `${epochs}`];

/** `senet evaluate`, likewise. */
const evaluate = (weights: string, data: string, ...more: readonly string[]): Promise<Ran> =>
  senet(["evaluate", "--weights", weights, "--data", data, "--threads", "1", "--workers", "1", ...more], {
    cwd: folder,
  });
const imagesOf = ({ stdout, stderr }: Ran): unknown => {
  assert.notEqual(stdout, "", stderr);
  return (JSON.parse(stdout) as { images: unknown }).images;
};

const load = (file: string) => decodeCheckpoint(readFileSync(at(file)), file);
const stateOf = (out: string): TrainingState => trainingStateSchema.parse(load(`${out}/last.safetensors`).run!.state);
const rowsOf = (out: string): EpochMetrics[] =>
  readFileSync(at(out, "metrics.jsonl"), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as EpochMetrics);

const times = ["seconds", "imagesPerSecond", "waitShare"];
/** metrics.csv without the columns that depend on the clock. */
function timeless(out: string): string[][] {
  const [header, ...rows] = readFileSync(at(out, "metrics.csv"), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => line.split(","));
  const kept = header!.flatMap((name, i) => (times.includes(name) ? [] : [i]));
  assert.equal(kept.length, header!.length - times.length);
  return [header!, ...rows].map((row) => kept.map((i) => row[i]!));
}

/** Asserts that two runs ended the same: metrics, weights bit for bit, velocities, the state but for its times. */
function assertSameRun(out: string, expected: string): void {
  assert.deepEqual(timeless(out), timeless(expected));
  assert.deepEqual(readFileSync(at(out, "best.safetensors")), readFileSync(at(expected, "best.safetensors")));
  const [a, b] = [load(`${out}/last.safetensors`), load(`${expected}/last.safetensors`)];
  assert.deepEqual(a.weights, b.weights);
  assert.deepEqual(a.run!.optimizer, b.run!.optimizer);
  assert.deepEqual(a.run!.config, b.run!.config);
  assert.equal(stateOf(out).epoch, stateOf(expected).epoch);
}

/** Asserts that a command ended with this exit code and these words, and not with a trace. */
function assertFailed({ code, stderr }: Ran, expected: 1 | 2, ...words: readonly RegExp[]): void {
  for (const word of words) assert.match(stderr, word);
  assert.doesNotMatch(stderr, /bug in senet|\n +at /);
  assert.equal(code, expected);
}

let whole: Ran;
before(async () => {
  // 12 classes: 72 pictures to train on, 24 to validate with. Four steps of 16, and some left over.
  await writeDemoPictures(at("pictures"), { trainPerClass: 6, valPerClass: 2, heldBackPerClass: 1, size: 40 });
  whole = await train("whole", "pictures", small);
});

test("a run with all augmentation, mixed batches, repeats and sizes by epoch goes on bit for bit where it stopped", async () => {
  const all = [
    ...["--rotate", "10", "--pixel-jitter", "20", "--aa", "rand-m9-mstd0.5-inc1", "--lighting", "0.1", "--cutout", "4"],
    ...["--reprob", "0.5", "--mixup", "0.2", "--cutmix", "1", "--aug-repeats", "2", "--label-smoothing", "0.1"],
    ...["--progressive", "12:0,16:1,20:3"],
  ];
  const straight = await train("augmented", "pictures", [...small, ...all]);
  assert.equal(straight.code, 0, straight.stderr);
  let sent = false;
  const stopped = await train("augmented-in-parts", "pictures", [...small, ...all], {
    onStderr: (stderr, process) => {
      if (sent || !stderr.includes(firstEpoch)) return;
      sent = true;
      process.kill("SIGINT");
    },
  });
  assert.equal(stopped.code, 130, stopped.stderr);
  const rest = await train("augmented-in-parts", "pictures", ["--resume"]);
  assert.equal(rest.code, 0, rest.stderr);
  assertSameRun("augmented-in-parts", "augmented");
});

test("a run leaves weights, metrics and its config", () => {
  assert.equal(whole.code, 0, whole.stderr);
  assert.equal(whole.stdout, "");
  assert.match(whole.stderr, /72 pictures to train on, 24 to validate/);
  assert.match(whole.stderr, /executor \w+: /);
  for (let epoch = 1; epoch <= epochs; epoch++) {
    assert.match(whole.stderr, new RegExp(`^epoch ${epoch}/${epochs}: loss \\d.*validation loss .*images/s`, "m"));
  }
  assert.match(whole.stderr, /^done: best top-1 error .* whole\/best\.safetensors$/m);
  const files = ["best.safetensors", "last.safetensors", "metrics.csv", "metrics.jsonl", "report.html"];
  assert.deepEqual(filesOfRun(at("whole")), [...files, ...firstFiles].sort());

  const config: unknown = JSON.parse(readFileSync(at("whole", "config.json"), "utf8"));
  const expected = { model: "se-resnet-20", imageSize: 16, batchSize: 16, epochs };
  assert.deepEqual(config, trainingConfig(expected));

  const rows = rowsOf("whole");
  assert.deepEqual(
    rows.map(({ epoch }) => epoch),
    [0, 1, 2, 3, 4],
  );
  const csv = readFileSync(at("whole", "metrics.csv"), "utf8").trimEnd().split("\n");
  assert.deepEqual(csv[0]!.split(","), Object.keys(rows[0]!));
  assert.deepEqual(
    csv.slice(1).map((line) => line.split(",").map(Number)),
    rows.map((row) => Object.values(row)),
  );

  const best = load("whole/best.safetensors");
  assert.equal(best.run, undefined);
  assert.equal(best.model.name, "se-resnet-20");
  assert.deepEqual(best.labels, readdirSync(at("pictures", "train")).sort());
  assert.deepEqual([best.preprocessing.resize, best.preprocessing.crop], [18, 16]);
  const state = stateOf("whole");
  assert.deepEqual([state.epoch, state.step], [epochs, 0]);
  assert.deepEqual(JSON.parse(jsonText(state.history)), rows);
  assert.equal(dusted(state.bestTop1Error!), Math.min(...rows.map((row) => row.validationTop1Error)));
});

test("Ctrl-C saves and says how to resume; resumed so, the run ends as one that never stopped", async () => {
  let sent = false;
  const interrupted = await train("interrupted", "pictures", small, {
    onStderr: (stderr, process) => {
      if (sent || !stderr.includes(firstEpoch)) return;
      sent = true;
      process.kill("SIGINT");
    },
  });
  assert.equal(interrupted.code, 130, interrupted.stderr);
  const { epoch, step } = stateOf("interrupted");
  assert.ok(epoch >= 1 && epoch < epochs && step <= steps, `stopped in epoch ${epoch}, step ${step}`);
  assert.deepEqual(timeless("interrupted"), timeless("whole").slice(0, epoch + 1));
  assert.match(readFileSync(at("interrupted", "report.html"), "utf8"), /The run has done \d of 5 epochs\./);

  const command = /stopped and saved; continue with: senet (train .*--resume.*)$/m.exec(interrupted.stderr)?.[1];
  assert.ok(command !== undefined, interrupted.stderr);
  // What a killed run may have left is no obstacle.
  const leftover = `senet-${hostname().replace(/[^\w.]/g, "_")}-${spawnSync("true").pid}-0123456789ab.partial`;
  writeFileSync(at("interrupted", leftover), "half a checkpoint");
  const resumed = await senet(command.split(" "), { cwd: folder });
  assert.equal(resumed.code, 0, resumed.stderr);
  assert.match(resumed.stderr, new RegExp(`resumed at epoch ${epoch + 1}`));
  assertSameRun("interrupted", "whole");
  assert.ok(!existsSync(at("interrupted", leftover)));
});

test("killed at once, a run leaves whole checkpoints, and goes on from them to the same end", async () => {
  const killed = await train("killed", "pictures", small, {
    onStderr: (stderr, process) => {
      if (stderr.includes(firstEpoch)) process.kill("SIGKILL");
    },
  });
  assert.equal(killed.code, null);
  assert.ok(load("killed/best.safetensors").weights.size > 0);
  const { epoch } = stateOf("killed");
  assert.ok(epoch >= 1 && epoch < epochs, `killed in epoch ${epoch}`);
  // A copy for the tests below, which spoil it.
  cpSync(at("killed"), at("stopped"), { recursive: true });
  const resumed = await train("killed", "pictures", ["--resume"]);
  assert.equal(resumed.code, 0, resumed.stderr);
  assertSameRun("killed", "whole");
});

test("a run whose time is up saves, says how to go on, and keeps its schedule", async () => {
  const stopped = await train("budget", "pictures", [...small, "--epochs", "5000", "--time-budget", "1s"]);
  assert.equal(stopped.code, 0, stopped.stderr);
  assert.match(stopped.stderr, /^stopped and saved; continue with: senet train --resume .*--time-budget 1s$/m);
  const { epoch, step } = stateOf("budget");
  assert.ok(epoch < 5000);
  const again = await train("budget", "pictures", ["--resume", "--time-budget", "1s"]);
  assert.equal(again.code, 0, again.stderr);
  if (epoch + step > 0) assert.match(again.stderr, new RegExp(`^resumed at epoch ${epoch + 1}`, "m"));
  // A busy machine may be past the time before the first step.
  const after = stateOf("budget");
  assert.ok(after.epoch > epoch || (after.epoch === epoch && after.step >= step));
  const { epochs } = JSON.parse(readFileSync(at("budget", "config.json"), "utf8")) as { epochs: unknown };
  assert.equal(epochs, 5000);
});

test("a run whose time is up before its first step says that nothing is saved", async () => {
  const { code, stderr } = await train("early", "pictures", [...small, "--time-budget", "0.001s"]);
  assert.equal(code, 1, stderr);
  assert.match(stderr, /^stopped; there was nothing to save yet$/m);
  assert.doesNotMatch(stderr, /stopped and saved/);
  assert.ok(!existsSync(at("early", "last.safetensors")));
});

test("a batch that is found by itself is said and recorded, a recipe's rate goes with it, and the same command resumes", async () => {
  const recipe = [...small, "--recipe", "paper-2017", "--batch-size", "auto", "--epochs", "1"];
  const ran = await train("auto", "pictures", recipe);
  assert.equal(ran.code, 0, ran.stderr);
  const [, size] = /^batches of (\d+) pictures: /m.exec(ran.stderr) ?? [];
  const config = JSON.parse(readFileSync(at("auto", "config.json"), "utf8")) as Record<string, unknown>;
  assert.deepEqual([config.batchSize, config.learningRate], [Number(size), (0.6 * Number(size)) / 1024]);
  assert.match(ran.stderr, /^batches of \d+ instead of the recipe's 1024: a rate of \S+ instead of 0\.6$/m);
  const longer = await train("auto", "pictures", [...recipe, "--epochs", "2", "--resume"]);
  assert.equal(longer.code, 0, longer.stderr);
});

test("a run that is finished has nothing left to do, and its folder takes no other run", async () => {
  const before = readFileSync(at("whole", "last.safetensors"));
  const again = await train("whole", "pictures", ["--resume"]);
  assert.equal(again.code, 0, again.stderr);
  // At once: nothing is loaded for it.
  assert.match(again.stderr, /^done: the run was finished after 5 epochs, best top-1 error .*--epochs 10/);
  assertFailed(
    await train("whole", "pictures", small),
    2,
    /whole: there is a run in this folder already[\s\S]*--resume/,
  );
  assert.deepEqual(readFileSync(at("whole", "last.safetensors")), before);
});

/** A copy of a run that was stopped after its first epoch. */
function stopped(name: string): string {
  cpSync(at("stopped"), at(name), { recursive: true });
  return name;
}
/** Asserts that resuming fails and leaves `last.safetensors` as it was. */
async function assertResumeFailed(out: string, data: string, more: readonly string[], code: 1 | 2, ...words: RegExp[]) {
  const before = readFileSync(at(out, "last.safetensors"));
  assertFailed(await train(out, data, ["--resume", ...more]), code, ...words);
  assert.deepEqual(readFileSync(at(out, "last.safetensors")), before);
}

/** Bytes written to /dev/full meet a full disk; a limit of the shell lets no file grow larger than so many KiB. */
const needsFull = { skip: existsSync("/dev/full") ? false : "there is no /dev/full on this system" };
const limited = (kib: number, out: string, more: readonly string[]): Promise<Ran> =>
  senet(["train", "--data", "pictures", "--out", out, "--threads", "1", "--workers", "1", ...more], {
    cwd: folder,
    shell: `ulimit -f ${kib}`,
  });

test("a full disk while saving is an error, and what was saved before survives", needsFull, async () => {
  const out = stopped("full");
  const before = readFileSync(at(out, "last.safetensors"));
  assertFailed(
    await limited(100, out, ["--resume"]),
    1,
    /safetensors: cannot be written; what was there before is still there/,
    /found: +the file is larger than is allowed here/,
  );
  assert.deepEqual(readFileSync(at(out, "last.safetensors")), before);
  assert.deepEqual(
    filesOfRun(at(out)),
    filesOfRun(at("stopped")).filter((name) => name !== "run.lock"), // of the process that was killed
  );
  rmSync(at(out, "metrics.csv"));
  symlinkSync("/dev/full", at(out, "metrics.csv"));
  assertFailed(
    await train(out, "pictures", ["--resume"]),
    1,
    /metrics\.csv: cannot be written/,
    /found: +the disk is full/,
    /try: .*free some space/,
  );
  assert.ok(stateOf(out).epoch >= 1 && load(`${out}/best.safetensors`).weights.size > 0);
});

test("a disk that is full from the start leaves no half of a checkpoint", needsFull, async () => {
  assertFailed(await limited(100, "small", small), 1, /safetensors: cannot be written/, /larger than is allowed/);
  assert.deepEqual(filesOfRun(at("small")), firstFiles);
});

test("a checkpoint that is cut short or not one is refused, for resuming and for use", async () => {
  const out = stopped("truncated");
  const bytes = readFileSync(at(out, "last.safetensors"));
  writeFileSync(at(out, "last.safetensors"), bytes.subarray(0, bytes.length - 1000));
  await assertResumeFailed(out, "pictures", [], 1, /truncated\/last\.safetensors: /, /expected: /, /found: /);
  const weights = "truncated/last.safetensors";
  const classified = await senet(["classify", "pictures/held-back", "--weights", weights], { cwd: folder });
  assertFailed(classified, 1, /truncated\/last\.safetensors: /);
  assertFailed(await evaluate(weights, "pictures/val"), 1, /truncated\/last\.safetensors: /);
  writeFileSync(at(out, "last.safetensors"), bytes.subarray(0, 0));
  await assertResumeFailed(out, "pictures", [], 1, /truncated\/last\.safetensors: /);
  cpSync(at("stopped", "best.safetensors"), at(out, "last.safetensors"));
  await assertResumeFailed(out, "pictures", [], 1, /holds weights, not a run/);
});

test("a run does not go on as another model, with other options, or on other classes", async () => {
  const out = stopped("other");
  await assertResumeFailed(
    out,
    "pictures",
    ["--model", "se-resnet-32"],
    2,
    /keeps its options[\s\S]*expected: --model se-resnet-20/,
  );
  await assertResumeFailed(out, "pictures", ["--lr", "0.5"], 2, /found: +--lr 0\.5/);
  cpSync(at("pictures"), at("fewer"), { recursive: true });
  for (const split of ["train", "val"]) rmSync(at("fewer", split, "car"), { recursive: true });
  await assertResumeFailed(out, "fewer", [], 1, /other\/last\.safetensors: the run was trained on different classes/);
  // What it has already said again is no contradiction.
  assert.equal((await train(out, "pictures", ["--resume", "--epochs", `${epochs}`])).code, 0);
});

test("evaluate gives the errors of the best epoch, and classify agrees with it picture by picture", async () => {
  const weights = ["--weights", "whole/best.safetensors"];
  const evaluated = await evaluate("whole/best.safetensors", "pictures/val", "--json");
  assert.equal(evaluated.code, 0, evaluated.stderr);
  const measured = JSON.parse(evaluated.stdout) as Record<string, number>;
  assert.deepEqual(Object.keys(measured).slice(0, 4), ["images", "top1_error", "top5_error", "images_per_second"]);
  const best = rowsOf("whole").toSorted((a, b) => a.validationTop1Error - b.validationTop1Error)[0]!;
  assert.equal(measured.images, 24);
  assert.equal(measured.top1_error, best.validationTop1Error);
  assert.equal(measured.top5_error, best.validationTop5Error);
  assert.ok(measured.images_per_second! > 0);

  const labels = load("whole/best.safetensors").labels;
  const folders = labels.map((label) => `pictures/val/${label}`);
  const classified = await senet(["classify", ...folders, ...weights, "--json"], { cwd: folder });
  assert.equal(classified.code, 0, classified.stderr);
  const answers = JSON.parse(classified.stdout) as { file: string; predictions: Record<string, number | string>[] }[];
  assert.equal(answers.length, 24);
  let wrong1 = 0;
  let wrong5 = 0;
  for (const answer of answers) {
    assert.deepEqual(Object.keys(answer), ["file", "predictions"]);
    assert.equal(answer.predictions.length, 5);
    for (const prediction of answer.predictions) {
      assert.deepEqual(Object.keys(prediction), ["label", "index", "probability"]);
      assert.equal(prediction.label, labels[Number(prediction.index)]);
    }
    const probabilities = answer.predictions.map(({ probability }) => Number(probability));
    assert.deepEqual(
      probabilities,
      probabilities.toSorted((a, b) => b - a),
    );
    const right = answer.predictions.findIndex(({ label }) => answer.file.includes(`/val/${label}/`));
    if (right !== 0) wrong1++;
    if (right < 0) wrong5++;
  }
  assert.equal(dusted((100 * wrong1) / 24), measured.top1_error);
  assert.equal(dusted((100 * wrong5) / 24), measured.top5_error);

  const text = await evaluate("whole/best.safetensors", "pictures/val");
  const row = `se-resnet-20 +24 .* +${measured.top1_error!.toFixed(2)} % +${measured.top5_error!.toFixed(2)} % +[\\d.]+`;
  assert.match(text.stdout, new RegExp(`^whole/best\\.safetensors +${row}$`, "m"));
});

test("evaluate takes another size, and classify as many answers as asked for and there are", async () => {
  const weights = ["--weights", "whole/best.safetensors"];
  const larger = "--resize 40 --crop 32 --json".split(" ");
  assert.equal(imagesOf(await evaluate("whole/best.safetensors", "pictures/val", ...larger)), 24);
  const [file] = readdirSync(at("pictures", "held-back"));
  for (const [top, count] of [
    ["1", 1],
    ["100", 12],
  ] as const) {
    const args = ["classify", `pictures/held-back/${file}`, ...weights, "--top", top, "--json"];
    const [answer] = JSON.parse((await senet(args, { cwd: folder })).stdout) as {
      predictions: { probability: number }[];
    }[];
    assert.equal(answer!.predictions.length, count);
    const sum = answer!.predictions.reduce((total, { probability }) => total + probability, 0);
    if (count === 12) assert.ok(Math.abs(sum - 1) < 1e-9);
  }
  const text = await senet(["classify", `pictures/held-back/${file}`, ...weights, "--top", "2"], { cwd: folder });
  assert.match(text.stdout, new RegExp(`^pictures/held-back/${file}\\n( +[\\d.]+ %  \\w+\\n){2}$`));
});

/** Spoils pictures of a class in the ways that pictures are spoiled; gives how many cannot be used after that. */
function spoil(classFolder: string): number {
  const [first, second] = readdirSync(classFolder).sort();
  const whole = readFileSync(join(classFolder, first!));
  writeFileSync(join(classFolder, second!), whole.subarray(0, 30));
  writeFileSync(join(classFolder, "empty.jpg"), "");
  writeFileSync(join(classFolder, "page.jpg"), "<html>404 Not Found</html>");
  const noise = Buffer.from(whole);
  noise.fill(0x5a, 0, 20);
  writeFileSync(join(classFolder, "corrupt.jpg"), noise);
  // A good JPEG under another picture's name is a picture all the same; notes are none.
  writeFileSync(join(classFolder, "misnamed.png"), whole);
  writeFileSync(join(classFolder, "notes.txt"), "taken in May");
  return 4;
}

test("bad pictures are named and counted, and neither training nor evaluating stops at them", async () => {
  cpSync(at("pictures"), at("spoiled"), { recursive: true });
  const bad = spoil(at("spoiled", "train", "car")) + spoil(at("spoiled", "val", "fish"));
  const ran = await train("spoiled-run", "spoiled", small);
  assert.equal(ran.code, 0, ran.stderr);
  assert.match(ran.stderr, new RegExp(`^${bad} pictures left out$`, "m"));
  for (const name of ["empty.jpg", "page.jpg", "corrupt.jpg"]) {
    assert.match(ran.stderr, new RegExp(`^left out spoiled/train/car/${name}: \\S`, "m"));
    assert.match(ran.stderr, new RegExp(`^left out spoiled/val/fish/${name}: \\S`, "m"));
  }
  assert.doesNotMatch(ran.stderr, /left out .*(misnamed|notes)/);

  const weights = ["--weights", "spoiled-run/best.safetensors"];
  const evaluated = await evaluate("spoiled-run/best.safetensors", "spoiled/val", "--json");
  assert.equal(evaluated.code, 0, evaluated.stderr);
  // 24 and the misnamed one, but the one that was cut short.
  assert.equal(imagesOf(evaluated), 24);
  assert.match(evaluated.stderr, /^left out spoiled\/val\/fish\/empty\.jpg: /m);
  assert.match(evaluated.stderr, /^4 pictures left out$/m);
  const checked = await evaluate("spoiled-run/best.safetensors", "spoiled/val", "--check");
  assertFailed(checked, 1, /^senet: spoiled\/val: 4 of \d+ pictures cannot be decoded$/m, /empty\.jpg: /);

  const classified = await senet(["classify", "spoiled/val/fish", ...weights, "--json"], { cwd: folder });
  const answered = (JSON.parse(classified.stdout) as { file: string }[]).map(({ file }) => file);
  assert.deepEqual(answered, ["spoiled/val/fish/001.jpg", "spoiled/val/fish/misnamed.png"]);
  assertFailed(classified, 1, /senet: spoiled\/val\/fish\/empty\.jpg: /, /senet: spoiled\/val\/fish\/page\.jpg: /);
});

test("a class of which every picture is bad ends the run, by its name", async () => {
  for (const split of ["train", "val"]) {
    const data = `hopeless-${split}`;
    cpSync(at("pictures"), at(data), { recursive: true });
    for (const name of readdirSync(at(data, split, "car")))
      writeFileSync(at(data, split, "car", name), "not a picture");
    const words = [/no picture of the class "car" can be decoded/, new RegExp(`${data}/${split}`), /try: /];
    assertFailed(await train(`${data}-run`, data, small), 1, ...words);
  }
  assertFailed(await evaluate("whole/best.safetensors", "hopeless-val/val"), 1, /class "car"/);
});

test("folders that cannot be trained on are refused in words", async () => {
  const data = (name: string, ...files: string[]) => {
    for (const file of files) {
      mkdirSync(at(name, file, ".."), { recursive: true });
      cpSync(at("pictures", "train", "car", "001.jpg"), at(name, file));
    }
    return name;
  };
  const refused = async (name: string, code: 1 | 2, ...words: RegExp[]) => {
    assertFailed(await train(`${name}-run`, name, small), code, ...words);
    assert.ok(!existsSync(at(`${name}-run`, "last.safetensors")));
  };
  await refused(
    data("single", "train/car/1.jpg", "val/car/1.jpg"),
    1,
    /single\/train: there is only one class/,
    /"car"/,
  );
  await refused(
    data("lacking", "train/car/1.jpg", "train/fish/1.jpg", "val/car/1.jpg", "val/fsih/1.jpg"),
    1,
    /lacking\/val: .*are not classes of the network/,
    /nearest to "fsih" are "fish"/,
  );
  await refused(data("no-val", "train/car/1.jpg", "train/fish/1.jpg"), 1, /there is no val\//);
  await refused(data("flat", "train/1.jpg", "val/1.jpg"), 1, /flat\/train: the pictures are not in class folders/);
  mkdirSync(at(data("hollow", "train/car/1.jpg", "val/car/1.jpg"), "train", "fish"));
  await refused("hollow", 1, /hollow\/train\/fish: a class has no pictures/);
  mkdirSync(at("void", "train"), { recursive: true });
  mkdirSync(at("void", "val"));
  await refused("void", 1, /void\/train: the folder is empty/);
  const tiny = data("tiny", ...["train", "val"].flatMap((s) => [`${s}/car/1.jpg`, `${s}/fish/1.jpg`]));
  await refused(tiny, 2, /a batch is larger than the training set/, /--batch-size 2/);
});

test("weights that know other classes are not evaluated on a folder of unknown ones", async () => {
  mkdirSync(at("strangers"));
  cpSync(at("pictures", "val", "car"), at("strangers", "cart"), { recursive: true });
  assertFailed(
    await evaluate("whole/best.safetensors", "strangers"),
    1,
    /not classes of the network/,
    /nearest to "cart" are "car"/,
  );
  // A part of the classes is fine.
  mkdirSync(at("some"));
  cpSync(at("pictures", "val", "car"), at("some", "car"), { recursive: true });
  assert.equal(imagesOf(await evaluate("whole/best.safetensors", "some", "--json")), 2);
});

test("a loss that is no number stops the run with its step and the first operation, and saves nothing of it", async () => {
  const ran = await train("diverged", "pictures", [...small, "--lr", "1e30", "--warmup-epochs", "0"]);
  assertFailed(
    ran,
    1,
    /^senet: epoch 1, step 2 of 4: the (?:loss|gradient) is not a finite number$/m,
    /the first that is not finite: [\w.]+ \(\w+\)/,
    /lower learning rate/,
  );
  assert.deepEqual(filesOfRun(at("diverged")), firstFiles);
});

test("batch norm over one value a channel is refused before the first step, as PyTorch does, and nothing is left", async () => {
  const one = ["--model", "se-resnet-18", "--image-size", "32", "--batch-size", "1", "--epochs", "1"];
  const ran = await train("one", "pictures", one);
  assertFailed(ran, 1, /^senet: layer4\.\S+ \(batchNormTraining\): there is only one value in each channel/m);
  assert.match(ran.stderr, /--batch-size.*--image-size/);
  assert.ok(!existsSync(at("one")));
});
