import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import koffi from "koffi";
import { pictureMemory } from "./data/picture-memory.node.ts";
import { adviseHugePages, hugePage, offsetToBoundary } from "./memory.node.ts";

/** The flags of the mapping that contains the address, as in `man 5 proc_pid_smaps`. */
function flagsAt(address: bigint): readonly string[] {
  let isWithin = false;
  for (const line of readFileSync("/proc/self/smaps", "utf8").split("\n")) {
    const range = /^([0-9a-f]+)-([0-9a-f]+) /.exec(line);
    if (range !== null) isWithin = address >= BigInt(`0x${range[1]}`) && address < BigInt(`0x${range[2]}`);
    else if (isWithin && line.startsWith("VmFlags:")) return line.split(/\s+/).slice(1);
  }
  return [];
}

const middleOf = (buffer: ArrayBufferLike) =>
  (koffi.address(new Uint8Array(buffer, 0, 1)) as bigint) + BigInt(buffer.byteLength / 2);

/** Memory without huge pages; the allocator may return some that an earlier test has freed, with them. */
function memoryWithout(bytes: number): ArrayBuffer {
  const all: ArrayBuffer[] = [];
  for (let i = 0; i < 20; i++) {
    const buffer = new ArrayBuffer(bytes);
    if (!flagsAt(middleOf(buffer)).includes("hg")) return buffer;
    all.push(buffer);
  }
  return assert.fail(`each of ${all.length} buffers has huge pages before they are asked for`);
}

const skip = existsSync("/sys/kernel/mm/transparent_hugepage") ? false : "this system has no huge pages";

test("huge pages are asked for from the first boundary on, and only where whole ones fit", { skip }, () => {
  const small = memoryWithout(hugePage);
  adviseHugePages(small);
  assert.ok(!flagsAt(middleOf(small)).includes("hg"));
  const large = memoryWithout(16 * hugePage);
  adviseHugePages(large);
  assert.ok(flagsAt(middleOf(large)).includes("hg"));
  assert.equal(offsetToBoundary(BigInt(3 * hugePage), hugePage), 0);
  assert.equal(offsetToBoundary(BigInt(3 * hugePage + 64), hugePage), hugePage - 64);
});

test("pictures are kept in huge pages", { skip }, () => {
  const { cache } = pictureMemory(64 * 2 ** 20, 2 ** 30);
  assert.ok(flagsAt(middleOf(cache)).includes("hg"));
});
