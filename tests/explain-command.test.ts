/** `senet explain`: its sheet, its page, its JSON, and what it refuses. */

import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import sharp from "sharp";
import { encodeCheckpoint } from "../src/weights/checkpoint-write.ts";
import { senetHere, temporaryFolder } from "./command.ts";
import { formulaCheckpoint } from "./explain.ts";

const folder = temporaryFolder();
const weights = join(folder, "w.safetensors");
const data = join(folder, "data");

before(async () => {
  writeFileSync(weights, Buffer.concat(encodeCheckpoint(formulaCheckpoint("se-resnet-20", 3, 16))));
  for (const [i, background] of ["teal", "plum", "olive", "navy"].entries()) {
    const path = join(data, `class ${i % 3}`, `${i}.png`);
    mkdirSync(join(path, ".."), { recursive: true });
    await sharp({ create: { width: 24, height: 20, channels: 3, background } })
      .png()
      .toFile(path);
  }
});

const picture = join(data, "class 1", "1.png");
const options = ["--weights", weights, "--executor", "ort"];

test("a picture's map, and its gates against those of its class", async () => {
  const out = join(folder, "page.html");
  const { code, stdout, stderr } = await senetHere([
    ...["explain", picture, ...options, "--data", data, "--class", "class 0", "--out", out, "--json"],
  ]);
  assert.equal(code ?? 0, 0, stderr);
  const [found] = JSON.parse(stdout) as [
    {
      readonly file: string;
      readonly target: { readonly label: string };
      readonly heat: { readonly width: number; readonly values: readonly number[] };
      readonly gates: readonly {
        readonly block: string;
        readonly means: readonly number[];
        readonly opened: readonly {
          readonly gate: number;
          readonly mean: number;
          readonly openers: readonly string[];
        }[];
      }[];
    },
  ];
  assert.equal(found.file, picture);
  assert.equal(found.target.label, "class 0");
  assert.equal(found.heat.values.length, found.heat.width ** 2);
  assert.equal(found.gates.length, 9);
  for (const { means, opened } of found.gates) {
    assert.ok(means.every((mean) => mean > 0 && mean < 1));
    assert.ok(opened.every(({ gate, mean, openers }) => gate > mean && openers.length === 4));
    assert.ok(opened.every(({ openers }) => openers.every((name) => /^class \d\/\d\.png$/.test(name))));
  }
  const page = readFileSync(out, "utf8");
  assert.match(page, /Gates against the mean of class 0/);
  assert.match(page, /layer3\.2/);
});

test("a sheet has a row for each picture: itself, and itself under its map", async () => {
  const out = join(folder, "sheet.png");
  const { code, stdout, stderr } = await senetHere(["explain", data, ...options, "--out", out, "--top", "1"]);
  assert.equal(code ?? 0, 0, stderr);
  assert.equal(stdout.match(/speaks (?:most|nothing)/g)?.length, 4);
  const { width, height } = await sharp(out).metadata();
  assert.ok(width! >= 32 && height! >= 4 * 16, `${width} × ${height}`);
  const pixels = await sharp(out).raw().toBuffer();
  assert.ok(new Set(pixels).size > 20, "the map has colours");
});

test("a class that nothing speaks for has no place in the picture", async () => {
  const { preprocessing, ...checkpoint } = formulaCheckpoint("se-resnet-20", 3, 16);
  // Each logit falls with every feature.
  const [name, head] = [...checkpoint.weights].find(([name]) => name === "fc.weight")!;
  const data = (head.data as Float32Array).map((value) => -Math.abs(value));
  const against = {
    ...checkpoint,
    preprocessing,
    weights: new Map([...checkpoint.weights, [name, { ...head, data }]]),
  };
  const file = join(folder, "against.safetensors");
  writeFileSync(file, Buffer.concat(encodeCheckpoint(against)));
  const { stdout, stderr } = await senetHere([
    ...["explain", picture, "--weights", file, "--executor", "ort", "--out", join(folder, "against.png")],
  ]);
  assert.match(stdout, /^ {2}for class \d speaks nothing$/m, stderr);
});

test("what it cannot do is said before anything is computed", async () => {
  const refused = [
    [[], /--out FILE\.png/],
    [["--out", "x.jpg"], /\.png, \.html/],
    [["--json", "--class", "clas 1"], /the nearest: class 1/],
    [["--json", "--stage", "9"], /one of 1, 2, 3/],
    // Not what is wrong with the data, which is not looked at.
    [["--json", "--data", join(folder, "nowhere"), "--class", "clas 1"], /the nearest: class 1/],
    [["--json", "--method", "gradcam"], /Did you mean grad-cam/],
  ] as const;
  for (const [words, message] of refused) {
    const { code, stdout, stderr } = await senetHere(["explain", picture, ...options, ...words]);
    assert.equal(code, 2, stderr);
    assert.match(stderr, message);
    assert.equal(stdout, "");
  }
});
