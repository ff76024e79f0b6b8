import assert from "node:assert/strict";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../../tests/command.ts";
import { tarOf } from "../../tests/tar.ts";
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

test("pictures in archives, one by one or all of a pattern, whatever they show", () => {
  const packed = temporaryFolder();
  for (const name of ["a-0.tar", "a-1.tar"]) {
    writeFileSync(
      join(packed, name),
      tarOf([
        { name: "x/1.jpg", bytes: "12345" },
        { name: "2.png" },
        { name: "@eaDir/2.png/T.jpg" },
        { name: "__MACOSX/._2.png" },
        { name: "no.txt" },
      ]),
    );
  }
  const named = (name: string) => namedPictures([join(packed, name)], true).pictures;
  assert.deepEqual(named("a-0.tar"), [
    {
      ...{ from: "data set", name: join(packed, "a-0.tar", "x/1.jpg") },
      source: { kind: "range", file: join(packed, "a-0.tar"), start: 512, length: 5 },
    },
    {
      ...{ from: "data set", name: join(packed, "a-0.tar", "2.png") },
      source: { kind: "range", file: join(packed, "a-0.tar"), start: 1536, length: 0 },
    },
  ]);
  for (const all of ["a-{0..1}.tar", "a-?.tar", "."]) assert.equal(named(all).length, 4, all);
  const file = join(packed, "data_batch_1.bin");
  writeFileSync(file, new Uint8Array(2 * 3073));
  assert.deepEqual(
    namedPictures([file], true).pictures.map(({ name }) => name),
    [join(file, "0"), join(file, "1")],
  );
});
