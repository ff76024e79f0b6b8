import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../../tests/command.ts";
import { readPicture, sameRoom } from "./read.node.ts";

test("files are read into the same memory again, and a shorter one has nothing of the one before", () => {
  const folder = temporaryFolder();
  const write = (name: string, bytes: Uint8Array): string => {
    writeFileSync(join(folder, name), bytes);
    return join(folder, name);
  };
  const start = [0xff, 0xd8, 0xff];
  const long = write("long.jpg", Uint8Array.from([...start, ...Array(5000).fill(7)]));
  const short = write("short.jpg", Uint8Array.from([...start, 1, 2]));
  const none = write("none.jpg", new Uint8Array(0));
  const room = sameRoom();
  const first = readPicture(long, room);
  const second = readPicture(short, room);
  assert.equal(first.buffer, second.buffer);
  assert.deepEqual([...second], [...start, 1, 2]);
  assert.equal(readPicture(none, room).length, 0);
  assert.notEqual(readPicture(long).buffer, readPicture(long).buffer);
  // Beyond 4 MiB a picture has its own.
  const large = write("large.jpg", new Uint8Array(2 ** 22 + 1).fill(0xff, 0, 3).fill(0xd8, 1, 2));
  assert.notEqual(readPicture(large, room).buffer, readPicture(large, room).buffer);
});
