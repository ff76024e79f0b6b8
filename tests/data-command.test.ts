/** `senet data`, as a user runs it. */

import assert from "node:assert/strict";
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { colourClasses, colourInput, colourNetwork, drawColours, writeCheckpoint } from "./colours.ts";
import { senetHere, temporaryFolder } from "./command.ts";
import { writeDrawnPictures } from "./drawn.ts";

/** A thread costs more than these pictures. */
const one = ["--workers", "1"];

interface Checked {
  readonly faults: readonly string[];
  readonly finished: boolean;
  readonly parts: readonly { readonly part: string; readonly pictures: number }[];
  readonly bad: readonly { readonly picture: string; readonly class: string; readonly reason: string }[];
}

test("data check: exit code 1 where something is wrong, as a table, as JSON and as a page", async () => {
  const data = temporaryFolder();
  writeDrawnPictures(data);
  const bad = join(data, "train", "red", "bad.jpg");
  writeFileSync(bad, "no picture");
  const page = join(temporaryFolder(), "check.html");
  const [shown, json] = await Promise.all([
    senetHere(["data", "check", data, "--html", page, "--distance", "0", ...one]),
    senetHere(["data", "check", data, "--json", "--distance", "0", ...one]),
  ]);
  assert.equal(shown.code, 1, shown.stderr);
  assert.match(shown.stdout, /^train +13 +1 +3 +40 \/ 40 \/ 40 /m);
  assert.match(shown.stdout, /^red +5 +1 +2 +0$/m);
  assert.match(shown.stdout, /^wrong: 1 picture cannot be decoded$/m);
  assert.ok(shown.stderr.includes(`bad: ${bad}: `) && readFileSync(page, "utf8").includes("cannot be decoded"));
  assert.equal(json.code, 1);
  const { faults, finished, parts, bad: found } = JSON.parse(json.stdout) as Checked;
  assert.deepEqual([faults, finished], [["1 picture cannot be decoded"], true]);
  assert.deepEqual(
    parts.map(({ part, pictures }) => [part, pictures]),
    [
      ["train", 13],
      ["val", 6],
    ],
  );
  assert.deepEqual(
    found.map((one) => [one.picture, one.class]),
    [[bad, "red"]],
  );
});

test("data check: exit code 0 where all is well; what cannot be checked is told as by every command", async () => {
  const data = temporaryFolder();
  writeDrawnPictures(data);
  mkdirSync(join(data, "empty"));
  const [sound, nowhere, html] = await Promise.all([
    senetHere(["data", "check", join(data, "val"), ...one]),
    senetHere(["data", "check", join(data, "empty")]),
    senetHere(["data", "check", data, "--html", "check.txt"]),
  ]);
  assert.equal(sound.code, 0, sound.stderr);
  assert.match(sound.stdout, /^nothing is wrong with /m);
  assert.deepEqual([nowhere.code, nowhere.stdout], [1, ""]);
  assert.match(nowhere.stderr, /^senet: .*empty: the folder is empty/);
  assert.equal(html.code, 2);
  assert.match(html.stderr, /check\.txt: the file extension/);
});

test("data suspects: pictures in another class's folder, part by part, as a table, as JSON and as a page", async () => {
  const data = temporaryFolder();
  const weights = join(data, "net.safetensors");
  writeCheckpoint(weights, colourNetwork([...colourClasses], colourInput.rgb));
  for (const part of ["train", "val"]) await drawColours(join(data, "pictures", part), 4);
  const [red, green] = colourClasses;
  const wrong = join(data, "pictures", "val", red, "wrong.png");
  copyFileSync(join(data, "pictures", "val", green, "3.png"), wrong);
  const page = join(data, "suspects.html");
  const command = ["data", "suspects", join(data, "pictures"), "--weights", weights, "--executor", "reference", ...one];
  const [shown, json, part] = await Promise.all([
    senetHere([...command, "--html", page]),
    senetHere([...command, "--json", "--part", "val"]),
    senetHere(["data", "suspects", join(data, "pictures", "val"), "--weights", weights, "--part", "val"]),
  ]);
  assert.equal(shown.code, 0, shown.stderr);
  assert.match(shown.stdout, /^train: 0 of 12 labels are suspect; about 0\.0 % of the labels are wrong/m);
  assert.match(shown.stdout, /^val: 1 of 13 labels are suspect; about 7\.7 %/m);
  assert.doesNotMatch(shown.stderr, /guessing/);
  assert.ok(shown.stdout.includes(wrong) && readFileSync(page, "utf8").includes("data:image/jpeg"));
  const parts = JSON.parse(json.stdout) as {
    part: string;
    suspects: { picture: string; label: string; guess: string }[];
  }[];
  assert.deepEqual(
    parts.map((one) => [one.part, one.suspects.map(({ picture, label, guess }) => [picture, label, guess])]),
    [["val", [[wrong, red, green]]]],
  );
  assert.equal(part.code, 2);
  assert.match(part.stderr, /there is no part "val" to look at alone/);
});

