/**
 * Reads NumPy arrays: `.npy`, one array, and `.npz`, a ZIP archive of named arrays, used by tensorpack and Chainer for
 * weights. Arrays of Python objects contain pickles, which are never executed: they are refused.
 *
 * Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */

import { type Shape, sizeOf, type Tensor, tensor } from "../tensor.ts";
import { readAnyElements, swapped } from "./any-elements.ts";
import { damagedAt, type ElementType, type FailWhole, shownName } from "./bytes.ts";
import { fromColumns } from "./permuted.ts";
import { readZip, zipContent } from "./zip.ts";

export interface NumpyFile {
  readonly tensors: Map<string, Tensor>;
  /** What was chosen or ignored. */
  readonly notes: readonly string[];
}

const mark = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];

export const isNpy = (bytes: Uint8Array): boolean => mark.every((byte, i) => bytes[i] === byte);

/** Whether these are the names in an `.npz`. */
export const areArrays = (names: readonly string[]): boolean =>
  names.length > 0 && names.every((name) => name.endsWith(".npy"));

/** Whether it is a ZIP archive with only arrays. */
export function isNpz(bytes: Uint8Array): boolean {
  if (bytes[0] !== 0x50 || bytes[1] !== 0x4b) return false;
  try {
    return areArrays([...readZip(bytes, "").keys()]);
  } catch {
    // The content of a damaged archive is unknown.
    return false;
  }
}

/** Name given to the array in an `.npy`. */
export const onlyArray = "array";

/** Prefixes of the network in a snapshot of Chainer's trainer, and in its classifier. */
const chainerStates = ["updater/model:main/", "predictor/"];

/**
 * The arrays by name, in C order, without text. float32, float64 and int32 are views if aligned and uncompressed;
 * float16 is widened, integers become int32, or float64 if they do not fit. From a snapshot of Chainer's trainer, only
 * the network is used.
 * @param where the file's name, for errors
 * @throws SenetError `weights` (as a rejection) where the file is damaged or contains Python objects
 */
export async function parseNumpy(bytes: Uint8Array, where: string): Promise<NumpyFile> {
  if (isNpy(bytes)) {
    const array = readNpy(bytes, damagedAt(where));
    if (array === undefined) {
      return damagedAt(where)("the array holds text, not numbers", {
        expected: "an archive of weights (.npz), or an array of numbers",
        found: "an array of text",
        hint: "give the file with the weights",
      });
    }
    return { tensors: new Map([[onlyArray, array]]), notes: [] };
  }
  const arrays = new Map<string, Tensor>();
  const texts: string[] = [];
  // Inflating may expand bytes a thousandfold for zeros, but not for real weights.
  let left = 32 * bytes.length + 2 ** 24;
  const entries = readZip(bytes, where);
  if (!areArrays([...entries.keys()])) {
    damagedAt(where)("this archive is not one of NumPy's", {
      expected: "arrays alone, NAME.npy each",
      found: [...entries.keys()].slice(0, 3).map(shownName).join(", ") || "nothing",
    });
  }
  for (const [entryName, entry] of entries) {
    const name = entryName.slice(0, -".npy".length);
    const content = await zipContent(entry, left, where);
    left -= entry.isStored ? 0 : content.length;
    const array = readNpy(content, damagedAt(`${where}: array ${shownName(name)}`));
    if (array === undefined) texts.push(name);
    else arrays.set(name, array);
  }
  const notes =
    texts.length === 0 ? [] : [`left aside ${texts.length} ${texts.length === 1 ? "array" : "arrays"} of text`];
  return networkIn(arrays, notes);
}

