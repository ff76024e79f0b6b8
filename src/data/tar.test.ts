import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../../tests/command.ts";
import { type Member, pax, tarOf } from "../../tests/tar.ts";
import { readTar, TarFault } from "./tar.ts";

const read = (bytes: Uint8Array) =>
  readTar((start, length) => {
    assert.ok(start + length <= bytes.length, "nothing beyond the file is asked for");
    return bytes.subarray(start, start + length);
  }, bytes.length);
const text = (bytes: Uint8Array, { start, length }: { start: number; length: number }) =>
  new TextDecoder().decode(bytes.subarray(start, start + length));

function holds(members: readonly Member[], expected: readonly [name: string, kind: string, text: string][]): void {
  const bytes = tarOf(members);
  const { entries, isEnded } = read(bytes);
  assert.equal(isEnded, true);
  assert.deepEqual(
    entries.map((entry) => [entry.name, entry.kind, text(bytes, entry)]),
    expected,
  );
}

test("names, kinds and places of every form of tar", () => {
  const long = `${"deep/".repeat(40)}1.jpg`;
  const binary = new Uint8Array(12);
  binary[0] = 0x80;
  binary[11] = 3;
  holds(
    [
      { name: "./a/", type: "5" },
      { name: "./a//1.jpg", bytes: "one" },
      { name: "2.jpg", prefix: "b/c", bytes: "x".repeat(513) },
      { name: "old.jpg", type: "\0", magic: "", bytes: "old" },
      { name: "old/", type: "\0", magic: "" },
      // GNU's magic: what stands at the prefix's place is another thing.
      { name: "gnu.jpg", magic: "ustar ", prefix: "no-prefix", bytes: "g" },
      { name: "././@LongLink", type: "L", bytes: `${long}\0` },
      { name: "cut", bytes: "long" },
      { name: "after.jpg", bytes: "short again" },
      { name: "pax", type: "g", bytes: pax("comment", "for all") },
      { name: "pax", type: "x", bytes: pax("mtime", "1.5") + pax("path", "ümläut/3=.jpg") + pax("size", "4") },
      { name: "cut", bytes: "four", size: "00000000000\0" },
      { name: "binary.jpg", bytes: "bin", size: binary },
      { name: "spaces.jpg", bytes: "sp", size: "         2 " },
      { name: "link.jpg", type: "2" },
      { name: "device", type: "3" },
    ],
    [
      ["a", "folder", ""],
      ["a/1.jpg", "file", "one"],
      ["b/c/2.jpg", "file", "x".repeat(513)],
      ["old.jpg", "file", "old"],
      ["old", "folder", ""],
      ["gnu.jpg", "file", "g"],
      [long, "file", "long"],
      ["after.jpg", "file", "short again"],
      ["ümläut/3=.jpg", "file", "four"],
      ["binary.jpg", "file", "bin"],
      ["spaces.jpg", "file", "sp"],
      ["link.jpg", "other", ""],
      ["device", "other", ""],
    ],
  );
});

test("what tar itself writes, in each of its formats", (t) => {
  const root = temporaryFolder();
  const deep = join("a", "long".repeat(20), "more".repeat(15));
  const name = `${deep}/é.txt`;
  mkdirSync(join(root, "in", deep), { recursive: true });
  writeFileSync(join(root, "in", name), "far down");
  writeFileSync(join(root, "in", "near.txt"), "near");
  for (const format of ["gnu", "pax", "ustar"]) {
    const file = join(root, `${format}.tar`);
    try {
      execFileSync("tar", [`--format=${format}`, "-cf", file, "-C", join(root, "in"), "."], { stdio: "ignore" });
    } catch {
      t.skip("no GNU tar here");
      return;
    }
    const bytes = readFileSync(file);
    const { entries, isEnded } = read(bytes);
    assert.ok(isEnded);
    const files = entries.filter(({ kind }) => kind === "file").map((entry) => [entry.name, text(bytes, entry)]);
    assert.deepEqual(files.sort(), [
      [name, "far down"],
      ["near.txt", "near"],
    ]);
  }
});

test("an archive that is cut off anywhere, damaged or a trap is refused, and never read beyond its end", () => {
  const whole = tarOf([
    { name: "1.jpg", bytes: "one" },
    { name: "x", type: "x", bytes: pax("path", "2.jpg") },
    { name: "cut", bytes: "y".repeat(600) },
  ]);
  const cuts = { refused: 0, open: 0 };
  for (let length = 1; length < whole.length; length += 37) {
    try {
      const { entries, isEnded } = read(whole.subarray(0, length));
      if (!isEnded) cuts.open++;
      else assert.equal(entries.length, 2);
    } catch (error) {
      assert.ok(error instanceof TarFault);
      cuts.refused++;
    }
  }
  assert.ok(cuts.refused > 50);
  assert.deepEqual(read(tarOf([{ name: "1.jpg" }], false)), {
    entries: [{ name: "1.jpg", kind: "file", start: 512, length: 0 }],
    isEnded: false,
  });
  const negative = new Uint8Array(12).fill(0xff);
  const huge = new Uint8Array(12).fill(0xff);
  huge[0] = 0x80;
  const traps: [Member[], RegExp][] = [
    [[{ name: "../1.jpg" }], /leads out of the archive/],
    [[{ name: "a/../../1.jpg" }], /leads out/],
    [[{ name: "x", type: "x", bytes: pax("path", "a/../1.jpg") }, { name: "cut" }], /leads out/],
    [[{ name: "x", type: "x", bytes: pax("path", "a\0.jpg") }, { name: "cut" }], /leads out/],
    [[{ name: "L", type: "L", bytes: "n".repeat(5000) }, { name: "cut" }], /a name of 5000 characters/],
    [
      [{ name: "L", type: "L", bytes: "n".repeat(2 ** 20 + 1) }, { name: "cut" }],
      /a record of 1048577 bytes before an entry/,
    ],
    [[{ name: "1.jpg", size: "77777777777\0" }], /cut off in the middle of 1\.jpg/],
    [[{ name: "1.jpg", size: "abc\0" }], /a size that is not a number/],
    [[{ name: "1.jpg", size: negative }], /a size that is not a number/],
    [[{ name: "1.jpg", size: huge }], /a size that is not a number/],
    [[{ name: "1.jpg", sum: "0000001\0" }], /the checksum is wrong/],
    [[{ name: "x", type: "x", bytes: "99 path=1.jpg\n" }, { name: "cut" }], /a damaged pax record/],
    [[{ name: "x", type: "x", bytes: "0 path=1.jpg\n" }, { name: "cut" }], /a damaged pax record/],
    [[{ name: "x", type: "x", bytes: "-5 path=1.jpg\n" }, { name: "cut" }], /a damaged pax record/],
    [[{ name: "x", type: "x", bytes: "path" }, { name: "cut" }], /a damaged pax record/],
    [[{ name: "x", type: "x", bytes: pax("size", "1e9") }, { name: "cut" }], /a size that is not a number/],
    [
      [{ name: "x", type: "x", bytes: pax("size", "999999999999999") }, { name: "cut" }],
      /cut off in the middle of cut/,
    ],
  ];
  for (const [members, fault] of traps) {
    assert.throws(
      () => read(tarOf(members)),
      (error) => error instanceof TarFault && fault.test(error.message),
      String(fault),
    );
  }
  assert.throws(() => read(new TextEncoder().encode("no archive at all ".repeat(100))), TarFault);
});
