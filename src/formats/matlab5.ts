/**
 * Reads MATLAB files of version 5 to 7 (`save`, `save -v6`): a sequence of elements with type and length, each a
 * variable, possibly compressed with zlib.
 *
 * Format: "MAT-File Format", https://www.mathworks.com/help/pdf_doc/matlab/matfile_format.pdf
 */

import { type Shape, sizeOf, type TensorData } from "../tensor.ts";
import { readAnyElements } from "./any-elements.ts";
import { damagedAt, type ElementType, elementBytes, type FailWhole, shownName } from "./bytes.ts";
import { inflate } from "./inflate.ts";
import { deepest, failDeep, type MatValue, type MatVariables } from "./matlab-value.ts";

const headerBytes = 128;

/** Whether it starts like files of version 5 or 7.3. */
export const isMatlab = (bytes: Uint8Array): boolean =>
  [..."MATLAB"].every((character, i) => bytes[i] === character.charCodeAt(0));

/** Types of elements with numbers. */
const numberTypes: Readonly<Record<number, ElementType>> = {
  1: "I8",
  2: "U8",
  3: "I16",
  4: "U16",
  5: "I32",
  6: "U32",
  7: "F32",
  9: "F64",
  12: "I64",
  13: "U64",
};
const matrixType = 14;
const compressedType = 15;
const textTypes: Readonly<Record<number, string>> = { 16: "utf-8", 17: "utf-16le" };
const utf32Type = 18;

/** MATLAB's classes of matrices. */
const classes = { cell: 1, struct: 2, char: 4, double: 6, single: 7 } as const;
const isWholeNumber = (type: number) => type >= 8 && type <= 15;
const others: Readonly<Record<number, string>> = {
  3: "an object",
  5: "a sparse matrix",
  16: "a function",
  17: "an object",
};

const isComplex = 0x08;

/**
 * The variables of a file. Numbers are views if stored in their own type, aligned and uncompressed.
 * @param where the file's name, for errors
 * @throws SenetError `weights` (as a rejection) where it is damaged
 */
export async function parseMatlab5(bytes: Uint8Array, where: string): Promise<MatVariables> {
  const fail = damagedAt(where);
  if (!isMatlab(bytes) || bytes.length < headerBytes) {
    fail("this is not a file of MATLAB's", {
      expected: `its header of ${headerBytes} bytes`,
      found: `${bytes.length} bytes`,
    });
  }
  const order = String.fromCharCode(bytes[126]!, bytes[127]!);
  if (order !== "IM" || bytes[125] !== 1) {
    fail("the file is of another version or byte order", {
      expected: "version 5 or 7, little-endian",
      found: order === "MI" ? "big-endian" : `version ${bytes[125]}, ${shownName(order)}`,
      hint: "load it in MATLAB, and save it again",
    });
  }
  const variables = new Map<string, MatValue>();
  // Numbers may be stored as bytes and also compressed; weights hardly compress by more than half.
  const allowance = { left: 32 * bytes.length + 2 ** 24 };
  const file = new Elements(bytes, headerBytes, fail);
  while (!file.isAtEnd) {
    let element = file.next();
    if (element.type === compressedType) element = await unpacked(element.bytes, allowance, fail);
    if (element.type !== matrixType)
      fail("the file has something other than variables", {
        expected: `type ${matrixType} or ${compressedType}`,
        found: `type ${element.type}`,
      });
    const { name, value } = readMatrix(element.bytes, { fail, allowance }, 0);
    // MATLAB's metadata about objects, which come last.
    if (name === "") continue;
    if (variables.has(name)) {
      fail("the file has a variable twice", { expected: "each variable once", found: `${shownName(name)} again` });
    }
    variables.set(name, value);
  }
  return variables;
}

interface Element {
  readonly type: number;
  readonly bytes: Uint8Array;
}

interface Allowance {
  left: number;
}

