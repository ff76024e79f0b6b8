import assert from "node:assert/strict";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../../tests/command.ts";
import { namedPictures } from "./pictures.node.ts";

const folder = temporaryFolder();
for (const file of [
  "top.jpg",
  "b/2.png",
  "b/1.jpg",
  "a/x.jpg",
  "a/deep/y.jpg",
  "a/notes.txt",
  "a/odd.heic",
  "empty/readme.txt",
]) {
  mkdirSync(join(folder, file, ".."), { recursive: true });
  writeFileSync(join(folder, file), "");
}
writeFileSync(join(folder, "b", "jpeg.txt"), Buffer.from([0xff, 0xd8, 0xff, 0xe0]));
symlinkSync("../..", join(folder, "a", "deep", "up"));

const named = (names: readonly string[], recursive = true) =>
  namedPictures(names, recursive).pictures.map(({ name }) => name.replace(`${folder}/`, ""));

test("folders of folders are gone into, once, and what is left out is said", () => {
  assert.deepEqual(named([folder]).sort(), ["a/deep/y.jpg", "a/x.jpg", "b/1.jpg", "b/2.png", "b/jpeg.txt", "top.jpg"]);
  assert.deepEqual(named([folder], false), ["top.jpg"]);
  const { notes } = namedPictures([folder], true);
  assert.match(notes.join("\n"), /other type.*\.heic/);
  assert.match(notes.join("\n"), /link to a folder that is counted already.*up/);
});

test("everything stays in the order in which it is named", () => {
  const names = [join(folder, "b"), "-", "https://host/x.jpg", join(folder, "a", "*.jpg"), join(folder, "top.jpg")];
  assert.deepEqual(named(names), ["b/1.jpg", "b/2.png", "b/jpeg.txt", "-", "https://host/x.jpg", "a/x.jpg", "top.jpg"]);
  assert.deepEqual(
    namedPictures(names, true).pictures.map(({ from }) => from),
    ["file", "file", "file", "standard input", "address", "file", "file"],
  );
  assert.deepEqual(named([join(folder, "**")]).length, 6, "no picture twice");
});

test("a file whose name looks like a pattern is that file", () => {
  writeFileSync(join(folder, "b", "[1].jpg"), "");
  assert.deepEqual(named([join(folder, "b", "[1].jpg")]), ["b/[1].jpg"]);
});

test("what is not there, or holds nothing, is an error that names it", () => {
  assert.throws(() => named([join(folder, "none.jpg")]), /none\.jpg: there is no such picture or folder/);
  assert.throws(
    () => named(["ftp://host/x.jpg"]),
    /no such picture or folder\s+try: +an address that begins with http/,
  );
  assert.throws(() => named([join(folder, "top.jpg", "x")]), /there is no such picture or folder/);
  assert.throws(() => named([join(folder, "*.gif")]), /\*\.gif: no picture matches/);
  assert.throws(() => named([join(folder, "empty")]), /empty: there are no pictures in this folder/);
  assert.throws(() => named(["-", "-"]), /one picture/);
  assert.throws(() => named(["x".repeat(100_000)]), /no such picture/);
});
