/** The types of schemas (schema.ts): what comes out of each, and what may go in. */

/** Where a value is in the whole: keys and places. */
export type Path = readonly (string | number)[];

/** What is wrong with a value, or with a part of it. */
export interface Issue {
  readonly path: Path;
  /** In words that go on "expected". */
  readonly expected: string;
  readonly found: unknown;
  /** Of a key that its object cannot have: those that it can. */
  readonly known?: readonly string[];
}

/** A value that is not as it has to be, with all that is wrong. */
export interface Fault extends Error {
  readonly issues: readonly Issue[];
  /** For people: a line for each of the first few. */
  readonly lines: readonly string[];
}

export type Result<T> =
  | { readonly success: true; readonly data: T; readonly error?: undefined }
  | { readonly success: false; readonly data?: undefined; readonly error: Fault };

/** Something more that a value of the right kind has to be. */
export interface Check<T> {
  /** What was expected; `undefined` where it is. */
  readonly fault?: (value: T) => string | undefined;
  /** The part of the value that is at fault. */
  readonly path?: Path;
  /** The same in JSON Schema, where that has a word for it. */
  readonly json?: Readonly<Record<string, unknown>>;
}

/** What is found while a value is looked at. */
export interface Looking {
  readonly path: Path;
  readonly issues: Issue[];
}

/** @typeParam I what may be handed in, where the types are known: what has a default may be left out */
export interface Schema<T = unknown, I = unknown> {
  readonly kind: string;
  readonly checks: readonly Check<never>[];
  /** May be left out of an object. */
  readonly isOptional?: boolean;
  check(...more: readonly Check<T>[]): this;
  /** With defaults filled in. @throws Fault */
  parse(value: unknown): T;
  safeParse(value: unknown): Result<T>;
  /** The value with its defaults; where it is not as it has to be, whatever, and issues. */
  look(value: unknown, looking: Looking): unknown;
  /** Of the types only. */
  readonly "~in": I;
}

export type output<S extends Schema> = ReturnType<S["parse"]>;
export type input<S extends Schema> = S["~in"];

export interface Literal<V> extends Schema<V, V> {
  readonly value: V;
}

export interface Enum<V extends string> extends Schema<V, V> {
  readonly options: readonly V[];
}

/** Around another one. */
export interface Wrapping<T, I, S extends Schema = Schema> extends Schema<T, I> {
  readonly inner: S;
}

export interface Optional<T, I> extends Wrapping<T, I> {
  readonly isOptional: true;
}

export interface Default<T, I> extends Wrapping<T, I> {
  readonly initial: T;
}

export interface Union<T, I> extends Schema<T, I> {
  readonly options: readonly Schema[];
}

export type Shape = Readonly<Record<string, Schema>>;

export interface ObjectSchema<S extends Shape = Shape, T = OutputOf<S>, I = InputOf<S>> extends Schema<T, I> {
  readonly shape: S;
  /** What becomes of keys that the shape does not have. */
  readonly others: "refused" | "left out" | "kept";
}

type Flat<T> = { [K in keyof T]: T[K] };

/** Of an object of this shape. */
export type OutputOf<S extends Shape> = Flat<
  { -readonly [K in keyof S as S[K] extends Optional<unknown, unknown> ? never : K]: output<S[K]> } & {
    -readonly [K in keyof S as S[K] extends Optional<unknown, unknown> ? K : never]?: output<S[K]>;
  }
>;

type MayLack = Optional<unknown, unknown> | Default<unknown, unknown>;

export type InputOf<S extends Shape> = Flat<
  { readonly [K in keyof S as S[K] extends MayLack ? never : K]: input<S[K]> } & {
    readonly [K in keyof S as S[K] extends MayLack ? K : never]?: input<S[K]>;
  }
>;
