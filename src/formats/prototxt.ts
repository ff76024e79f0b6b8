/**
 * Reads Caffe's network definitions: protobuf's text format (https://protobuf.dev/reference/protobuf/textformat-spec/)
 * as a plain tree. The tree needs no schema, and binary definitions in a caffemodel become the same tree, so that one
 * reader of layers serves both.
 */

import { decodeText } from "../text-file.ts";
import { type Fail, failAt, shownName } from "./bytes.ts";

/** An enum's value is its name, as a string. */
export type CaffeValue = string | number | boolean | CaffeMessage;

export interface CaffeMessage {
  /** The file and line (or layer), for errors. */
  readonly where: string;
  /** In file order; each has at least one value. */
  readonly fields: ReadonlyMap<string, readonly CaffeValue[]>;
}

/** Real files have up to 25,000 values; small ones must not become unlimited trees. */
export const mostValues = 200_000;

/** The depth limit of protobuf's own readers. */
const deepest = 100;

/**
 * Reads a `.prototxt`.
 * @param bytes UTF-8, or at least ASCII outside comments and strings; or UTF-16 with its mark, as PowerShell writes it
 * @param where the file's name, for errors
 * @throws SenetError `weights`, with line and column, where this is not the text format
 */
export function parsePrototxt(bytes: Uint8Array, where: string): CaffeMessage {
  return new Parser(decodeText(bytes), where).parse();
}

interface Kinds {
  readonly string: string;
  readonly number: number;
  readonly boolean: boolean;
  readonly message: CaffeMessage;
}

const kindOf = (value: CaffeValue): keyof Kinds => {
  const type = typeof value;
  return type === "string" || type === "number" || type === "boolean" ? type : "message";
};

/**
 * The values of a repeated field; empty if it is absent.
 * @throws SenetError `weights` where one has another type
 */
export function allOf<K extends keyof Kinds>(message: CaffeMessage, field: string, kind: K): Kinds[K][] {
  const values = message.fields.get(field) ?? [];
  for (const value of values) {
    if (kindOf(value) !== kind) {
      failAt(message.where)(`the field "${field}" is of another kind`, {
        expected: `a ${kind}`,
        found: kindOf(value) === "message" ? "a message" : shownName(String(value)),
      });
    }
  }
  return values as Kinds[K][];
}

/**
 * The value of a field that occurs at most once, or the fallback if it is absent.
 * @throws SenetError `weights` where it has another type or occurs more than once
 */
export function oneOf<K extends keyof Kinds, F>(
  message: CaffeMessage,
  field: string,
  kind: K,
  fallback: F,
): Kinds[K] | F {
  const values = allOf(message, field, kind);
  if (values.length > 1) failAt(message.where)(`the field "${field}" occurs ${values.length} times`);
  return values.length === 1 ? values[0]! : fallback;
}

