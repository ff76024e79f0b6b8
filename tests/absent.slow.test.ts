/** Native packages that do not load (musl, a missing library, left out when installing): said, and the rest works. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import sharp from "sharp";
import {
  describeExecutors,
  encodeCheckpoint,
  imagenetPreprocessing,
  inferenceGraph,
  model,
} from "../src/index.node.ts";
import { runNode, temporaryFolder } from "./command.ts";
import { formulaWeights } from "./formula.ts";
import type { Ran } from "./ran.ts";

const folder = temporaryFolder();
const main = new URL("../src/cli/main.js", import.meta.url).href;
const api = new URL("../src/index.node.js", import.meta.url).href;

/** Preloaded: native parts whose path has this word do not load, or the package of this name is not there. */
const preload = (what: "library" | "package", name: string): string => {
  const file = join(folder, `${what}-${name}.cjs`);
  const code =
    what === "library"
      ? `const { dlopen } = process;
         process.dlopen = (module, path, ...rest) => {
           if (path.includes(${JSON.stringify(name)})) throw new Error("libnative.so.1: cannot open shared object file");
           return dlopen.call(process, module, path, ...rest);
         };`
      : `const Module = require("node:module");
         const { _resolveFilename } = Module;
         Module._resolveFilename = (request, ...rest) => {
           if (request !== ${JSON.stringify(name)}) return _resolveFilename(request, ...rest);
           throw Object.assign(new Error("Cannot find module '" + request + "'"), { code: "MODULE_NOT_FOUND" });
         };`;
  writeFileSync(file, code);
  return file;
};
const launcher = join(folder, "senet.mjs");
writeFileSync(launcher, `import { main } from ${JSON.stringify(main)};\nawait main(process.argv);\n`);

const network = model("se-resnet-20", 3);
const labels = ["a", "b", "c"];
const preprocessing = { ...imagenetPreprocessing, resize: 16, crop: 16 };
const weights = formulaWeights(inferenceGraph(network, { batch: 1, imageSize: 16 }));
const checkpoint = join(folder, "net.safetensors");
writeFileSync(checkpoint, Buffer.concat(encodeCheckpoint({ model: network, labels, preprocessing, weights })));
const picture = join(folder, "picture.png");
const pixels = Uint8Array.from({ length: 16 * 16 * 3 }, (_, i) => (i * 37) % 256);
await sharp(pixels, { raw: { width: 16, height: 16, channels: 3 } })
  .png()
  .toFile(picture);

for (const set of ["train", "val"]) {
  for (const label of labels) {
    mkdirSync(join(folder, "pictures", set, label), { recursive: true });
    copyFileSync(picture, join(folder, "pictures", set, label, "1.png"));
  }
}

const jpegs = join(folder, "jpegs");
for (const set of ["train", "val"]) {
  for (const label of labels) {
    mkdirSync(join(jpegs, set, label), { recursive: true });
    await sharp(picture)
      .jpeg()
      .toFile(join(jpegs, set, label, "1.jpg"));
  }
}

const hasOnednn = (await describeExecutors()).some(({ name, available }) => name === "onednn" && available);
const next = hasOnednn ? "onednn" : "reference";

const isPlain = ({ stdout, stderr }: Ran) => {
  assert.doesNotMatch(stdout + stderr, /^\s+at .*:\d+:\d+\)?$/m, "no stack trace");
  assert.doesNotMatch(stderr, /this is a bug/);
};

for (const [what, name, reason] of [
  ["library", "onnxruntime", /cannot open shared object file/],
  ["package", "onnxruntime-node", /it is not installed/],
] as const) {
  const senet = (...args: string[]) => runNode(["--require", preload(what, name), launcher, ...args], { cwd: folder });
  const title = `ONNX Runtime's ${what} absent:`;

  test(`${title} import("senet/node") works, and its executor says why it does not`, async () => {
    const code = `const { ortExecutor, SenetError } = await import(${JSON.stringify(api)});
      try { await ortExecutor.compile({}, new Map()); } catch (e) { console.log(e instanceof SenetError, e.message); }`;
    const ran = await runNode(["--require", preload(what, name), "--input-type=module", "-e", code]);
    assert.equal(ran.code, 0, ran.stderr);
    assert.match(ran.stdout, /^true onnxruntime-node: ONNX Runtime does not load here/);
    assert.match(ran.stdout, reason);
  });

  test(`${title} doctor says so and why, and chooses ${next}`, async () => {
    const ran = await senet("doctor");
    assert.equal(ran.code, 0, ran.stderr);
    isPlain(ran);
    assert.match(ran.stdout, /^ort +no +.*ONNX Runtime does not load here/m);
    assert.match(ran.stdout, reason);
    assert.match(ran.stdout, new RegExp(`^for training: ${next}, `, "m"));
    assert.match(ran.stdout, new RegExp(`^for inference: ${next}, `, "m"));
  });

  test(`${title} classify works, and ort is refused with the reason`, async () => {
    const ran = await senet("classify", picture, "--weights", checkpoint);
    assert.equal(ran.code, 0, ran.stderr);
    assert.match(ran.stdout, /% {2}[abc]$/m);
    const refused = await senet("classify", picture, "--weights", checkpoint, "--executor", "ort");
    assert.equal(refused.code, 1);
    isPlain(refused);
    assert.match(refused.stderr, /^senet: onnxruntime-node: ONNX Runtime does not load here/m);
  });

  test(`${title} export writes its file, and says that it was not run`, async () => {
    const ran = await senet("export", "--weights", checkpoint, "--out", `${what}.onnx`);
    assert.equal(ran.code, 0, ran.stderr);
    assert.match(ran.stderr, /not checked by running it: .*ONNX Runtime does not load here/);
    assert.match(ran.stdout, /not checked/);
  });
}

