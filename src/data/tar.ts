/**
 * What an archive of tar holds, and where: POSIX ustar and pax, GNU's long names, and the oldest form. Nothing is
 * unpacked, so that names lead nowhere; yet they, and all numbers, come from outside and are bounded.
 */

/** Why a file is no sound archive. Who knows its name makes a `SenetError` of it. */
export class TarFault extends Error {}

export interface TarEntry {
  /** Its parts with `/` between, none of them empty, `.` or `..`. */
  readonly name: string;
  /** `other`: links, devices, and files with holes. */
  readonly kind: "file" | "folder" | "other";
  /** Where its bytes begin, and how many there are. */
  readonly start: number;
  readonly length: number;
}

export interface Tar {
  readonly entries: readonly TarEntry[];
  /** Whether the archive says where it ends; if not, it may have been cut off between two files. */
  readonly isEnded: boolean;
}

const BLOCK = 512;
/** Names of files, and the records before an entry: no system's paths are longer than 4 KiB. */
const MOST_NAME = 4096;
const MOST_RECORDS = 2 ** 20;
const MOST_ENTRIES = 2 ** 24;

/**
 * @param read so many bytes from a place, which lie within the file
 * @param size of the file
 * @throws TarFault
 */
export function readTar(read: (start: number, length: number) => Uint8Array, size: number): Tar {
  const entries: TarEntry[] = [];
  /** What records before an entry say of it. */
  let said: { name?: string; length?: number } = {};
  for (let at = 0; at < size; ) {
    if (size - at < BLOCK) throw new TarFault(`the file ends within a header, at byte ${size}`);
    const block = read(at, BLOCK);
    if (block.every((byte) => byte === 0)) return { entries, isEnded: true };
    const header = headerOf(block, at);
    const isRecord = header.type in records;
    const length = isRecord ? header.length : (said.length ?? header.length);
    const start = at + BLOCK;
    const name = isRecord ? "a record" : nameOf(said.name ?? header.name);
    if (start + length > size) {
      throw new TarFault(`the file ends within ${name}: ${length} bytes from ${start} on, where the file has ${size}`);
    }
    at = start + Math.ceil(length / BLOCK) * BLOCK;
    if (isRecord) {
      if (length > MOST_RECORDS) throw new TarFault(`a name or its like of ${length} bytes, at byte ${start}`);
      said = { ...said, ...records[header.type]!(read(start, length), start) };
      continue;
    }
    said = {};
    if (name === "") continue;
    if (entries.length >= MOST_ENTRIES) throw new TarFault(`more than ${MOST_ENTRIES} entries`);
    entries.push({ name, kind: kinds[header.type] ?? "other", start, length });
  }
  return { entries, isEnded: false };
}

/** `7` is a file that lies in one piece, `5` a folder; a NUL is the oldest form's file. */
const kinds: Readonly<Record<string, TarEntry["kind"]>> = { "0": "file", "\0": "file", "7": "file", "5": "folder" };

/** Entries that say something of the next one, or of all that follow (`g`: nothing that is wanted here). */
const records: Readonly<
  Record<string, (bytes: Uint8Array, at: number) => { readonly name?: string; readonly length?: number }>
> = {
  L: (bytes) => ({ name: textOf(bytes) }),
  K: () => ({}),
  g: () => ({}),
  x: paxOf,
};

function headerOf(block: Uint8Array, at: number): { name: string; length: number; type: string } {
  // The sum of all bytes, with those of the sum itself taken as spaces; old programs took bytes as signed.
  let unsigned = 0;
  let signed = 0;
  for (const [i, byte] of block.entries()) {
    const value = i >= 148 && i < 156 ? 0x20 : byte;
    unsigned += value;
    signed += (value << 24) >> 24;
  }
  const sum = numberOf(block.subarray(148, 156));
  if (sum !== unsigned && sum !== signed) throw new TarFault(`no header of tar at byte ${at}: its sum is wrong`);
  const length = numberOf(block.subarray(124, 136));
  if (!Number.isSafeInteger(length) || length < 0) throw new TarFault(`a size that is no number, at byte ${at + 124}`);
  const isUstar = textOf(block.subarray(257, 263)).startsWith("ustar");
  // GNU's magic is `ustar` and two spaces; it has other fields where the standard has the prefix.
  const prefix = isUstar && block[262] === 0 ? textOf(block.subarray(345, 500)) : "";
  const short = textOf(block.subarray(0, 100));
  const type = String.fromCharCode(block[156]!);
  const name = prefix === "" ? short : `${prefix}/${short}`;
  // In the oldest form a folder is a file whose name ends with a slash.
  return {
    name,
    length: kinds[type] === "file" && name.endsWith("/") ? 0 : length,
    type: kinds[type] === "file" && name.endsWith("/") ? "5" : type,
  };
}

/** Octal digits, or binary where the first bit says so. */
function numberOf(field: Uint8Array): number {
  if ((field[0]! & 0x80) !== 0) {
    // A negative number is none that is wanted.
    if (field[0] !== 0x80) return -1;
    return field.subarray(1).reduce((sum, byte) => sum * 256 + byte, 0);
  }
  const text = textOf(field).trim();
  return text === "" ? 0 : /^[0-7]+$/.test(text) ? Number.parseInt(text, 8) : -1;
}

/** Up to the first NUL. */
function textOf(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}

/** `LENGTH KEY=VALUE\n`, again and again; the length is that of all of it. */
function paxOf(bytes: Uint8Array, at: number): { name?: string; length?: number } {
  const said: { name?: string; length?: number } = {};
  for (let start = 0; start < bytes.length; ) {
    const space = bytes.indexOf(0x20, start);
    const length = space < 0 ? 0 : Number(textOf(bytes.subarray(start, space)));
    const end = start + length;
    if (!Number.isSafeInteger(length) || end <= space + 1 || end > bytes.length || bytes[end - 1] !== 0x0a) {
      throw new TarFault(`a damaged record at byte ${at + start}`);
    }
    const [, key, value] = /^([^=]*)=(.*)$/s.exec(new TextDecoder().decode(bytes.subarray(space + 1, end - 1))) ?? [];
    if (key === "path") said.name = value!;
    if (key === "size") {
      if (!/^\d{1,15}$/.test(value!)) throw new TarFault(`a size that is no number, at byte ${at + start}`);
      said.length = Number(value);
    }
    start = end;
  }
  return said;
}

/** Without `./`, and without a slash at either end. @throws TarFault where it leads out of the archive, or is too long */
function nameOf(name: string): string {
  if (name.length > MOST_NAME) throw new TarFault(`a name of ${name.length} characters`);
  const parts = name.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..") || name.includes("\0")) throw new TarFault(`a name that leads out of the archive: ${name}`);
  return parts.join("/");
}