/** Inflates a compressed element, which contains one element. */
async function unpacked(bytes: Uint8Array, allowance: Allowance, fail: FailWhole): Promise<Element> {
  const content = await inflate(
    bytes,
    "deflate",
    (start) => {
      const view = new DataView(start.buffer, start.byteOffset, 8);
      const size = view.getUint32(4, true);
      if (view.getUint16(2, true) !== 0) {
        const found = `${view.getUint16(2, true)} bytes of type ${view.getUint16(0, true)}`;
        fail("a compressed variable begins with no variable", { expected: `type ${matrixType}`, found });
      }
      spend(allowance, size, fail);
      return 8 + size;
    },
    fail,
  );
  return new Elements(content, 0, fail).next();
}

function spend(allowance: Allowance, bytes: number, fail: FailWhole): void {
  if (bytes > allowance.left) {
    fail("a variable unpacks to more than its file can hold", {
      expected: `at most ${allowance.left} bytes`,
      found: `${bytes}`,
    });
  }
  allowance.left -= bytes;
}

/** Reads a sequence of elements. */
class Elements {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #fail: FailWhole;
  #position: number;

  constructor(bytes: Uint8Array, start: number, fail: FailWhole) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#position = start;
    this.#fail = fail;
  }

  get isAtEnd(): boolean {
    return this.#position === this.#bytes.length;
  }

  /** Number of remaining bytes. */
  get left(): number {
    return this.#bytes.length - this.#position;
  }

  next(): Element {
    const at = this.#position;
    if (this.left < 8) {
      this.#fail("an element is cut short", { expected: "a tag of 8 bytes", found: `${this.left} bytes left` });
    }
    const type = this.#view.getUint16(at, true);
    const small = this.#view.getUint16(at + 2, true);
    if (small !== 0) {
      if (small > 4) {
        this.#fail("an element's tag is damaged", { expected: "at most 4 bytes beside it", found: `${small}` });
      }
      this.#position += 8;
      return { type, bytes: this.#bytes.subarray(at + 4, at + 4 + small) };
    }
    const length = this.#view.getUint32(at + 4, true);
    // Compressed elements have no padding, and some writers omit it at the end.
    const padded = type === compressedType ? length : Math.min(Math.ceil(length / 8) * 8, this.left - 8);
    if (length > this.left - 8) {
      this.#fail("an element is cut short", { expected: `${length} bytes`, found: `${this.left - 8}` });
    }
    this.#position += 8 + padded;
    return { type, bytes: this.#bytes.subarray(at + 8, at + 8 + length) };
  }

  /** The next element as 32-bit integers. */
  integers(what: string): readonly number[] {
    const { type, bytes } = this.next();
    if ((type !== 5 && type !== 6) || bytes.length % 4 !== 0) {
      this.#fail(`${what} cannot be read`, {
        expected: "32-bit integers",
        found: `type ${type}, ${bytes.length} bytes`,
      });
    }
    const data = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    return Array.from({ length: bytes.length / 4 }, (_, i) => data.getInt32(i * 4, true));
  }
}

interface Reading {
  readonly fail: FailWhole;
  readonly allowance: Allowance;
}

const empty: MatValue = { kind: "numbers", shape: [0, 0], data: new Float64Array() };
const latin1 = new TextDecoder("latin1");

function readMatrix(bytes: Uint8Array, reading: Reading, depth: number): { name: string; value: MatValue } {
  const { fail } = reading;
  // An empty cell or field may contain nothing at all.
  if (bytes.length === 0) return { name: "", value: empty };
  if (depth > deepest) failDeep(fail);
  const elements = new Elements(bytes, 0, fail);
  const [flags = 0] = elements.integers("a variable's flags");
  const type = flags & 0xff;
  if (type === 17) {
    // An object has a name, then undocumented data.
    return { name: latin1.decode(elements.next().bytes), value: { kind: "other", what: "an object" } };
  }
  const shape = elements.integers("a variable's dimensions");
  if (shape.length < 2 || shape.length > 32 || shape.some((extent) => extent < 0)) {
    fail("a variable's dimensions are damaged", {
      expected: "2 to 32 extents of 0 or more",
      found: `[${shape.slice(0, 8).join(", ")}]`,
    });
  }
  const name = latin1.decode(elements.next().bytes);
  const at: FailWhole = (what, details) => fail(name === "" ? what : `${shownName(name)}: ${what}`, details);
  const other = others[type];
  if (other !== undefined) return { name, value: { kind: "other", what: other } };
  const inner = { ...reading, fail: at };
  switch (type) {
    case classes.cell:
      return { name, value: { kind: "cell", items: readItems(elements, sizeOf(shape), inner, depth) } };
    case classes.struct:
      return { name, value: readStructs(elements, sizeOf(shape), inner, depth) };
    case classes.char:
      return { name, value: { kind: "text", text: textOf(elements.next(), at) } };
  }
  if (type !== classes.double && type !== classes.single && !isWholeNumber(type)) {
    at("a variable is of an unknown class", { expected: "1 to 17", found: `${type}` });
  }
  if (((flags >> 8) & isComplex) !== 0) return { name, value: { kind: "other", what: "complex numbers" } };
  return { name, value: { kind: "numbers", shape, data: numbersOf(elements.next(), type, shape, inner) } };
}

