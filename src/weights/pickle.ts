/**
 * Python's pickles, restricted: a stack machine that builds lists, dicts and scalars, and calls nothing but what its
 * host allows by name. Nothing of a file is ever executed or looked up.
 *
 * Opcodes are those of https://github.com/python/cpython/blob/main/Lib/pickletools.py; binary ones only (protocols 2 to
 * 5), since nothing that saves weights writes the older text form.
 */

import { type Fail, fetchAgain, shownName } from "./bytes.ts";

/** What a pickle builds: None is null, lists and tuples are arrays, dicts are Maps; the host adds values of its own. */
export type PickleValue = unknown;

export interface PickleHost {
  /** Whether a pickle may name this (`collections.OrderedDict`); all others are refused before anything is made of them. */
  allows(name: string): boolean;
  /** The result of a call of something that is allowed. */
  call(name: string, args: readonly PickleValue[], fail: Fail): PickleValue;
  /** The object that a file keeps outside of the pickle. */
  persistent(id: PickleValue, fail: Fail): PickleValue;
}

/** Something that is called by its name. */
export class PickleGlobal {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

/**
 * A tensor takes some sixty opcodes and six containers: these are limits of twenty thousand tensors and more, and keep
 * one-byte opcodes from filling the memory.
 */
const mostOpcodes = 2_000_000;
const mostContainers = 300_000;

/** Marks a place on the stack. */
const mark = Symbol("mark");

export interface Unpickled {
  readonly value: PickleValue;
  /** Where the pickle ends: the next byte. */
  readonly end: number;
}

/**
 * Runs the pickle that starts at `start`.
 * @throws through `fail` where it is damaged, names what the host does not allow, or is too large for weights
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
  readonly #memo = new Map<number, PickleValue>();
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
    for (let count = 0; count < mostOpcodes; count++) {
      const opcode = this.#bytes[this.#advance(1)]!;
      if (opcode === 0x2e) {
        if (this.#stack.length !== 1) this.#fail("the pickle does not end with one value");
        return { value: this.#pop(), end: this.#position };
      }
      this.#step(opcode);
    }
    return this.#fail(`the pickle has more than ${mostOpcodes} opcodes: it does not hold weights alone`);
  }

  #step(opcode: number): void {
    const stack = this.#stack;
    switch (opcode) {
      case 0x80: {
        // PROTO
        const protocol = this.#uint8();
        if (protocol > 5)
          this.#fail("the pickle's protocol is not known", { expected: "2 to 5", found: `${protocol}` });
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
      case 0x47: // BINFLOAT, the one big-endian number
        stack.push(this.#view.getFloat64(this.#advance(8), false));
        return;

      case 0x55: // SHORT_BINSTRING: Python 2's str
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
        this.#pushContainer(new Map());
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
        const items = this.#popToMark();
        const dict = new Map<PickleValue, PickleValue>();
        this.#pushContainer(dict);
        this.#setItems(dict, items);
        return;
      }
      case 0x61: {
        // APPEND
        const item = this.#pop();
        this.#list().push(item);
        return;
      }
      case 0x65: {
        // APPENDS
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
        this.#memo.set(this.#uint8(), this.#top());
        return;
      case 0x72: // LONG_BINPUT
        this.#memo.set(this.#view.getUint32(this.#advance(4), true), this.#top());
        return;
      case 0x94: // MEMOIZE
        this.#memo.set(this.#memo.size, this.#top());
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
        this.#pushGlobal(`${module}.${this.#line()}`);
        return;
      }
      case 0x93: {
        // STACK_GLOBAL
        const name = this.#pop();
        const module = this.#pop();
        if (typeof module !== "string" || typeof name !== "string") this.#fail("a global's name is no string");
        this.#pushGlobal(`${module}.${name}`);
        return;
      }
      case 0x52: // REDUCE
      case 0x81: {
        // NEWOBJ
        const args = this.#pop();
        const callee = this.#pop();
        if (!(callee instanceof PickleGlobal) || !Array.isArray(args))
          this.#fail("the pickle calls what is no function");
        this.#container();
        stack.push(this.#host.call(callee.name, args, this.#fail));
        return;
      }
      case 0x62: // BUILD: attributes of an OrderedDict (a state_dict's _metadata), which hold no weights
        this.#pop();
        if (!(this.#top() instanceof Map)) this.#fail("the pickle sets attributes of what is no dict");
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

  /** Steps over `size` bytes and gives their start. */
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

  #text(length: number): string {
    const chunk = this.#chunk(length);
    try {
      return decoder.decode(chunk);
    } catch (cause) {
      return this.#fail("a string is not UTF-8", { cause });
    }
  }

  /** A little-endian integer in two's complement; a number where it fits one. */
  #long(length: number): number | bigint {
    const chunk = this.#chunk(length);
    let value = 0n;
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(chunk[i]!);
    value = BigInt.asIntN(8 * length, value);
    const narrow = Number(value);
    return Number.isSafeInteger(narrow) ? narrow : value;
  }

  /** A line of a global's name. */
  #line(): string {
    const start = this.#position;
    const end = this.#bytes.subarray(start, start + 256).indexOf(0x0a);
    if (end < 0) this.#fail("a global's name has no end");
    this.#position = start + end + 1;
    try {
      return decoder.decode(this.#bytes.subarray(start, start + end));
    } catch (cause) {
      return this.#fail("a global's name is not UTF-8", { cause });
    }
  }

  #pop(): PickleValue {
    if (this.#stack.length === 0) this.#fail("the pickle takes more from its stack than there is");
    const value = this.#stack.pop();
    if (value === mark) this.#fail("the pickle takes a mark for a value");
    return value;
  }

  #top(): PickleValue {
    const value = this.#stack.at(-1);
    if (value === undefined || value === mark) this.#fail("the pickle uses a value that is not there");
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
    return Array.isArray(list) ? list : this.#fail("the pickle appends to what is no list");
  }

  #dict(): Map<PickleValue, PickleValue> {
    const dict = this.#top();
    return dict instanceof Map ? dict : this.#fail("the pickle sets items of what is no dict");
  }

  #setItems(dict: Map<PickleValue, PickleValue>, items: readonly PickleValue[]): void {
    if (items.length % 2 !== 0) this.#fail("the pickle sets a key without a value");
    for (let i = 0; i < items.length; i += 2) dict.set(items[i], items[i + 1]);
  }

  #recall(index: number): void {
    if (!this.#memo.has(index))
      this.#fail("the pickle uses a value that it has not kept", { found: `number ${index}` });
    this.#stack.push(this.#memo.get(index));
  }

  #container(): void {
    if (++this.#containers > mostContainers) this.#fail(`the pickle has more than ${mostContainers} objects`);
  }

  #pushContainer(value: PickleValue): void {
    this.#container();
    this.#stack.push(value);
  }

  #pushGlobal(name: string): void {
    if (!this.#host.allows(name)) {
      this.#fail(`the pickle names ${shownName(name)}, which could run code and is not allowed`, {
        expected: "tensors in dicts and lists",
        hint: "save the weights alone: torch.save(model.state_dict(), FILE), or as safetensors",
      });
    }
    this.#stack.push(new PickleGlobal(name));
  }
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
