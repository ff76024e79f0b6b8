import assert from "node:assert/strict";
import { test } from "node:test";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { ProtoWriter } from "./protobuf-writer.ts";

test("messages have the bytes that protobuf's own library writes", () => {
  const large = Uint8Array.from({ length: 300 }, (_, i) => i % 251);
  const ints = [0, 1, 127, 128, 300, 2 ** 31, 2 ** 53 - 1, -1, -(2 ** 40)];
  const ours = new ProtoWriter();
  const theirs = new BinaryWriter();
  for (const value of ints) {
    ours.int(3, value);
    theirs.tag(3, WireType.Varint).int64(value);
  }
  ours.float(1000, 0.1).double(5, -2.5).text(6, "grün 🦋").text(7, "").bytes(8, large).packed(9, ints).head(10, 200);
  theirs.tag(1000, WireType.Bit32).float(0.1);
  theirs.tag(5, WireType.Bit64).double(-2.5);
  for (const [field, text] of [
    [6, "grün 🦋"],
    [7, ""],
  ] as const)
    theirs.tag(field, WireType.LengthDelimited).string(text);
  theirs.tag(8, WireType.LengthDelimited).bytes(large);
  theirs.tag(9, WireType.LengthDelimited).fork();
  for (const value of ints) theirs.int64(value);
  theirs.join().tag(10, WireType.LengthDelimited).uint32(200);
  ours.message(11, (message) =>
    message
      .int(1, 7)
      .message(2, (inner) => inner.bytes(1, large))
      .text(3, "end"),
  );
  theirs.tag(11, WireType.LengthDelimited).fork().tag(1, WireType.Varint).int64(7);
  theirs.tag(2, WireType.LengthDelimited).fork().tag(1, WireType.LengthDelimited).bytes(large).join();
  theirs.tag(3, WireType.LengthDelimited).string("end").join();
  assert.deepEqual([...ours.finish()], [...theirs.finish()]);
});
