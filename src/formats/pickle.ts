/**
 * A restricted interpreter for Python pickles: a stack machine that builds lists, dicts and scalars. Nothing in a file is
 * ever executed or looked up: any name that its host does not handle stays an inert object that records what it was
 * built from, since checkpoints contain optimisers, schedulers, options and whole modules next to the weights.
 *
 * Opcodes: https://github.com/python/cpython/blob/main/Lib/pickletools.py, protocols 0 to 5.
 */

import type { Fail } from "./bytes.ts";
import { PickleReader } from "./pickle-reader.ts";
import { PickleDict, PickleGlobal, PickleObject, type PickleValue } from "./pickle-values.ts";

export interface PickleHost {
  /** The result of a call to this name; undefined if the host does not know it, so that it stays inert. */
  call(name: string, args: readonly PickleValue[], fail: Fail): PickleValue | undefined;
  /** The object that the file stores outside the pickle. */
  persistent(id: PickleValue, fail: Fail): PickleValue;
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
  readonly #in: PickleReader;
  /** Bytes of the file. */
  readonly #size: number;
  readonly #host: PickleHost;
  readonly #fail: Fail;
  readonly #stack: PickleValue[] = [];
  /** By number; not a Map, since hostile numbers could all have the same hash. */
  readonly #memo: PickleValue[] = [];
  #memoised = 0;
  #containers = 0;

  constructor(bytes: Uint8Array, start: number, host: PickleHost, fail: Fail) {
    this.#in = new PickleReader(bytes, start, fail);
    this.#size = bytes.length;
    this.#host = host;
    this.#fail = this.#in.fail;
  }

  run(): Unpickled {
    const most = mostOpcodes(this.#size);
    for (let count = 0; count < most; count++) {
      const opcode = this.#in.uint8();
      if (opcode === 0x2e) {
        if (this.#stack.length !== 1) this.#fail("the pickle does not end with one value");
        return { value: this.#pop(), end: this.#in.position };
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
        const protocol = this.#in.uint8();
        if (protocol > 5)
          this.#fail("the pickle's protocol is not known", { expected: "0 to 5", found: `${protocol}` });
        return;
      }
      case 0x95: // FRAME: how much is read at once; says nothing about the values
        this.#in.uint64();
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
        stack.push(this.#in.int32());
        return;
      case 0x4b: // BININT1
        stack.push(this.#in.uint8());
        return;
      case 0x4d: // BININT2
        stack.push(this.#in.uint16());
        return;
      case 0x8a: // LONG1
        stack.push(this.#in.long(this.#in.uint8()));
        return;
      case 0x8b: // LONG4
        stack.push(this.#in.long(this.#in.uint32()));
        return;
      case 0x49: // INT
      case 0x4c: // LONG
      case 0x46: // FLOAT
        stack.push(this.#in.decimal());
        return;
      case 0x47: // BINFLOAT
        stack.push(this.#in.float64());
        return;

      case 0x53: // STRING: a literal in quotes
        stack.push(this.#in.line().slice(1, -1));
        return;
      case 0x56: // UNICODE
        stack.push(this.#in.line());
        return;
      case 0x55: // SHORT_BINSTRING: Python 2's str, which may be bytes
      case 0x8c: // SHORT_BINUNICODE
        stack.push(this.#in.text(this.#in.uint8()));
        return;
      case 0x54: // BINSTRING
      case 0x58: // BINUNICODE
        stack.push(this.#in.text(this.#in.uint32()));
        return;
      case 0x8d: // BINUNICODE8
        stack.push(this.#in.text(this.#in.uint64()));
        return;
      case 0x43: // SHORT_BINBYTES
        stack.push(this.#in.chunk(this.#in.uint8()));
        return;
      case 0x42: // BINBYTES
        stack.push(this.#in.chunk(this.#in.uint32()));
        return;
      case 0x8e: // BINBYTES8
      case 0x96: // BYTEARRAY8
        stack.push(this.#in.chunk(this.#in.uint64()));
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
        this.#memoise(this.#in.uint8());
        return;
      case 0x72: // LONG_BINPUT
        this.#memoise(this.#in.uint32());
        return;
      case 0x94: // MEMOIZE
        this.#memoise(this.#memoised);
        return;
      case 0x70: // PUT
        this.#memoise(Number(this.#in.line()));
        return;
      case 0x67: // GET
        this.#recall(Number(this.#in.line()));
        return;
      case 0x68: // BINGET
        this.#recall(this.#in.uint8());
        return;
      case 0x6a: // LONG_BINGET
        this.#recall(this.#in.uint32());
        return;

      case 0x63: {
        // GLOBAL
        const module = this.#in.line();
        stack.push(new PickleGlobal(`${module}.${this.#in.line()}`));
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
        const name = `${this.#in.line()}.${this.#in.line()}`;
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
        stack.push(this.#host.persistent(this.#in.line(), this.#fail));
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
    if (!(index < mostOpcodes(this.#size))) this.#fail("the pickle keeps a value under an impossible number");
    if (this.#memo[index] === undefined) this.#memoised++;
    this.#memo[index] = this.#top();
  }

  #recall(index: number): void {
    const value = this.#memo[index];
    if (value === undefined) this.#fail("the pickle uses a value that it has not kept", { found: `number ${index}` });
    this.#stack.push(value);
  }

  #container(): void {
    const most = mostContainers(this.#size);
    if (++this.#containers > most) this.#fail(`the pickle has more than ${most} objects`);
  }

  #pushContainer(value: PickleValue): void {
    this.#container();
    this.#stack.push(value);
  }
}
