/** Strict parsing of the options of MXNet's operators: an unknown option may change what a layer computes. */

import { type FailWhole, shownName } from "../formats/bytes.ts";
import { type Extent, shortExtent } from "../ir/window.ts";

/** Options of all operators that only concern hardware or training. */
const ofTraining =
  /^(?:__\w+__|ctx_group|(?:\w+_)?(?:lr|wd)_mult|mirror_stage|force_mirroring|workspace|cudnn_\w+|name|dtype)$/;

export class MxnetOptions {
  readonly #options: ReadonlyMap<string, string>;
  readonly #fail: FailWhole;
  readonly #read = new Set<string>();

  constructor(options: ReadonlyMap<string, string>, fail: FailWhole) {
    this.#options = options;
    this.#fail = fail;
  }

  /** A word, or the default; `None` counts as missing. */
  word(key: string, usual: string): string {
    this.#read.add(key);
    const text = this.#options.get(key);
    return text === undefined || text === "None" ? usual : text;
  }

  flag(key: string, usual: boolean): boolean {
    const text = this.word(key, usual ? "True" : "False");
    if (!/^(?:True|False|true|false|1|0)$/.test(text)) this.#refuse(key, "True or False", text);
    return /^[Tt1]/.test(text);
  }

  number(key: string, usual: number): number {
    const text = this.word(key, `${usual}`);
    const value = /^[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?$/.test(text) ? Number(text) : Number.NaN;
    return Number.isFinite(value) ? value : this.#refuse(key, "a number", text);
  }

  /** @param usual the default; undefined if the option is required */
  whole(key: string, usual: number | undefined, least: number): number {
    const text = this.word(key, usual === undefined ? "" : `${usual}`);
    const value = /^\d{1,9}L?$/.test(text) ? Number.parseInt(text, 10) : Number.NaN;
    return value >= least ? value : this.#refuse(key, `a whole number from ${least} up`, text);
  }

  /** `(3, 3)`, rows and columns; empty: the default. */
  pair(key: string, usual: number | undefined, least: number): readonly [number, number] {
    const text = this.word(key, "()");
    const [, inside] = /^[([]([\dL,\s]*)[)\]]$/.exec(text) ?? [];
    const parts = inside?.split(",").map((part) => part.trim().replace(/L$/, "")) ?? [];
    const [height, width, ...more] = parts.filter((part) => part !== "").map(Number);
    if (inside !== undefined && height === undefined && usual !== undefined) return [usual, usual];
    const isFine = (value: number | undefined): value is number =>
      value !== undefined && value >= least && value < 2 ** 20;
    if (!isFine(height) || !isFine(width) || more.length > 0) {
      return this.#refuse(key, `(ROWS, COLUMNS), each from ${least} up`, text);
    }
    return [height, width];
  }

  extent = (key: string, usual: number | undefined): Extent => shortExtent(this.pair(key, usual, 1));

  /** Refuses all other values. */
  must(key: string, ...values: readonly string[]): void {
    const text = this.word(key, values[0]!);
    if (!values.includes(text)) this.#refuse(key, values.join(" or "), text);
  }

  /** Marks options that have no effect here. */
  ignore(...keys: readonly string[]): void {
    for (const key of keys) this.#read.add(key);
  }

  /** Refuses options that were not read. */
  finish(): void {
    for (const [key, text] of this.#options) {
      if (!this.#read.has(key) && !ofTraining.test(key)) {
        this.#fail(`the option ${shownName(key)} is not known`, {
          expected: [...this.#read].join(", ") || "none",
          found: shownName(text),
        });
      }
    }
  }

  #refuse(key: string, expected: string, text: string): never {
    const what = this.#options.has(key) ? "is not supported" : "is missing";
    return this.#fail(`the option ${key} ${what}`, { expected, found: shownName(text) });
  }
}
