/** Archives of tar, made by hand: ustar's fields as POSIX has them, and whatever a test wants wrong. */

export interface Member {
  readonly name: string;
  readonly bytes?: Uint8Array | string;
  /** `0` by default: a file. */
  readonly type?: string;
  readonly prefix?: string;
  /** What the header says, where it is not the truth. */
  readonly size?: string | Uint8Array;
  readonly sum?: string;
  /** `ustar\0` by default. */
  readonly magic?: string;
}

const blockBytes = 512;
const bytesOf = (data: Uint8Array | string): Uint8Array =>
  typeof data === "string" ? new TextEncoder().encode(data) : data;
const octal = (value: number, digits: number): string => value.toString(8).padStart(digits, "0");

/** @param isEnded with the two blocks of zeros at the end */
export function tarOf(members: readonly Member[], isEnded = true): Uint8Array {
  const parts = members.flatMap(({ name, bytes = "", type = "0", prefix = "", size, sum, magic = "ustar\0" }) => {
    const data = bytesOf(bytes);
    const header = new Uint8Array(blockBytes);
    const put = (value: string | Uint8Array, at: number) => header.set(bytesOf(value), at);
    put(name, 0);
    put("0000644\0", 100);
    put(size ?? `${octal(data.length, 11)}\0`, 124);
    put(`${octal(0, 11)}\0`, 136);
    put("        ", 148);
    put(type, 156);
    put(magic, 257);
    put("00", 263);
    put(prefix, 345);
    const total = header.reduce((all, byte) => all + byte, 0);
    put(sum ?? `${octal(total, 6)}\0 `, 148);
    const padded = new Uint8Array(Math.ceil(data.length / blockBytes) * blockBytes);
    padded.set(data);
    return [header, padded];
  });
  return joined(isEnded ? [...parts, new Uint8Array(2 * blockBytes)] : parts);
}

export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** A record of pax: its length, with the digits of the length itself, a key and a value. */
export function pax(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  const bytes = bytesOf(rest).length;
  const digits = `${bytes + `${bytes}`.length}`.length;
  return `${bytes + digits}${rest}`;
}
