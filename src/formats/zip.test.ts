import assert from "node:assert/strict";
import { test } from "node:test";
import { refused, type ZipPart, zip } from "../../tests/weights.ts";
import { readZip, zipContent } from "./zip.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const hello: ZipPart = { name: "a/hello", content: Buffer.from("hello") };

test("stored entries are views, whatever stands around the archive", () => {
  const bytes = zip([hello, { name: "empty", content: Buffer.of() }], { comment: "PK\u0005\u0006 a comment" });
  const entries = readZip(bytes, "some.zip");
  assert.deepEqual([...entries.keys()], ["a/hello", "empty"]);
  const entry = entries.get("a/hello")!;
  assert.equal(text(entry.bytes), "hello");
  assert.equal(entry.bytes.buffer, bytes.buffer);
});

test("ZIP64: sizes, offsets and the directory in 64 bits", () => {
  const entries = readZip(zip([hello, { name: "b", content: Buffer.from("world") }], { zip64: true }), "some.zip");
  assert.deepEqual(
    [...entries.values()].map(({ name, size, bytes }) => [name, size, text(bytes)]),
    [
      ["a/hello", 5, "hello"],
      ["b", 5, "world"],
    ],
  );
});

test("deflated entries are inflated to their size", async () => {
  const long = Buffer.from("weights ".repeat(10_000));
  const bytes = zip([{ name: "long", content: long, method: 8 }]);
  assert.ok(bytes.length < 1000);
  const entry = readZip(bytes, "some.zip").get("long")!;
  assert.equal(entry.isStored, false);
  assert.deepEqual(Buffer.from(await zipContent(entry, 80_000, "some.zip")), long);
  await refused(() => zipContent(entry, 79_999, "some.zip"), '"long"', "at most 79999", "80000");
  await refused(
    () => zipContent({ ...entry, size: 79_999 }, 80_000, "some.zip"),
    "does not unpack to its size",
    "more",
  );
  await refused(() => zipContent({ ...entry, size: 80_001 }, 90_000, "some.zip"), "some.zip");
  await refused(() => zipContent({ ...entry, bytes: entry.bytes.subarray(0, 20) }, 90_000, "some.zip"), '"long"');
  const damaged = entry.bytes.map((byte, i) => (i === 0 ? 0xff : byte));
  await refused(() => zipContent({ ...entry, bytes: damaged }, 90_000, "some.zip"), '"long"', "damaged");
});

test("archives that lie are refused", async () => {
  const bytes = zip([hello]);
  const changed = (at: number, ...values: number[]) => {
    const copy = bytes.slice();
    copy.set(values, at < 0 ? bytes.length + at : at);
    return () => readZip(copy, "some.zip");
  };
  // The local header is 30 + 7 bytes, the content 5, the directory 46 + 7, the end 22.
  const directory = 42;
  await refused(() => readZip(bytes.subarray(0, -1), "some.zip"), "some.zip", "no end");
  await refused(() => readZip(new Uint8Array(22), "some.zip"), "no end");
  await refused(changed(-12, 2), "directory");
  await refused(changed(-10, 255, 255), "not in the file");
  await refused(changed(-6, 0), "directory is damaged");
  await refused(changed(directory + 8, 1), "a/hello", "encrypted");
  await refused(changed(directory + 10, 14), "a/hello", "method 14");
  await refused(changed(directory + 20, 200, 0, 0, 0, 200), "not in the archive");
  await refused(changed(directory + 24, 6), "two sizes");
  await refused(changed(directory + 28, 255, 255), "for entry 0");
  await refused(changed(directory + 42, 1), "header is not where");
  await refused(() => readZip(zip([hello, hello]), "some.zip"), "this name twice");
  const two = zip([hello, { name: "b/hello", content: Buffer.from("world") }]);
  // The second entry's offset becomes the first one's.
  const second = two.length - 22 - 53;
  await refused(() => readZip(two.with(second + 42, 0), "some.zip"), "overlap");
});
