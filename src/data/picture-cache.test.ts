import assert from "node:assert/strict";
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { PictureCache, preparePictureCache } from "./picture-cache.node.ts";

const root = mkdtempSync(join(tmpdir(), "senet-pictures-"));
after(() => rmSync(root, { recursive: true, force: true }));

const picture = { width: 5, height: 3, data: Uint8Array.from({ length: 45 }, (_, i) => 3 * i) };
const file = join(root, "cat.jpg");
writeFileSync(file, "a picture");
const source = { kind: "file", file } as const;

function cacheIn(name: string, recipe = "exact"): { folder: string; cache: PictureCache; faults: string[] } {
  const folder = join(root, name);
  const faults: string[] = [];
  preparePictureCache(folder);
  return { folder, faults, cache: new PictureCache(folder, recipe, (reason) => faults.push(reason)) };
}

const filesIn = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => statSync(join(folder, name)).isFile());

test("what was written is read by another process's cache, of the same recipe only", () => {
  const { folder, cache } = cacheIn("again");
  const name = cache.nameOf(source)!;
  assert.equal(cache.read(name), undefined);
  cache.write(name, picture);
  const other = cacheIn("again");
  assert.deepEqual(other.cache.read(other.cache.nameOf(source)!), picture);
  assert.notEqual(cacheIn("again", "[224]").cache.nameOf(source), name);
  assert.equal(filesIn(folder).length, 1);
});

test("a picture that has changed, or is another part of a file, has another name", () => {
  const { cache } = cacheIn("names");
  const name = cache.nameOf(source);
  const range = (start: number) => cache.nameOf({ kind: "range", file, start, length: 4 });
  const names = new Set([name, range(0), range(1)]);
  utimesSync(file, 1000, 1000);
  names.add(cache.nameOf(source));
  writeFileSync(file, "a longer picture");
  utimesSync(file, 1000, 1000);
  names.add(cache.nameOf(source));
  assert.equal(names.size, 5);
  assert.equal(cache.nameOf({ kind: "file", file: join(root, "none.jpg") }), undefined);
  assert.equal(cache.nameOf({ kind: "pixels", file, start: 0, width: 1, height: 1 }), undefined);
});

test("what is not whole is not taken, whatever was cut off or never reached the disk", () => {
  const { folder, cache } = cacheIn("torn");
  const name = cache.nameOf(source)!;
  cache.write(name, picture);
  const [entry] = filesIn(folder);
  const path = join(folder, entry!);
  const whole = readFileSync(path);
  for (let length = 0; length < whole.length; length++) {
    writeFileSync(path, whole);
    truncateSync(path, length);
    assert.equal(cache.read(name), undefined, `${length} bytes`);
    // The rest of the file is there, but zeros.
    truncateSync(path, whole.length);
    assert.equal(cache.read(name), undefined, `${length} bytes, then zeros`);
  }
  writeFileSync(path, whole);
  assert.deepEqual(cache.read(name), picture);
});

test("where nothing can be written it is said once, and what is there is still read", () => {
  const { folder, cache, faults } = cacheIn("full");
  const name = cache.nameOf(source)!;
  cache.write(name, picture);
  // In the place of the folder that the next two are written into.
  for (const start of ["ee", "ff"]) writeFileSync(join(folder, start), "");
  cache.write(`ee${name.slice(2)}`, picture);
  cache.write(`ff${name.slice(2)}`, picture);
  assert.deepEqual(faults, ["something of this name already exists"]);
  assert.deepEqual(cache.read(name), picture);
  assert.ok(filesIn(folder).every((path) => !path.endsWith(".part")));
});

test("what killed processes left is removed when it is old; a folder that cannot be made is an error", () => {
  const { folder } = cacheIn("left");
  for (const [name, age] of [
    ["old.part", 7200],
    ["new.part", 1],
  ] as const) {
    writeFileSync(join(folder, name), "half");
    const time = Date.now() / 1000 - age;
    utimesSync(join(folder, name), time, time);
  }
  preparePictureCache(folder);
  assert.deepEqual(readdirSync(folder), ["new.part"]);
  assert.throws(() => preparePictureCache(join(file, "below")), /pictures cannot be kept here/);
});
