/** `senet data`, as a user runs it. */

import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { colourClasses, colourInput, colourNetwork, drawColours, writeCheckpoint } from "./colours.ts";
import { senet, temporaryFolder } from "./command.ts";
import { writeDrawnPictures } from "./drawn.ts";

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
    senet(["data", "check", data, "--html", page, "--distance", "0"]),
    senet(["data", "check", data, "--json", "--distance", "0"]),
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
    senet(["data", "check", join(data, "val")]),
    senet(["data", "check", join(data, "empty")]),
    senet(["data", "check", data, "--html", "check.txt"]),
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
  const command = ["data", "suspects", join(data, "pictures"), "--weights", weights, "--executor", "reference"];
  const [shown, json, part] = await Promise.all([
    senet([...command, "--html", page]),
    senet([...command, "--json", "--part", "val"]),
    senet(["data", "suspects", join(data, "pictures", "val"), "--weights", weights, "--part", "val"]),
  ]);
  assert.equal(shown.code, 0, shown.stderr);
  assert.match(shown.stdout, /^train: 0 of 12 labels are suspect; about 0\.0 % of the labels are wrong/m);
  assert.match(shown.stdout, /^val: 1 of 13 labels are suspect; about 7\.7 %/m);
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

test("data without a command shows what there is", async () => {
  const { code, stderr } = await senet(["data"]);
  assert.equal(code, 2);
  assert.match(stderr, /Commands:\n +check /);
});