const identifier = /[A-Za-z_][A-Za-z0-9_]*/y;
/** Unambiguous, so that matching takes linear time. */
const numeral = /0[xX][0-9a-fA-F]+|(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[fF]?/y;
/** Words allowed as numbers. */
const words: Readonly<Record<string, number>> = { inf: Infinity, infinity: Infinity, nan: Number.NaN };

const noFields: CaffeMessage["fields"] = new Map();

class Parser {
  readonly #text: string;
  readonly #where: string;
  #position = 0;
  #line = 1;
  #lineStart = 0;
  #values = 0;

  constructor(text: string, where: string) {
    this.#text = text;
    this.#where = where;
  }

  parse(): CaffeMessage {
    const message = this.#message(undefined, 0);
    return { ...message, where: this.#where };
  }

  /** Fields up to the closing bracket, or to the end of the text. */
  #message(close: ">" | "}" | undefined, depth: number): CaffeMessage {
    const where = `${this.#where}:${this.#line}`;
    if (depth > deepest) this.#fail(`messages are nested more than ${deepest} deep`);
    // Only for a message with fields: an empty Map takes far more memory than `{}` takes of a file.
    let fields: Map<string, CaffeValue[]> | undefined;
    for (;;) {
      const character = this.#peek();
      if (character === undefined) {
        if (close !== undefined) this.#fail("the text ends inside a message", { expected: `"${close}"` });
        return { where, fields: fields ?? noFields };
      }
      if (character === close) {
        this.#position++;
        return { where, fields: fields ?? noFields };
      }
      const name = this.#match(identifier);
      if (name === undefined) {
        this.#fail("a field name is missing here", {
          expected: close === undefined ? "a name" : `a name or "${close}"`,
          found: this.#shown(),
        });
      }
      fields ??= new Map();
      let values = fields.get(name);
      if (values === undefined) {
        values = [];
        fields.set(name, values);
      }
      this.#fieldValues(values, depth);
      if (this.#peek() === "," || this.#peek() === ";") this.#position++;
    }
  }

  #fieldValues(values: CaffeValue[], depth: number): void {
    const colon = this.#peek() === ":";
    if (colon) this.#position++;
    const first = this.#peek();
    if (first === "[") {
      this.#position++;
      if (this.#peek() === "]") this.#fail("a list is empty", { expected: "a value" });
      for (;;) {
        values.push(this.#value(colon, depth));
        const after = this.#peek();
        this.#position++;
        if (after === "]") return;
        if (after !== ",") {
          this.#position--;
          this.#fail("a list goes on without a comma", { expected: '"," or "]"', found: this.#shown() });
        }
      }
    }
    values.push(this.#value(colon, depth));
  }

  #value(mayBeScalar: boolean, depth: number): CaffeValue {
    if (++this.#values > mostValues) this.#fail(`there are more than ${mostValues} values`);
    const character = this.#peek();
    if (character === "{" || character === "<") {
      this.#position++;
      return this.#message(character === "{" ? "}" : ">", depth + 1);
    }
    if (!mayBeScalar) this.#fail("a field's value is missing", { expected: '":" or "{"', found: this.#shown() });
    if (character === '"' || character === "'") return this.#strings();
    if (character === "-") {
      this.#position++;
      this.#peek();
      return -this.#number(true);
    }
    const word = this.#match(identifier);
    if (word === undefined) return this.#number(false);
    // As in protobuf's own parser; none of Caffe's enums has these names.
    if (word === "true" || word === "True" || word === "t") return true;
    if (word === "false" || word === "False" || word === "f") return false;
    return numberWord(word) ?? word;
  }

  #number(negative: boolean): number {
    const start = this.#position;
    const word = negative ? this.#match(identifier) : undefined;
    if (word !== undefined) {
      const value = numberWord(word);
      if (value !== undefined) return value;
      this.#position = start;
    }
    const text = this.#match(numeral);
    if (text === undefined || /[A-Za-z0-9_.]/.test(this.#text[this.#position] ?? "")) {
      this.#position = start;
      return this.#fail("this is not a value", {
        expected: "a number, a string, a name or a message",
        found: this.#shown(),
      });
    }
    if (/^0[xX]/.test(text)) return Number.parseInt(text.slice(2), 16);
    if (/^0[0-9]+$/.test(text)) {
      if (/[89]/.test(text)) this.#fail("an octal number has another digit", { found: shownName(text) });
      return Number.parseInt(text, 8);
    }
    return Number.parseFloat(text);
  }

  /** Adjacent strings are concatenated. */
  #strings(): string {
    let all = "";
    for (;;) {
      const quote = this.#peek();
      if (quote !== '"' && quote !== "'") return all;
      all += this.#string(quote);
    }
  }

  #string(quote: string): string {
    const text = this.#text;
    const start = ++this.#position;
    let escaped = false;
    for (;;) {
      const character = text[this.#position];
      if (character === undefined || character === "\n") this.#fail("a string has no end", { expected: quote });
      if (character === quote) break;
      if (character === "\\") {
        escaped = true;
        this.#position++;
        if (text[this.#position] === undefined || text[this.#position] === "\n") continue;
      }
      this.#position++;
    }
    const raw = text.slice(start, this.#position++);
    return escaped ? unescaped(raw, (what) => this.#fail(what, { found: shownName(raw) })) : raw;
  }

  /** The next character that is not white space or comment. */
  #peek(): string | undefined {
    const text = this.#text;
    for (;;) {
      const character = text[this.#position];
      if (character === "#") {
        const end = text.indexOf("\n", this.#position);
        this.#position = end === -1 ? text.length : end;
      } else if (character !== undefined && " \t\r\n\f\v".includes(character)) {
        this.#position++;
        if (character === "\n") {
          this.#line++;
          this.#lineStart = this.#position;
        }
      } else return character;
    }
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#position;
    const match = pattern.exec(this.#text);
    if (match === null) return undefined;
    this.#position += match[0].length;
    return match[0];
  }

  #shown(): string {
    const rest = this.#text.slice(this.#position, this.#position + 20).split("\n")[0]!;
    return this.#position >= this.#text.length ? "the end of the text" : JSON.stringify(rest);
  }

  #fail(what: string, details?: { expected?: string; found?: string }): never {
    const column = this.#position - this.#lineStart + 1;
    return failAt(`${this.#where}:${this.#line}:${column}`)(what, details);
  }
}

function numberWord(word: string): number | undefined {
  const lower = word.toLowerCase();
  return Object.hasOwn(words, lower) ? words[lower] : undefined;
}

const simpleEscapes: Readonly<Record<string, number>> = {
  n: 10,
  t: 9,
  r: 13,
  a: 7,
  b: 8,
  f: 12,
  v: 11,
  "\\": 92,
  "'": 39,
  '"': 34,
  "?": 63,
};

/** Escapes are bytes, several of which may form one character in UTF-8. */
function unescaped(raw: string, fail: Fail): string {
  const encoder = new TextEncoder();
  // A UTF-16 unit takes at most three bytes, and an escape at most as many as it has characters.
  const bytes = new Uint8Array(raw.length * 3);
  let length = 0;
  const pieces = /[^\\]+|\\(?:([0-7]{1,3})|[xX]([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([\s\S]))/y;
  while (pieces.lastIndex < raw.length) {
    const match = pieces.exec(raw);
    if (match === null) return fail("a string ends in a backslash");
    const [piece, octal, hex, short, long, letter] = match;
    const point = short ?? long;
    if (octal !== undefined) bytes[length++] = Number.parseInt(octal, 8);
    else if (hex !== undefined) bytes[length++] = Number.parseInt(hex, 16);
    else if (letter !== undefined) {
      const code = Object.hasOwn(simpleEscapes, letter) ? simpleEscapes[letter] : undefined;
      if (code === undefined) return fail(`the escape \\${letter} is not known`);
      bytes[length++] = code;
    } else {
      const code = point === undefined ? 0 : Number.parseInt(point, 16);
      if (code > 0x10ffff) fail("an escape stands for no character");
      const text = point === undefined ? piece : String.fromCodePoint(code);
      length += encoder.encodeInto(text, bytes.subarray(length)).written;
    }
  }
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes.subarray(0, length));
}
