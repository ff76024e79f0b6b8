/** Damaged files: every reader returns a result or throws a SenetError, within limits of time and memory. */

import assert from "node:assert/strict";
import { SenetError } from "../src/errors.ts";
import { detectFormat } from "../src/formats/detect.ts";
import { createRandom, type Random } from "../src/random.ts";
import type { Tensor } from "../src/tensor.ts";

/** A reader, and a small valid file for it. */
export interface Fuzzed {
  readonly name: string;
  readonly file: Uint8Array;
  /** Its errors have every part: where, expected, found, what to try. */
  readonly saysAll?: boolean;
  /** All tensors of the result. */
  read(bytes: Uint8Array): Iterable<Tensor> | Promise<Iterable<Tensor>>;
}

/** Makes one to four changes to bytes and their order. */
function mutated(file: Uint8Array, random: Random): Uint8Array {
  let bytes = file.slice();
  const extremes = [0, 1, 0x7f, 0x80, 0xfe, 0xff];
  for (let i = random.below(4); i >= 0; i--) {
    const at = random.below(bytes.length + 1);
    const end = Math.min(bytes.length, at + 1 + random.below(16));
    switch (random.below(6)) {
      case 0:
        bytes[at] = random.below(256);
        break;
      case 1:
        bytes[at] = bytes[at]! ^ (1 << random.below(8));
        break;
      case 2:
        bytes.fill(extremes[random.below(extremes.length)]!, at, Math.min(end, at + 1 + random.below(8)));
        break;
      case 3: // some bytes go
        bytes = Uint8Array.from([...bytes.subarray(0, at), ...bytes.subarray(end)]);
        break;
      case 4: // some come twice
        bytes = Uint8Array.from([...bytes.subarray(0, end), ...bytes.subarray(at)]);
        break;
      default: {
        // Some come from elsewhere in the file.
        const from = random.below(bytes.length + 1);
        bytes.copyWithin(at, from, from + (end - at));
      }
    }
  }
  return bytes;
}

/** @returns whether the file was read */
async function check(reader: Fuzzed, bytes: Uint8Array, what: string): Promise<boolean> {
  const start = process.cpuUsage();
  let tensors: Iterable<Tensor> | undefined;
  try {
    tensors = await reader.read(bytes);
  } catch (error) {
    if (!(error instanceof SenetError)) throw new Error(`${what}: no SenetError`, { cause: error });
    if (reader.saysAll === true) assertSaysAll(error, what);
  }
  // Processor time, which does not depend on other load on the machine.
  const { user, system } = process.cpuUsage(start);
  const took = (user + system) / 1000;
  assert.ok(took < 2000, `${what}: took ${took} ms`);
  if (tensors === undefined) return false;
  const buffers = new Map<ArrayBufferLike, number>();
  for (const { shape, data } of tensors) {
    assert.equal(
      shape.reduce((size, extent) => size * extent, 1),
      data.length,
      `${what}: shape`,
    );
    buffers.set(data.buffer, data.buffer.byteLength);
  }
  const total = [...buffers.values()].reduce((sum, size) => sum + size, 0);
  assert.ok(total <= 10 * bytes.length + 2 ** 16, `${what}: ${total} bytes from ${bytes.length}`);
  return true;
}

function assertSaysAll({ message, details: { where, expected, found, hint } }: SenetError, what: string): void {
  const isWhole = [where, expected, found, hint].every((part) => part !== undefined && part.length > 0);
  assert.ok(isWhole, `${what}: something is not said in\n${message}`);
}

function detect(bytes: Uint8Array, what: string): void {
  try {
    detectFormat(bytes, "fuzz");
  } catch (error) {
    if (!(error instanceof SenetError)) throw new Error(`${what}: detection threw no SenetError`, { cause: error });
    assertSaysAll(error, what);
  }
}

/**
 * Tests the valid file, every `step`-th prefix of it, and mutations; a failure names the case.
 * @param seed the mutations' seed
 */
export async function fuzz(reader: Fuzzed, seed: number, mutations: number, step = 1): Promise<void> {
  assert.ok(await check(reader, reader.file, "the sound file"), "the sound file is read");
  for (let length = 0; length < reader.file.length; length += step) {
    const what = `prefix ${length}`;
    const bytes = reader.file.slice(0, length);
    await check(reader, bytes, what);
    detect(bytes, what);
  }
  let read = 0;
  for (let i = 0; i < mutations; i++) {
    const what = `mutation ${i}`;
    const bytes = mutated(reader.file, createRandom(1, seed, i));
    if (await check(reader, bytes, what)) read++;
    detect(bytes, what);
  }
  assert.ok(read < mutations, "mutations are found out");
}