for (const [what, name] of [
  ["library", "sharp"],
  ["package", "sharp"],
] as const) {
  // By the environment, so that the loader's threads lack it too.
  const shell = `export NODE_OPTIONS="--require ${preload(what, name)}"`;
  const senet = (...args: string[]) => runNode([launcher, ...args], { cwd: folder, shell });
  const title = `sharp's ${what} absent:`;

  test(`${title} what decodes says so`, async () => {
    const commands = [
      ["classify", picture, "--weights", checkpoint],
      ["evaluate", "--data", join(folder, "pictures", "val"), "--weights", checkpoint],
      [
        "train",
        "--data",
        join(folder, "pictures"),
        "--model",
        "se-resnet-20",
        "--batch-size",
        "2",
        "--out",
        join(folder, what),
      ],
      ["demo", "--out", join(folder, `demo-${what}`)],
    ];
    for (const command of commands) {
      const ran = await senet(...command);
      assert.equal(ran.code, 1, `${command[0]}: ${ran.stdout}${ran.stderr}`);
      isPlain(ran);
      assert.match(ran.stderr, /senet: sharp: pictures cannot be decoded: sharp does not load here/, command[0]);
    }
  });

  test(`${title} usual JPEGs are decoded here: they classify, evaluate and train, without pictures in the report`, async () => {
    const out = join(folder, `jpegs-${what}`);
    const train = ["train", "--data", jpegs, "--model", "se-resnet-20", "--image-size", "16", "--epochs", "1"];
    for (const command of [
      ["classify", join(jpegs, "val", "a", "1.jpg"), "--weights", checkpoint],
      ["evaluate", "--data", join(jpegs, "val"), "--weights", checkpoint],
      [...train, "--batch-size", "2", "--out", out],
    ]) {
      const ran = await senet(...command);
      assert.equal(ran.code, 0, `${command[0]}: ${ran.stderr}`);
    }
    assert.match(readFileSync(join(out, "report.html"), "utf8"), /<svg/);
    copyFileSync(picture, join(jpegs, "train", "b", "2.png"));
    const mixed = await senet(...train, "--batch-size", "2", "--out", `${out}-and-png`);
    rmSync(join(jpegs, "train", "b", "2.png"));
    assert.equal(mixed.code, 1, mixed.stdout);
    isPlain(mixed);
    assert.match(mixed.stderr, /^senet: sharp: pictures cannot be decoded: sharp does not load here$/m);
  });

  test(`${title} what decodes nothing works`, async () => {
    const doctor = await senet("doctor");
    assert.equal(doctor.code, 0, doctor.stderr);
    assert.match(doctor.stdout, /^pictures +none: sharp does not load here \(.+\)$/m);
    const exported = await senet("export", "--weights", checkpoint, "--out", `sharp-${what}.onnx`);
    assert.equal(exported.code, 0, exported.stderr);
    assert.match(exported.stdout, /logits differ by/);
    const { code } = await senet("models", "se-resnet-20");
    assert.equal(code, 0);
    const imported = await runNode([
      ...["--require", preload(what, name), "--input-type=module", "-e"],
      `const { decodePicture } = await import(${JSON.stringify(api)});
       await decodePicture(${JSON.stringify(picture)}).catch((e) => console.log(e.name, e.code));`,
    ]);
    assert.equal(imported.stdout, "SenetError io\n", imported.stderr);
  });
}