function networkIn(arrays: Map<string, Tensor>, notes: readonly string[]): NumpyFile {
  let tensors = arrays;
  const taken: string[] = [];
  for (const prefix of chainerStates) {
    const inside = [...tensors].filter(([name]) => name.startsWith(prefix));
    // A snapshot has much else; a classifier has only its network.
    const isThere = prefix === chainerStates[0] ? inside.length > 0 : inside.length === tensors.size;
    if (!isThere || inside.length === 0) continue;
    tensors = new Map(inside.map(([name, tensor]) => [name.slice(prefix.length), tensor]));
    taken.push(prefix);
  }
  if (tensors.size === arrays.size) return { tensors, notes };
  const others = [...arrays.keys()].flatMap((name) => /^updater\/model:(?!main\/)[^/]+\//.exec(name)?.[0] ?? []);
  const besides = [...new Set(others)].slice(0, 3).map(shownName);
  const note = `a snapshot of Chainer's trainer: of ${arrays.size} arrays the ${tensors.size} of its network are taken, those under ${shownName(taken.join(""))}${besides.length === 0 ? "" : `, and not the networks ${besides.join(", ")}`}`;
  return { tensors, notes: [...notes, note] };
}

/** An array's header. */
interface Header {
  readonly descr: string;
  readonly isFortran: boolean;
  readonly shape: Shape;
  /** Start of the data. */
  readonly start: number;
}

/** NumPy's type codes. */
const types: Readonly<Record<string, ElementType>> = {
  f8: "F64",
  f4: "F32",
  f2: "F16",
  i8: "I64",
  i4: "I32",
  i2: "I16",
  i1: "I8",
  u8: "U64",
  u4: "U32",
  u2: "U16",
  u1: "U8",
  b1: "BOOL",
};

/** @returns undefined for text */
function readNpy(bytes: Uint8Array, fail: FailWhole): Tensor | undefined {
  const { descr, isFortran, shape, start } = readHeader(bytes, fail);
  const [, order, kind, width] = /^([<>|=])([a-zA-Z])(\d{0,9})$/.exec(descr) ?? [];
  if (kind === "O") {
    fail("the array holds Python objects, which are pickled and not read", {
      expected: "numbers",
      found: shownName(descr),
      hint: "in Python: d = numpy.load(FILE, encoding='latin1', allow_pickle=True).item(); numpy.savez(OUT, **d), for a file that you trust",
    });
  }
  const type = types[`${kind}${width}`];
  const isText = kind === "U" || kind === "S" || kind === "a";
  if (type === undefined && !isText) {
    fail("the array's type cannot be read", {
      expected: Object.keys(types).join(", "),
      found: shownName(descr),
      hint: "save it again as float32",
    });
  }
  const elementSize = isText ? Number(width) * (kind === "U" ? 4 : 1) : Number(width);
  const size = sizeOf(shape) * elementSize;
  if (size !== bytes.length - start) {
    fail("the array's data are not of its size", {
      expected: `${size} bytes for ${shownName(descr)} [${shape.join(", ")}]`,
      found: `${bytes.length - start}`,
    });
  }
  if (type === undefined) return undefined;
  const data = order === ">" && elementSize > 1 ? swapped(bytes.subarray(start), elementSize) : bytes.subarray(start);
  const values = readAnyElements(type, data, 0, sizeOf(shape));
  return isFortran ? fromColumns(shape, values) : tensor(shape, values);
}

/** Magic number, version, header length, and the header: a Python dict of three entries. */
function readHeader(bytes: Uint8Array, fail: FailWhole): Header {
  const major = bytes[6] ?? 0;
  const wide = major === 1 ? 2 : 4;
  if (!isNpy(bytes) || bytes.length < 8 + wide) {
    fail("this is not an array of NumPy's", {
      expected: "its mark, 93 4e 55 4d 50 59, and a header",
      found: `${bytes.length} bytes`,
    });
  }
  if (major < 1 || major > 3) fail("the array is of an unknown version", { expected: "1 to 3", found: `${major}` });
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = wide === 2 ? view.getUint16(8, true) : view.getUint32(8, true);
  const start = 8 + wide + length;
  if (start > bytes.length || length > longestHeader) {
    fail("the array's header is longer than it can be", {
      expected: `at most ${Math.min(longestHeader, bytes.length - 8 - wide)} bytes`,
      found: `${length}`,
    });
  }
  const text = new TextDecoder(major === 3 ? "utf-8" : "latin1").decode(bytes.subarray(8 + wide, start));
  const header = parseDict(text);
  if (header === undefined) {
    fail("the array's header cannot be read", {
      expected: "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }",
      found: shownName(text.trim()),
    });
  }
  return { ...header!, start };
}

/** NumPy's limit for untrusted files. */
const longestHeader = 10_000;
/** NumPy's own limit is 32 in version 1 and 64 in version 2. */
const mostAxes = 64;

function parseDict(text: string): Omit<Header, "start"> | undefined {
  const body = /^\{(.*)\}\s*$/s.exec(text)?.[1];
  if (body === undefined) return undefined;
  const found = new Map<string, string>();
  let rest = body.trim();
  while (rest !== "") {
    // A structured type is a list, which weights never have.
    const entry = /^'(\w{1,20})'\s*:\s*('[^']{0,40}'|True|False|\([\d\s,L]*\)|\[.*\])\s*(?:,\s*|$)/s.exec(rest);
    if (entry === null || found.has(entry[1]!)) return undefined;
    found.set(entry[1]!, entry[2]!);
    rest = rest.slice(entry[0].length);
  }
  const [descr, order, shape] = ["descr", "fortran_order", "shape"].map((key) => found.get(key));
  if (found.size !== 3 || descr === undefined || order === undefined || shape === undefined) return undefined;
  if (!/^['[]/.test(descr) || !/^[TF]/.test(order) || !shape.startsWith("(")) return undefined;
  // Python 2 writes long numbers with an L.
  const extents = shape
    .slice(1, -1)
    .split(",")
    .map((part) => part.trim().replace(/L$/, ""));
  if (extents.at(-1) === "") extents.pop();
  const numbers = extents.map((part) => (/^\d{1,15}$/.test(part) ? Number(part) : Number.NaN));
  if (numbers.length > mostAxes || numbers.some(Number.isNaN)) return undefined;
  return { descr: descr.startsWith("'") ? descr.slice(1, -1) : descr, isFortran: order === "True", shape: numbers };
}
