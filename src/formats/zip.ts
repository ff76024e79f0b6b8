/**
 * Reads ZIP archives, as far as weight files need it: the central directory with all offsets checked, stored entries as
 * views, deflated ones through the platform's DecompressionStream. Supports ZIP64, but not multiple disks or
 * encryption.
 *
 * Format: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
 */

import { damagedAt, type FailWhole, shownName } from "./bytes.ts";
import { inflate } from "./inflate.ts";

export interface ZipEntry {
  readonly name: string;
  /** Length of the inflated content. */
  readonly size: number;
  readonly isStored: boolean;
  /** The bytes in the archive; the content itself if `isStored`. */
  readonly bytes: Uint8Array;
}

const localSignature = 0x04034b50;
const centralSignature = 0x02014b50;
const endSignature = 0x06054b50;
const end64Signature = 0x06064b50;
const locator64Signature = 0x07064b50;

/**
 * The entries of an archive by name.
 * @param where the file's name, for errors
 * @throws SenetError `weights` where an offset is invalid, entries overlap, a name is duplicated, or an entry is
 * encrypted or compressed other than by deflate
 */
export function readZip(bytes: Uint8Array, where: string): Map<string, ZipEntry> {
  const fail = damagedAt(where);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const directory = findDirectory(bytes, view, fail);
  const entries = new Map<string, ZipEntry>();
  const ranges: { start: number; end: number; name: string }[] = [];
  let position = directory.start;
  for (let i = 0; i < directory.count; i++) {
    if (directory.end - position < 46 || view.getUint32(position, true) !== centralSignature) {
      fail("the archive's directory is damaged", {
        expected: `${directory.count} entries`,
        found: `no entry ${i} at byte ${position}`,
      });
    }
    const nameLength = view.getUint16(position + 28, true);
    const extraLength = view.getUint16(position + 30, true);
    const next = position + 46 + nameLength + extraLength + view.getUint16(position + 32, true);
    if (next > directory.end) {
      fail("the archive's directory is damaged", {
        expected: `at most ${directory.end - position} bytes for entry ${i}`,
        found: `${next - position}`,
      });
    }
    const name = decoder.decode(bytes.subarray(position + 46, position + 46 + nameLength));
    const failEntry = damagedAt(`${where}: ${shownName(name)}`);
    if (entries.has(name)) {
      failEntry("the archive has this name twice", { expected: "each name once", found: `again as entry ${i}` });
    }
    const extra = position + 46 + nameLength;
    const fields = centralFields(view, position, extra, extra + extraLength, failEntry);
    const start = contentStart(view, fields.offset, directory.start, failEntry);
    const end = start + fields.packed;
    if (end > directory.start)
      failEntry("its bytes are not in the archive", {
        expected: `${fields.packed} bytes from ${start}`,
        found: `${directory.start} bytes before the directory`,
      });
    if (fields.isStored && fields.packed !== fields.size) {
      failEntry("it has two sizes", { expected: `${fields.packed} bytes`, found: `${fields.size}` });
    }
    ranges.push({ start: fields.offset, end, name });
    entries.set(name, { name, size: fields.size, isStored: fields.isStored, bytes: bytes.subarray(start, end) });
    position = next;
  }
  // Overlapping entries would let a small file unpack to a large one.
  ranges.sort((a, b) => a.start - b.start);
  for (const [i, range] of ranges.entries()) {
    const before = ranges[i - 1];
    if (before !== undefined && before.end > range.start) {
      fail(`the entries ${shownName(before.name)} and ${shownName(range.name)} overlap`, {
        expected: `${before.end} or more`,
        found: `the second at byte ${range.start}`,
      });
    }
  }
  return entries;
}

/**
 * The content of an entry; a view if it is stored.
 * @param allowance longest accepted content
 * @throws SenetError `weights` where the deflated bytes are damaged or do not have the size in the directory
 */