test("a library of oneDNN that was named and does not load is said in a line, and another engine computes", async () => {
  const noLibrary = join(folder, "no-library.so");
  writeFileSync(noLibrary, "text");
  const training = ["train", "--data", "pictures", "--model", "se-resnet-8", "--image-size", "16", "--batch-size", "3"];
  for (const [path, ...command] of [
    ["/nowhere.so", "classify", picture, "--weights", checkpoint],
    ["/nowhere.so", "classify", picture, "--weights", checkpoint, "--precision", "auto"],
    [noLibrary, "evaluate", "--data", "pictures/val", "--weights", checkpoint],
    ["/nowhere.so", "explain", picture, "--weights", checkpoint, "--out", "why.png"],
    ["/nowhere.so", ...training, "--epochs", "1", "--workers", "1", "--out", "no-onednn"],
  ] as const) {
    const ran = await runNode([launcher, ...command], { cwd: folder, shell: `export SENET_ONEDNN=${path}` });
    assert.equal(ran.code, 0, ran.stderr);
    const lines = ran.stderr.split("\n").filter((line) => line.endsWith("computes instead"));
    assert.equal(lines.length, 1, `${command[0]}: ${ran.stderr}`);
    assert.match(lines[0]!, /SENET_ONEDNN=\S+: this library of oneDNN does not load \(.+\); ort computes instead$/);
  }
  const doctor = await runNode([launcher, "doctor", "--no-speed"], { shell: "export SENET_ONEDNN=/nowhere.so" });
  assert.match(doctor.stdout, /^to look at: onednn: SENET_ONEDNN=\/nowhere\.so: .*; try: apt-get install /m);
});

test("on a processor without AVX2 oneDNN is left alone", { skip: !hasOnednn && "oneDNN is not here" }, async () => {
  const shell = "export ONEDNN_MAX_CPU_ISA=SSE41";
  const doctor = await runNode([launcher, "doctor", "--no-speed"], { shell });
  assert.match(doctor.stdout, /^onednn +no +oneDNN is not used on this processor$/m);
  assert.match(doctor.stdout, /^for training: ort, /m);
  const ran = await runNode([launcher, "classify", picture, "--weights", checkpoint], { cwd: folder, shell });
  assert.equal(ran.code, 0, ran.stderr);
});

const needsLimit = {
  skip: spawnSync("bash", ["-c", "ulimit -v 4000000"]).status === 0 ? false : "bash cannot limit it here",
};

/** Runs the command in an address space of so many KiB. */
const limit = (kib: number, ...args: readonly string[]) => {
  const script = `ulimit -v ${kib}; exec "$0" "$@"`;
  return spawnSync("bash", ["-c", script, process.execPath, launcher, ...args], { cwd: folder, encoding: "utf8" });
};

test("with little address space what needs no network works: its client alone would want more", needsLimit, () => {
  for (const command of [
    ["models"],
    ["doctor"],
    ["pull"],
    ["classify", picture, "--weights", checkpoint, "--threads", "1"],
    ["export", "--weights", checkpoint, "--out", "limited.onnx"],
  ]) {
    const { status, stderr } = limit(4_000_000, ...command);
    assert.equal(status, 0, `${command[0]}: ${stderr}`);
  }
});

test(
  "with too little address space for a thread of the loader, that is said before V8 ends the process",
  needsLimit,
  () => {
    const args = "train --data pictures --model se-resnet-20 --image-size 16 --batch-size 2 --epochs 1 --workers 1";
    const { status, stderr } = limit(2_000_000, ...args.split(" "), "--out", "no-room");
    assert.match(
      stderr,
      /too little address space to prepare pictures in\s+expected: .*\s+found: +\d+ MiB left by `ulimit -v`/,
    );
    assert.equal(status, 2, stderr);
  },
);

test("OpenMP's threads are as many as there is address space for, and end no command", needsLimit, () => {
  const script = `export OMP_STACKSIZE=4G; ulimit -v 2000000; exec "$0" "$@"`;
  const args = ["classify", picture, "--weights", checkpoint, "--executor", "onednn", "--threads", "2"];
  const { status, stderr } = spawnSync("bash", ["-c", script, process.execPath, launcher, ...args], {
    ...{ cwd: folder, encoding: "utf8" },
  });
  assert.equal(status, hasOnednn ? 0 : 1, stderr);
  assert.doesNotMatch(stderr, /libgomp/);
});

test("a server with too little address space for a thread says so; for some, it has fewer", needsLimit, () => {
  const { status, stderr } = limit(1_500_000, "serve", "--weights", checkpoint, "--port", "0");
  assert.match(stderr, /too little address space to serve in\s+expected: .*\s+found: +\d+ MiB left by `ulimit -v`/);
  assert.equal(status, 2, stderr);
});
