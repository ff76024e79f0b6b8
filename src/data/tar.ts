/**
 * Reads a tar archive's table of contents: POSIX ustar and pax, GNU's long names, and the pre-POSIX format. Nothing is
 * unpacked, so no name can lead out of the archive; but names and numbers are untrusted, and bounded.
 */

/** Why an archive cannot be read. The caller, who knows the file's name, converts it to a `SenetError`. */
export class TarFault extends Error {}

export interface TarEntry {
  /** Parts joined by `/`; none is empty, `.` or `..`. */
  readonly name: string;
  /** `other`: links, devices and sparse files. */
  readonly kind: "file" | "folder" | "other";
  /** Offset and number of its bytes. */
  readonly start: number;
  readonly length: number;
}

export interface Tar {
  readonly entries: readonly TarEntry[];
  /** Whether the archive has an end marker; otherwise it may have been cut off between two files. */
  readonly isEnded: boolean;
}

const blockBytes = 512;
/** Limits: no system allows longer file names than 4 KiB; and records before an entry are bounded. */
const mostName = 4096;
const mostRecords = 2 ** 20;
const mostEntries = 2 ** 24;

/**
 * @param read reads bytes at an offset; the range is within the file
 * @param size the file's size
 * @throws TarFault
 */
export function readTar(read: (start: number, length: number) => Uint8Array, size: number): Tar {
  const entries: TarEntry[] = [];
  /** Facts about an entry from the records before it. */
  let said: { name?: string; length?: number } = {};
  for (let at = 0; at < size; ) {
    if (size - at < blockBytes) throw new TarFault(`the file is cut off in the middle of a header, at byte ${size}`);
    const block = read(at, blockBytes);
    if (block.every((byte) => byte === 0)) return { entries, isEnded: true };
    const header = headerOf(block, at);
    const isRecord = header.type in records;
    const length = isRecord ? header.length : (said.length ?? header.length);
    const start = at + blockBytes;
    const name = isRecord ? "a record" : nameOf(said.name ?? header.name);
    if (start + length > size) {
      throw new TarFault(
        `the file is cut off in the middle of ${name}: it has ${size} bytes, and ${start + length} are needed`,
      );
    }
    at = start + Math.ceil(length / blockBytes) * blockBytes;
    if (isRecord) {
      if (length > mostRecords) throw new TarFault(`a record of ${length} bytes before an entry, at byte ${start}`);
      said = { ...said, ...records[header.type]!(read(start, length), start) };
      continue;
    }
    said = {};
    if (name === "") continue;
    if (entries.length >= mostEntries) throw new TarFault(`more than ${mostEntries} entries`);
    entries.push({ name, kind: kinds[header.type] ?? "other", start, length });
  }
  return { entries, isEnded: false };
}

/** `7` is a contiguous file, `5` a folder; NUL is a file in the pre-POSIX format. */
const kinds: Readonly<Record<string, TarEntry["kind"]>> = { "0": "file", "\0": "file", "7": "file", "5": "folder" };

/** Entries that describe the next entry, or all following ones (`g`, from which nothing is needed). */
const records: Readonly<
  Record<string, (bytes: Uint8Array, at: number) => { readonly name?: string; readonly length?: number }>
> = {
  L: (bytes) => ({ name: textOf(bytes) }),
  K: () => ({}),
  g: () => ({}),
  x: paxOf,
};

function headerOf(block: Uint8Array, at: number): { name: string; length: number; type: string } {
  // The checksum is the sum of all bytes, with its own field as spaces; old programs summed signed bytes.
  let unsigned = 0;
  let signed = 0;
  for (const [i, byte] of block.entries()) {
    const value = i >= 148 && i < 156 ? 0x20 : byte;
    unsigned += value;
    signed += (value << 24) >> 24;
  }
  const sum = numberOf(block.subarray(148, 156));
  if (sum !== unsigned && sum !== signed)
    throw new TarFault(`there is no tar header at byte ${at}: the checksum is wrong`);
  const length = numberOf(block.subarray(124, 136));
  if (!Number.isSafeInteger(length) || length < 0)
    throw new TarFault(`a size that is not a number, at byte ${at + 124}`);
  const isUstar = textOf(block.subarray(257, 263)).startsWith("ustar");
  // GNU's magic is `ustar` and two spaces, and it uses the space of the prefix for other fields.
  const prefix = isUstar && block[262] === 0 ? textOf(block.subarray(345, 500)) : "";
  const short = textOf(block.subarray(0, 100));
  const type = String.fromCharCode(block[156]!);
  const name = prefix === "" ? short : `${prefix}/${short}`;
  // In the pre-POSIX format a folder is a file whose name ends in a slash.
  return {
    name,
    length: kinds[type] === "file" && name.endsWith("/") ? 0 : length,
    type: kinds[type] === "file" && name.endsWith("/") ? "5" : type,
  };
}

/** Parses octal digits, or binary if the first bit is set; −1 if it is neither. */
function numberOf(field: Uint8Array): number {
  if ((field[0]! & 0x80) !== 0) {
    // Negative numbers are invalid for the fields read here.
    if (field[0] !== 0x80) return -1;
    return field.subarray(1).reduce((sum, byte) => sum * 256 + byte, 0);
  }
  const text = textOf(field).trim();
  return text === "" ? 0 : /^[0-7]+$/.test(text) ? Number.parseInt(text, 8) : -1;
}

/** The text up to the first NUL. */
function textOf(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}

/** Parses pax records: a sequence of `LENGTH KEY=VALUE\n`, where LENGTH counts the whole line. */
function paxOf(bytes: Uint8Array, at: number): { name?: string; length?: number } {
  const said: { name?: string; length?: number } = {};
  for (let start = 0; start < bytes.length; ) {
    const space = bytes.indexOf(0x20, start);
    const length = space < 0 ? 0 : Number(textOf(bytes.subarray(start, space)));
    const end = start + length;
    if (!Number.isSafeInteger(length) || end <= space + 1 || end > bytes.length || bytes[end - 1] !== 0x0a) {
      throw new TarFault(`a damaged pax record at byte ${at + start}`);
    }
    const [, key, value] = /^([^=]*)=(.*)$/s.exec(new TextDecoder().decode(bytes.subarray(space + 1, end - 1))) ?? [];
    if (key === "path") said.name = value!;
    if (key === "size") {
      if (!/^\d{1,15}$/.test(value!)) throw new TarFault(`a size that is not a number, at byte ${at + start}`);
      said.length = Number(value);
    }
    start = end;
  }
  return said;
}

/**
 * Normalises a name: no `./`, no slashes at either end. @throws TarFault if it leads out of the archive or is too long
 */
function nameOf(name: string): string {
  if (name.length > mostName) throw new TarFault(`a name of ${name.length} characters`);
  const parts = name.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..") || name.includes("\0")) throw new TarFault(`a name that leads out of the archive: ${name}`);
  return parts.join("/");
}