export async function zipContent(entry: ZipEntry, allowance: number, where: string): Promise<Uint8Array> {
  if (entry.isStored) return entry.bytes;
  const fail = damagedAt(`${where}: ${shownName(entry.name)}`);
  const resave = "save the file again without compression";
  if (entry.size > allowance) {
    fail("it unpacks to more than its file can hold", {
      expected: `at most ${allowance} bytes`,
      found: `${entry.size}`,
      hint: resave,
    });
  }
  return inflate(entry.bytes, "deflate-raw", entry.size, fail);
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Start, end and number of entries of the central directory. */
function findDirectory(
  bytes: Uint8Array,
  view: DataView,
  fail: FailWhole,
): { start: number; end: number; count: number } {
  // The end record may be followed by a comment of up to 65,535 bytes.
  const last = bytes.length - 22;
  let position = last;
  const isEnd = (at: number) =>
    view.getUint32(at, true) === endSignature && at + 22 + view.getUint16(at + 20, true) === bytes.length;
  while (position >= 0 && position >= last - 0xffff && !isEnd(position)) position--;
  if (position < 0 || position < last - 0xffff) {
    fail("the archive has no end", { expected: "a ZIP archive's directory", found: "none: the file is cut short" });
  }
  let count = view.getUint16(position + 10, true);
  let size = view.getUint32(position + 12, true);
  let start = view.getUint32(position + 16, true);
  let limit = position;
  if (count === 0xffff || size === 0xffffffff || start === 0xffffffff) {
    const locator = position - 20;
    if (locator >= 0 && view.getUint32(locator, true) === locator64Signature) {
      const record = wide(view, locator + 8, fail);
      if (record > locator - 56 || view.getUint32(record, true) !== end64Signature) {
        fail("the archive's directory is damaged", { expected: `a ZIP64 record at byte ${record}`, found: "none" });
      }
      count = wide(view, record + 32, fail);
      size = wide(view, record + 40, fail);
      start = wide(view, record + 48, fail);
      limit = record;
    }
  }
  if (start > limit || size > limit - start) {
    fail("the archive's directory is not in the file", {
      expected: `${size} bytes from ${start}`,
      found: `${limit} bytes before its end`,
    });
  }
  return { start, end: start + size, count };
}

function wide(view: DataView, position: number, fail: FailWhole): number {
  const value = Number(view.getBigUint64(position, true));
  return Number.isSafeInteger(value)
    ? value
    : fail("the archive has a size that cannot be", { expected: "at most 2^53", found: `${value}` });
}

interface CentralFields {
  readonly packed: number;
  readonly size: number;
  /** Offset of the local header. */
  readonly offset: number;
  readonly isStored: boolean;
}

function centralFields(view: DataView, entry: number, extra: number, extraEnd: number, fail: FailWhole): CentralFields {
  const flags = view.getUint16(entry + 8, true);
  const method = view.getUint16(entry + 10, true);
  if ((flags & 1) !== 0) {
    fail("it is encrypted", {
      expected: "bytes without a password",
      found: "encrypted ones",
      hint: "save the file again without a password",
    });
  }
  if (method !== 0 && method !== 8) {
    fail("it is packed in a way that cannot be read", {
      expected: "stored (0) or deflated (8)",
      found: `method ${method}`,
      hint: "save the file again without compression",
    });
  }
  let packed = view.getUint32(entry + 20, true);
  let size = view.getUint32(entry + 24, true);
  let offset = view.getUint32(entry + 42, true);
  // Values that do not fit 32 bits, and only these, are in the ZIP64 field (1) of the extra fields, in this order.
  for (let at = extra; extraEnd - at >= 4; ) {
    const id = view.getUint16(at, true);
    const end = at + 4 + view.getUint16(at + 2, true);
    if (end > extraEnd) {
      fail("its extra fields are damaged", { expected: `at most ${extraEnd - at} bytes`, found: `${end - at}` });
    }
    if (id === 1) {
      let field = at + 4;
      const take = () => {
        if (end - field < 8) fail("its ZIP64 field is cut short", { expected: "8 bytes", found: `${end - field}` });
        field += 8;
        return wide(view, field - 8, fail);
      };
      if (size === 0xffffffff) size = take();
      if (packed === 0xffffffff) packed = take();
      if (offset === 0xffffffff) offset = take();
      break;
    }
    at = end;
  }
  return { packed, size, offset, isStored: method === 0 };
}

/** Start of an entry's bytes: after its local header, whose extra fields may differ from the directory's. */
function contentStart(view: DataView, offset: number, limit: number, fail: FailWhole): number {
  if (offset > limit - 30 || view.getUint32(offset, true) !== localSignature) {
    fail("its header is not where the directory says", { expected: `a header at byte ${offset}`, found: "none" });
  }
  return offset + 30 + view.getUint16(offset + 26, true) + view.getUint16(offset + 28, true);
}