/** Reads `count` matrices; each takes at least its tag. */
function readItems(elements: Elements, count: number, reading: Reading, depth: number): MatValue[] {
  if (count > elements.left / 8) {
    reading.fail("there are fewer values than the dimensions say", {
      expected: `${count}`,
      found: `${elements.left} bytes`,
    });
  }
  return Array.from({ length: count }, () => {
    const { type, bytes } = elements.next();
    if (type !== matrixType) {
      reading.fail("a cell or field is not a value", { expected: `type ${matrixType}`, found: `type ${type}` });
    }
    return readMatrix(bytes, reading, depth + 1).value;
  });
}

function readStructs(elements: Elements, size: number, reading: Reading, depth: number): MatValue {
  const { fail } = reading;
  const [width = 0] = elements.integers("the length of the fields' names");
  const { bytes } = elements.next();
  if (width <= 0 || bytes.length % width !== 0) {
    fail("the fields' names are damaged", {
      expected: "names of one length",
      found: `${bytes.length} bytes by ${width}`,
    });
  }
  const names = Array.from({ length: bytes.length / width }, (_, i) =>
    latin1.decode(bytes.subarray(i * width, i * width + width)).replace(/\0.*$/s, ""),
  );
  if (new Set(names).size !== names.length) {
    const found = names.slice(0, 5).map(shownName).join(", ");
    fail("two fields have one name", { expected: "a name for each field", found });
  }
  if (names.length === 0) return { kind: "struct", size: 0, fields: new Map() };
  const items = readItems(elements, size * names.length, reading, depth);
  const fields = new Map(names.map((name, field) => [name, items.filter((_, i) => i % names.length === field)]));
  return { kind: "struct", size, fields };
}

function textOf({ type, bytes }: Element, fail: FailWhole): string {
  const encoding = textTypes[type];
  if (encoding !== undefined) return new TextDecoder(encoding).decode(bytes);
  const number = type === utf32Type ? "U32" : numberTypes[type];
  if (number === undefined || bytes.length % elementBytes[number] !== 0) {
    return fail("text is stored in an unknown way", {
      expected: "UTF-8, 16 or 32, or numbers of characters",
      found: `type ${type}, ${bytes.length} bytes`,
    });
  }
  const codes = Uint16Array.from(readAnyElements(number, bytes, 0, bytes.length / elementBytes[number]));
  return new TextDecoder("utf-16le").decode(codes);
}

/** The stored type may be smaller than that of the class. */
function numbersOf({ type, bytes }: Element, kind: number, shape: Shape, reading: Reading): TensorData {
  const stored = numberTypes[type];
  const size = sizeOf(shape);
  if (stored === undefined || bytes.length !== size * elementBytes[stored]) {
    return reading.fail("numbers do not fill their dimensions", {
      expected: `${size} numbers for [${shape.join(", ")}]`,
      found: `${bytes.length} bytes of type ${type}`,
    });
  }
  const width = kind === classes.double ? 8 : 4;
  if (width > elementBytes[stored]) spend(reading.allowance, size * width, reading.fail);
  const data = readAnyElements(stored, bytes, 0, size);
  if (kind === classes.double) return data instanceof Float64Array ? data : Float64Array.from(data);
  if (kind === classes.single) return data instanceof Float32Array ? data : Float32Array.from(data);
  return data;
}