test("data suspects: of a network that has learnt nothing it is said", async () => {
  const data = temporaryFolder();
  const weights = join(data, "net.safetensors");
  writeCheckpoint(weights, colourNetwork([...colourClasses], colourInput.rgb));
  const pictures = join(data, "pictures");
  await drawColours(pictures, 2);
  // Each folder has the pictures of the next: it answers with another class throughout.
  const [red, green, blue] = colourClasses.map((name) => join(pictures, name));
  for (const [from, to] of [
    [red, "x"],
    [green, red],
    [blue, green],
    ["x", blue],
  ] as const) {
    renameSync(from === "x" ? join(data, "x") : from!, to === "x" ? join(data, "x") : to!);
  }
  const { code, stderr } = await senetHere(["data", "suspects", pictures, "--weights", weights, ...one]);
  assert.equal(code, 0, stderr);
  assert.match(stderr, /^all: the network gives 0\.0 % of the pictures their label, hardly more than guessing would/m);
});

test("data without a command shows what there is", async () => {
  const { code, stderr } = await senetHere(["data"]);
  assert.equal(code, 2);
  assert.match(stderr, /Commands:\n +check /);
});

test("data preview: a picture, or a page with names and steps; data by either name; options as those of train", async () => {
  const data = temporaryFolder();
  writeDrawnPictures(data);
  const out = temporaryFolder();
  const [png, html] = [join(out, "sheet.png"), join(out, "sheet.html")];
  const few = ["--pictures", "2", "--variants", "3", "--image-size", "16"];
  const [picture, page, twice, nothing, wrong] = await Promise.all([
    senetHere(["data", "preview", data, "--out", png, ...few]),
    senetHere([
      "data",
      "preview",
      "--data",
      data,
      "--out",
      html,
      ...few,
      "--rotate",
      "10",
      "--aa",
      "rand-m9",
      "--mixup",
      "0.2",
    ]),
    senetHere(["data", "preview", data, "--data", data, "--out", png]),
    senetHere(["data", "preview", "--out", png]),
    senetHere(["data", "preview", data, "--out", join(out, "none.png"), "--aa", "rand-q9"]),
  ]);
  assert.equal(picture.code, 0, picture.stderr);
  assert.match(picture.stdout, /^row 1: .*\nrow 2: /);
  const header = readFileSync(png);
  // Four squares of 16 pixels, with gaps around them.
  assert.deepEqual([header.readUInt32BE(16), header.readUInt32BE(20)], [4 * 20 + 12, 2 * 20 + 4]);
  assert.equal(page.code, 0, page.stderr);
  const text = readFileSync(html, "utf8");
  assert.match(text, /<td>crop<\/td><td>[^<]*rotate 10[^<]*<\/td>/);
  assert.match(text, /<td>randAugment<\/td>/);
  assert.match(text, /ratio \[0\.75,1\.333\]/);
  assert.match(text, /mixed in pairs, and their labels with them: mixup with an alpha of 0\.2\./);
  assert.equal(text.match(/data:image\/png;base64,iVBOR/g)?.length, 2);
  assert.deepEqual([twice.code, nothing.code, wrong.code], [2, 2, 2]);
  assert.match(twice.stderr, /the pictures are named twice/);
  assert.match(nothing.stderr, /no pictures were named/);
  assert.match(wrong.stderr, /--aa: expected RandAugment as in timm/);
  assert.ok(!existsSync(join(out, "none.png")));
});
