/**
 * A restricted interpreter for Python pickles: a stack machine that builds lists, dicts and scalars. Nothing in a file is
 * ever executed or looked up: any name that its host does not handle stays an inert object that records what it was
 * built from, since checkpoints contain optimisers, schedulers, options and whole modules next to the weights.
 *
 * Opcodes: https://github.com/python/cpython/blob/main/Lib/pickletools.py, protocols 0 to 5.
 */

import { type Fail, fetchAgain } from "./bytes.ts";

/** Values in a pickle: None is null, lists and tuples are arrays; the host adds values of its own. */
export type PickleValue = unknown;

export interface PickleHost {
  /** The result of a call to this name; undefined if the host does not know it, so that it stays inert. */
  call(name: string, args: readonly PickleValue[], fail: Fail): PickleValue | undefined;
  /** The object that the file stores outside the pickle. */
  persistent(id: PickleValue, fail: Fail): PickleValue;
}

/** A class or function referred to by name. */
export class PickleGlobal {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

/** A dict as a list of pairs. Not a Map: most are never read, and hostile keys could all have the same hash. */
export class PickleDict {
  /** Alternating keys and values. */
  readonly entries: PickleValue[];
  constructor(entries: PickleValue[] = []) {
    this.entries = entries;
  }

  get size(): number {
    return this.entries.length / 2;
  }

  /** The last value set for this key. */
  get(key: string): PickleValue {
    const { entries } = this;
    for (let i = entries.length - 2; i >= 0; i -= 2) if (entries[i] === key) return entries[i + 1];
    return undefined;
  }

  *pairs(): Generator<readonly [key: PickleValue, value: PickleValue]> {
    for (let i = 0; i < this.entries.length; i += 2) yield [this.entries[i], this.entries[i + 1]];
  }
}

/** The record of what would be an instance or the result of a call in Python. */
export class PickleObject {
  readonly name: string;
  readonly args: readonly PickleValue[];
  /** The state set by BUILD, usually a dict of attributes. */
  state: PickleValue = null;
  /** For dict and list subclasses, the items set and appended. */
  dict: PickleDict | undefined = undefined;
  list: PickleValue[] | undefined = undefined;

  constructor(name: string, args: readonly PickleValue[]) {
    this.name = name;
    this.args = args;
  }
}

/** The attributes of an object, or its items if it is a dict. */
export function attributesOf(value: PickleValue): PickleDict | undefined {
  if (value instanceof PickleDict) return value;
  if (!(value instanceof PickleObject)) return undefined;
  if (value.dict !== undefined) return value.dict;
  // For a class with slots, a pair of ordinary attributes and slots.
  const parts = Array.isArray(value.state) ? value.state : [value.state];
  return parts.find((part) => part instanceof PickleDict);
}

/**
 * A tensor takes some sixty opcodes and six containers: these limits allow twenty thousand tensors and more, and keep
 * one-byte opcodes from filling memory. Longer pickles (lists of pictures, a history of losses) may have more.
 */
const mostOpcodes = (bytes: number) => Math.max(2_000_000, bytes / 4);
const mostContainers = (bytes: number) => Math.max(200_000, bytes / 16);

/** A mark on the stack. */
const mark = Symbol("mark");

export interface Unpickled {
  readonly value: PickleValue;
  /** Index of the byte after the pickle. */
  readonly end: number;
}

/**
 * Interprets the pickle at `start`.
 * @throws through `fail` where it is damaged or too large for weights
 */
export function unpickle(bytes: Uint8Array, start: number, host: PickleHost, fail: Fail): Unpickled {
  return new Machine(bytes, start, host, fail).run();
}

class Machine {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #host: PickleHost;
  readonly #fail: Fail;
  readonly #stack: PickleValue[] = [];
  /** By number; not a Map, since hostile numbers could all have the same hash. */
  readonly #memo: PickleValue[] = [];
  #memoised = 0;
  #position: number;
  #containers = 0;

  constructor(bytes: Uint8Array, start: number, host: PickleHost, fail: Fail) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#position = start;
    this.#host = host;
    this.#fail = (what, details) => fail(`${what} (byte ${this.#position})`, { hint: fetchAgain, ...details });
  }

