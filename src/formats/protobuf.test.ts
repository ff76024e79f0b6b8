import assert from "node:assert/strict";
import { test } from "node:test";
import { floats, proto, refused } from "../../tests/weights.ts";
import { ProtoReader } from "./protobuf.ts";

const reader = (...bytes: number[]) => new ProtoReader(Uint8Array.from(bytes), "some.file");

/** The reader at its first field. */
function first(...bytes: number[]): ProtoReader {
  const result = reader(...bytes);
  assert.ok(result.next());
  return result;
}

test("every kind of value is read, and messages are views", () => {
  const bytes = proto([
    [1, 300],
    [2, -5],
    [3, "ünï"],
    [4, { float: 1.5 }],
    [5, { double: Math.PI }],
    [6, [[1, [[1, 7]]]]],
    [7, { packed: [1, 128, -1] }],
    [7, 9],
    [8, floats(1, -2)],
    [2000, new Uint8Array([1, 2, 3])],
  ]);
  const r = new ProtoReader(bytes, "some.file");
  const take = <T>(field: number, read: () => T): T => {
    assert.ok(r.next());
    assert.equal(r.field, field);
    return read();
  };
  assert.equal(
    take(1, () => r.int()),
    300,
  );
  assert.equal(
    take(2, () => r.int()),
    -5,
  );
  assert.equal(
    take(3, () => r.text()),
    "ünï",
  );
  assert.equal(
    take(4, () => r.float()),
    1.5,
  );
  assert.equal(
    take(5, () => r.double()),
    Math.PI,
  );
  const nested = take(6, () => r.message());
  assert.equal(nested.bytes.buffer, bytes.buffer);
  assert.ok(nested.next());
  const inner = nested.message();
  assert.ok(inner.next());
  assert.equal(inner.int(), 7);
  assert.equal(inner.next(), false);
  const ints: number[] = [];
  take(7, () => r.ints((value) => ints.push(value)));
  take(7, () => r.ints((value) => ints.push(value)));
  assert.deepEqual(ints, [1, 128, -1, 9]);
  const values: number[] = [];
  take(8, () => r.floats((value) => values.push(value)));
  assert.deepEqual(values, [1, -2]);
  assert.deepEqual([...take(2000, () => r.chunk())], [1, 2, 3]);
  assert.equal(r.next(), false);
});

test("skipping steps over every kind", () => {
  const wide = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
  const r = reader(0x08, ...wide, 0x15, 1, 2, 3, 4, 0x19, 1, 2, 3, 4, 5, 6, 7, 8, 0x22, 2, 0, 0, 0x28, 3);
  for (let i = 0; i < 4; i++) {
    assert.ok(r.next());
    r.skip();
  }
  assert.ok(r.next());
  assert.equal(r.int(), 3);
});

test("lengths beyond the message or beyond 2^32 are refused, with the byte", async () => {
  await refused(() => first(0x0a, 3, 1, 2).chunk(), "some.file", "field 1 is longer", "at most 2 bytes", "(byte 1)");
  // 2^32 + 1, which 32 bits would read as 1; and eleven bytes that go on.
  await refused(() => first(0x0a, 0x81, 0x80, 0x80, 0x80, 0x10, 0x55).chunk(), "beyond 2^32");
  await refused(() => first(0x0a, ...Array<number>(11).fill(0x80)).chunk(), "not a varint");
  await refused(() => first(0x0a).chunk(), "cut short");
  // A message inside of another ends where its own length says, not where the file does.
  const inner = first(0x0a, 2, 0x0a, 5, 1, 2, 3, 4, 5).message();
  assert.ok(inner.next());
  await refused(() => inner.chunk(), "at most 0 bytes", "(byte 3)");
});

test("numbers that are cut short or too large are refused", async () => {
  await refused(() => first(0x08, 0x80).int(), "cut short");
  await refused(() => first(0x08, ...Array<number>(10).fill(0xff), 1).int(), "varint");
  await refused(
    () => first(0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f).int(),
    "larger than any size can be",
  );
  await refused(() => first(0x0d, 1, 2, 3).float(), "cut short");
  await refused(() => first(0x0d, 1, 2, 3).skip(), "cut short");
  await refused(() => first(0x09, 1, 2, 3, 4, 5, 6, 7).double(), "cut short");
  await refused(() => first(0x08, 0x80).skip(), "cut short");
  await refused(() => first(0x0a, 3, 1, 2, 0x80).ints(() => {}), "field 1", "cut short");
});

test("a value is read as what it is, or not at all", async () => {
  await refused(() => first(0x0a, 0).int(), "wrong type", "a varint", "bytes with a length");
  await refused(() => first(0x08, 1).chunk(), "wrong type");
  await refused(() => first(0x08, 1).message(), "wrong type");
  await refused(() => first(0x08, 1).float(), "32 bits");
  await refused(() => first(0x0d, 1, 2, 3, 4).double(), "64 bits");
  await refused(() => first(0x0d, 1, 2, 3, 4).ints(() => {}), "wrong type");
  await refused(() => first(0x0b, 0x0c).skip(), "a group");
});

test("tags that no message has are refused", async () => {
  await refused(() => reader(0x00, 1).next(), "tag");
  await refused(() => reader(0x0e, 1).next(), "tag");
  await refused(() => reader(0x80).next(), "tag");
  await refused(() => reader(0x88, 0x80, 0x80, 0x80, 0x10, 1).next(), "tag");
});

test("nesting has an end", async () => {
  let bytes = Uint8Array.of();
  for (let i = 0; i < 120; i++) bytes = proto([[1, bytes]]);
  const descend = () => {
    let r = new ProtoReader(bytes, "deep");
    while (r.next()) r = r.message();
  };
  await refused(descend, "nested more than 100 deep");
});
