/**
 * Reads the safetensors format: named tensors and string metadata in one file, with nothing executable.
 *
 * A file is the header's length (uint64, little-endian), the header (JSON: name → dtype, shape, data_offsets; strings
 * under `__metadata__`), then the tensors' bytes without holes. The rules are those of the format's own reader
 * (https://github.com/huggingface/safetensors); a file that violates one is refused as a whole.
 */

import { isRecord } from "../schema.ts";
import { dtypeOf, type Shape, sizeOf, type Tensor } from "../tensor.ts";
import { shownValue } from "../text.ts";
import { type ElementType, elementBytes, type Fail, failAt, readElements, view } from "./bytes.ts";

export interface Safetensors {
  /** In the header's order. Views of the file's bytes if aligned. */
  readonly tensors: Map<string, Tensor>;
  readonly metadata: ReadonlyMap<string, string>;
}

/** The format's own limit; a false length must not cost memory. */
const longestHeader = 100_000_000;

/** A checked entry of the header. */
interface Entry {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: Shape;
  readonly start: number;
  readonly end: number;
}

/**
 * Reads a file's bytes. F32, F64, I32 and I8 are unchanged, F16 and BF16 are widened to float32, other integers become
 * int32. Tensors are views of `bytes` if aligned: they share its memory.
 * @param where the file's name, for errors
 * @throws SenetError `weights`, naming file and tensor, where the bytes are not a valid safetensors file or a dtype is
 * not supported
 */
export function parseSafetensors(bytes: Uint8Array, where: string): Safetensors {
  const fail = failAt(where);
  const failIn = (tensor: string) => failAt(`${where}: tensor "${tensor}"`);
  const header = parseHeader(bytes, fail);
  const dataBytes = bytes.length - header.end;

  const metadata = new Map<string, string>();
  const entries: Entry[] = [];
  for (const [name, value] of Object.entries(header.content)) {
    if (name === "__metadata__") {
      // The format's own reader takes null for no metadata.
      if (value === null) continue;
      if (!isRecord(value)) return fail("the metadata is not an object of strings", { found: shownValue(value) });
      for (const [key, text] of Object.entries(value)) {
        if (typeof text !== "string") return fail(`the metadata "${key}" is not a string`, { found: shownValue(text) });
        metadata.set(key, text);
      }
    } else {
      entries.push(checkEntry(name, value, dataBytes, failIn(name)));
    }
  }

  // Without holes and overlaps, each byte belongs to exactly one tensor, and nothing can hide in the file.
  let end = 0;
  for (const entry of entries.toSorted((a, b) => a.start - b.start || a.end - b.end)) {
    if (entry.start !== end) {
      failIn(entry.name)(
        entry.start < end ? "its bytes overlap another tensor's" : "there is a hole before its bytes",
        { expected: `data_offsets from ${end}`, found: `[${entry.start}, ${entry.end}]` },
      );
    }
    end = entry.end;
  }
  if (end !== dataBytes) {
    fail("there are bytes that belong to no tensor", { expected: `${end} bytes of data`, found: `${dataBytes} bytes` });
  }

  const tensors = new Map<string, Tensor>();
  for (const { name, type, shape, start } of entries) {
    const fail = failIn(name);
    const size = sizeOf(shape);
    const at = header.end + start;
    const data = type === "I8" ? view(Int8Array, bytes, at, size) : readElements(type, bytes, at, size, fail);
    tensors.set(name, { dtype: dtypeOf(data), shape, data });
  }
  return { tensors, metadata };
}

function parseHeader(bytes: Uint8Array, fail: Fail): { content: Readonly<Record<string, unknown>>; end: number } {
  const hint = "the file is damaged, cut short or not safetensors; fetch or save it again";
  if (bytes.length < 8) {
    fail("the file is too short for safetensors", { expected: "8 bytes or more", found: `${bytes.length}`, hint });
  }
  const length = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
  const limit = Math.min(bytes.length - 8, longestHeader);
  if (length > limit) {
    fail("the header is longer than it can be", { expected: `at most ${limit} bytes`, found: `${length}`, hint });
  }
  const end = 8 + Number(length);
  let text: string;
  let content: unknown;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes.subarray(8, end));
    content = JSON.parse(text);
  } catch (cause) {
    return fail("the header is not JSON", { found: String(cause), hint });
  }
  if (!isRecord(content)) return fail("the header is not an object", { found: shownValue(content), hint });
  const twice = repeatedKey(text);
  if (twice !== undefined) fail(`the header has "${twice}" twice`, { expected: "each name once", hint });
  return { content, end };
}

function checkEntry(name: string, value: unknown, dataBytes: number, fail: Fail): Entry {
  if (!isRecord(value)) return fail("its entry is not an object", { found: shownValue(value) });
  const { dtype, shape, data_offsets: offsets } = value;
  if (!isElementType(dtype)) {
    return fail("its dtype cannot be read", {
      expected: Object.keys(elementBytes).join(", "),
      found: shownValue(dtype),
    });
  }
  if (!isExtents(shape)) {
    return fail("its shape is not a list of dimensions", { expected: "integers from 0", found: shownValue(shape) });
  }
  if (!isExtents(offsets) || offsets.length !== 2 || offsets[0]! > offsets[1]! || offsets[1]! > dataBytes) {
    return fail("its bytes are not in the file", {
      expected: `data_offsets [start, end] within 0 to ${dataBytes}`,
      found: shownValue(offsets),
      hint: "the file may be cut short; fetch or save it again",
    });
  }
  const [start, end] = offsets as [number, number];
  // A product beyond 2^53 is rounded, but still exceeds any file.
  if (sizeOf(shape) * elementBytes[dtype] !== end - start) {
    fail("its shape does not fit its bytes", {
      expected: `${sizeOf(shape) * elementBytes[dtype]} bytes for ${shownValue(dtype)} ${shownValue(shape)}`,
      found: `${end - start} bytes`,
    });
  }
  return { name, type: dtype, shape, start, end };
}

const isElementType = (value: unknown): value is ElementType =>
  typeof value === "string" && Object.hasOwn(elementBytes, value);

const isExtents = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((extent) => Number.isSafeInteger(extent) && extent >= 0);

/**
 * The first duplicate key in this JSON; `JSON.parse` would silently use the last value.
 * @param json valid JSON
 */
function repeatedKey(json: string): string | undefined {
  const [quote, colon, backslash, open, close] = Array.from('":\\{}', (character) => character.charCodeAt(0));
  // By depth: the number of the object that is open, and of the last object that had each key. A small file can have
  // very many objects, too many for a set each.
  const depths: { object: number; readonly last: Map<string, number> }[] = [];
  let [depth, objects] = [-1, 0];
  for (let i = 0; i < json.length; i++) {
    const code = json.charCodeAt(i);
    if (code === open) {
      depth++;
      depths[depth] ??= { object: 0, last: new Map() };
      depths[depth]!.object = ++objects;
    } else if (code === close) depth--;
    else if (code === quote) {
      const start = i++;
      let isEscaped = false;
      for (; json.charCodeAt(i) !== quote; i++) {
        if (json.charCodeAt(i) !== backslash) continue;
        isEscaped = true;
        i++;
      }
      let next = i + 1;
      while (json.charCodeAt(next) <= 0x20) next++;
      if (json.charCodeAt(next) !== colon) continue;
      const key = isEscaped ? (JSON.parse(json.slice(start, i + 1)) as string) : json.slice(start + 1, i);
      const { object, last } = depths[depth]!;
      if (last.get(key) === object) return key;
      last.set(key, object);
    }
  }
  return undefined;
}