  run(): Unpickled {
    const most = mostOpcodes(this.#bytes.length);
    for (let count = 0; count < most; count++) {
      const opcode = this.#bytes[this.#advance(1)]!;
      if (opcode === 0x2e) {
        if (this.#stack.length !== 1) this.#fail("the pickle does not end with one value");
        return { value: this.#pop(), end: this.#position };
      }
      this.#step(opcode);
    }
    return this.#fail(`the pickle has more than ${most} opcodes: it does not hold weights alone`);
  }

  #step(opcode: number): void {
    const stack = this.#stack;
    switch (opcode) {
      case 0x80: {
        // PROTO
        const protocol = this.#uint8();
        if (protocol > 5)
          this.#fail("the pickle's protocol is not known", { expected: "0 to 5", found: `${protocol}` });
        return;
      }
      case 0x95: // FRAME: how much is read at once; says nothing about the values
        this.#length(8);
        return;
      case 0x28: // MARK
        stack.push(mark);
        return;
      case 0x30: // POP
        this.#pop();
        return;
      case 0x31: // POP_MARK
        this.#popToMark();
        return;
      case 0x32: // DUP
        stack.push(this.#top());
        return;

      case 0x4e: // NONE
        stack.push(null);
        return;
      case 0x88: // NEWTRUE
        stack.push(true);
        return;
      case 0x89: // NEWFALSE
        stack.push(false);
        return;
      case 0x4a: // BININT
        stack.push(this.#view.getInt32(this.#advance(4), true));
        return;
      case 0x4b: // BININT1
        stack.push(this.#uint8());
        return;
      case 0x4d: // BININT2
        stack.push(this.#view.getUint16(this.#advance(2), true));
        return;
      case 0x8a: // LONG1
        stack.push(this.#long(this.#uint8()));
        return;
      case 0x8b: // LONG4
        stack.push(this.#long(this.#length(4)));
        return;
      case 0x49: // INT: of protocols 0 and 1, which write numbers as lines; booleans are 00 and 01
      case 0x4c: // LONG
      case 0x46: // FLOAT
        stack.push(this.#number(this.#line()));
        return;
      case 0x47: // BINFLOAT, the one big-endian number
        stack.push(this.#view.getFloat64(this.#advance(8), false));
        return;

      case 0x53: // STRING: a literal in quotes
        stack.push(this.#line().slice(1, -1));
        return;
      case 0x56: // UNICODE
        stack.push(this.#line());
        return;
      case 0x55: // SHORT_BINSTRING: Python 2's str, which may be bytes
      case 0x8c: // SHORT_BINUNICODE
        stack.push(this.#text(this.#uint8()));
        return;
      case 0x54: // BINSTRING
      case 0x58: // BINUNICODE
        stack.push(this.#text(this.#length(4)));
        return;
      case 0x8d: // BINUNICODE8
        stack.push(this.#text(this.#length(8)));
        return;
      case 0x43: // SHORT_BINBYTES
        stack.push(this.#chunk(this.#uint8()));
        return;
      case 0x42: // BINBYTES
        stack.push(this.#chunk(this.#length(4)));
        return;
      case 0x8e: // BINBYTES8
      case 0x96: // BYTEARRAY8
        stack.push(this.#chunk(this.#length(8)));
        return;

      case 0x29: // EMPTY_TUPLE
      case 0x5d: // EMPTY_LIST
        this.#pushContainer([]);
        return;
      case 0x7d: // EMPTY_DICT
        this.#pushContainer(new PickleDict());
        return;
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: {
        // TUPLE3
        const items = [this.#pop()];
        for (let i = opcode; i > 0x85; i--) items.unshift(this.#pop());
        this.#pushContainer(items);
        return;
      }
      case 0x74: // TUPLE
      case 0x6c: // LIST
        this.#pushContainer(this.#popToMark());
        return;
      case 0x64: {
        // DICT
        const dict = new PickleDict();
        this.#setItems(dict, this.#popToMark());
        this.#pushContainer(dict);
        return;
      }
      case 0x8f: // EMPTY_SET
        this.#pushContainer(new PickleObject("builtins.set", []));
        return;
      case 0x91: // FROZENSET
        this.#pushContainer(new PickleObject("builtins.frozenset", this.#popToMark()));
        return;
      case 0x61: {
        // APPEND
        const item = this.#pop();
        this.#list().push(item);
        return;
      }
      case 0x65: // APPENDS
      case 0x90: {
        // ADDITEMS, to a set
        const items = this.#popToMark();
        const list = this.#list();
        for (const item of items) list.push(item);
        return;
      }
      case 0x73: {
        // SETITEM
        const value = this.#pop();
        const key = this.#pop();
        this.#setItems(this.#dict(), [key, value]);
        return;
      }
      case 0x75: {
        // SETITEMS
        const items = this.#popToMark();
        this.#setItems(this.#dict(), items);
        return;
      }

      case 0x71: // BINPUT
        this.#memoise(this.#uint8());
        return;
      case 0x72: // LONG_BINPUT
        this.#memoise(this.#view.getUint32(this.#advance(4), true));
        return;
      case 0x94: // MEMOIZE
        this.#memoise(this.#memoised);
        return;
      case 0x70: // PUT
        this.#memoise(Number(this.#line()));
        return;
      case 0x67: // GET
        this.#recall(Number(this.#line()));
        return;
      case 0x68: // BINGET
        this.#recall(this.#uint8());
        return;
      case 0x6a: // LONG_BINGET
        this.#recall(this.#view.getUint32(this.#advance(4), true));
        return;

      case 0x63: {
        // GLOBAL
        const module = this.#line();
        stack.push(new PickleGlobal(`${module}.${this.#line()}`));
        return;
      }
      case 0x93: {
        // STACK_GLOBAL
        const name = this.#pop();
        const module = this.#pop();
        if (typeof module !== "string" || typeof name !== "string") this.#fail("a global's name is not a string");
        stack.push(new PickleGlobal(`${module}.${name}`));
        return;
      }
      case 0x52: // REDUCE
      case 0x81: {
        // NEWOBJ
        const args = this.#pop();
        this.#call(this.#pop(), args);
        return;
      }
      case 0x92: {
        // NEWOBJ_EX: with arguments by name, which nothing that we know has
        this.#pop();
        const args = this.#pop();
        this.#call(this.#pop(), args);
        return;
      }
      case 0x69: {
        // INST
        const name = `${this.#line()}.${this.#line()}`;
        this.#call(new PickleGlobal(name), this.#popToMark());
        return;
      }
      case 0x6f: {
        // OBJ
        const [callee, ...args] = this.#popToMark();
        this.#call(callee, args);
        return;
      }
      case 0x62: {
        // BUILD: attributes; those of a dict (a state_dict's _metadata) and of a tensor hold no weights
        const state = this.#pop();
        const built = this.#top();
        if (built instanceof PickleObject) built.state = state;
        return;
      }
      case 0x50: // PERSID
        stack.push(this.#host.persistent(this.#line(), this.#fail));
        return;
      case 0x51: // BINPERSID
        this.#container();
        stack.push(this.#host.persistent(this.#pop(), this.#fail));
        return;

      default:
        this.#fail(`the pickle has an opcode that no weights need`, {
          found: `0x${opcode.toString(16).padStart(2, "0")}`,
        });
    }
  }

  /** Skips `size` bytes and returns their start. */
  #advance(size: number): number {
    const start = this.#position;
    if (size > this.#bytes.length - start) this.#fail("the pickle is cut short");
    this.#position += size;
    return start;
  }

  #uint8(): number {
    return this.#bytes[this.#advance(1)]!;
  }

  #length(size: 4 | 8): number {
    const start = this.#advance(size);
    const length = size === 4 ? this.#view.getUint32(start, true) : Number(this.#view.getBigUint64(start, true));
    return length;
  }

  #chunk(length: number): Uint8Array {
    const start = this.#advance(length);
    return this.#bytes.subarray(start, start + length);
  }

  /** Text that is not UTF-8 (Python 2's bytes, file names in other encodings) is never a tensor's name. */
  #text(length: number): string {
    return decoder.decode(this.#chunk(length));
  }

  /**
   * A little-endian two's complement integer; a number if it fits. Integers beyond 128 bits (states of random
   * generators) are not needed and would take long.
   */
  #long(length: number): number | bigint | PickleObject {
    const chunk = this.#chunk(length);
    if (length > 16) return new PickleObject("builtins.int", []);
    let value = 0n;
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(chunk[i]!);
    return narrow(BigInt.asIntN(8 * length, value));
  }

  /** A number in protocols 0 and 1. */
  #number(line: string): number | bigint | boolean | PickleObject {
    if (line === "00" || line === "01") return line === "01";
    const digits = /^[-+]?\d+L?$/.test(line) ? line.replace("L", "") : undefined;
    if (digits === undefined) return Number(line);
    return digits.length > 40 ? new PickleObject("builtins.int", []) : narrow(BigInt(digits.replace("+", "")));
  }

  /** The rest of a line. */
  #line(): string {
    const start = this.#position;
    const end = this.#bytes.indexOf(0x0a, start);
    if (end < 0) this.#fail("a line of the pickle has no end");
    this.#position = end + 1;
    return decoder.decode(this.#bytes.subarray(start, end));
  }

  #pop(): PickleValue {
    if (this.#stack.length === 0) this.#fail("the pickle takes more from its stack than there is");
    const value = this.#stack.pop();
    if (value === mark) this.#fail("the pickle takes a mark for a value");
    return value;
  }

  #top(): PickleValue {
    const value = this.#stack.at(-1);
    if (value === undefined || value === mark) this.#fail("the pickle uses a value that it never stored");
    return value;
  }

  #popToMark(): PickleValue[] {
    const start = this.#stack.lastIndexOf(mark);
    if (start < 0) this.#fail("the pickle has no mark where one is needed");
    const items = this.#stack.splice(start);
    items.shift();
    return items;
  }

  #list(): PickleValue[] {
    const list = this.#top();
    if (Array.isArray(list)) return list;
    if (!(list instanceof PickleObject)) return this.#fail("the pickle appends to something that is not a list");
    list.list ??= [];
    return list.list;
  }

  #dict(): PickleDict {
    const dict = this.#top();
    if (dict instanceof PickleDict) return dict;
    if (!(dict instanceof PickleObject)) return this.#fail("the pickle sets items of something that is not a dict");
    dict.dict ??= new PickleDict();
    return dict.dict;
  }

  #setItems(dict: PickleDict, items: readonly PickleValue[]): void {
    if (items.length % 2 !== 0) this.#fail("the pickle sets a key without a value");
    for (const item of items) dict.entries.push(item);
  }

  #call(callee: PickleValue, args: PickleValue): void {
    if (!(callee instanceof PickleGlobal || callee instanceof PickleObject) || !Array.isArray(args))
      this.#fail("the pickle calls something that is not a function");
    this.#container();
    const made = callee instanceof PickleGlobal ? this.#host.call(callee.name, args, this.#fail) : undefined;
    this.#stack.push(made ?? new PickleObject(callee.name, args));
  }

  #memoise(index: number): void {
    // Picklers count them.
    if (!(index < mostOpcodes(this.#bytes.length))) this.#fail("the pickle keeps a value under an impossible number");
    if (this.#memo[index] === undefined) this.#memoised++;
    this.#memo[index] = this.#top();
  }

  #recall(index: number): void {
    const value = this.#memo[index];
    if (value === undefined) this.#fail("the pickle uses a value that it has not kept", { found: `number ${index}` });
    this.#stack.push(value);
  }

  #container(): void {
    const most = mostContainers(this.#bytes.length);
    if (++this.#containers > most) this.#fail(`the pickle has more than ${most} objects`);
  }

  #pushContainer(value: PickleValue): void {
    this.#container();
    this.#stack.push(value);
  }
}

const narrow = (value: bigint): number | bigint => (Number.isSafeInteger(Number(value)) ? Number(value) : value);

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
