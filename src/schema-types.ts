/** Types of schemas (schema.ts), with their outputs and inputs. */

/** Path of a value: keys and indices. */
export type Path = readonly (string | number)[];

/** A fault in a value or a part of it. */
export interface Issue {
  readonly path: Path;
  /** What was expected, in words. */
  readonly expected: string;
  readonly found: unknown;
  /** For an unknown key: the known ones. */
  readonly known?: readonly string[];
}

/** The error for an invalid value, with all its faults. */
export interface Fault extends Error {
  readonly issues: readonly Issue[];
  /** Messages for people: one line for each of the first few faults. */
  readonly lines: readonly string[];
}

export type Result<T> =
  | { readonly success: true; readonly data: T; readonly error?: undefined }
  | { readonly success: false; readonly data?: undefined; readonly error: Fault };

/** An additional condition on a value of the right type. */
export interface Check<T> {
  /** What was expected; `undefined` if the value is valid. */
  readonly fault?: (value: T) => string | undefined;
  /** The path of the faulty part. */
  readonly path?: Path;
  /** The condition in JSON Schema, if it can be expressed. */
  readonly json?: Readonly<Record<string, unknown>>;
}

/** Context of a validation. */
export interface Looking {
  readonly path: Path;
  readonly issues: Issue[];
}

/** @typeParam I the input type, in which keys with defaults are optional */
export interface Schema<T = unknown, I = unknown> {
  readonly kind: string;
  readonly checks: readonly Check<never>[];
  /** Whether the key may be missing from an object. */
  readonly isOptional?: boolean;
  check(...more: readonly Check<T>[]): this;
  /** The value with defaults filled in. @throws Fault */
  parse(value: unknown): T;
  safeParse(value: unknown): Result<T>;
  /** Validates a value and returns it with its defaults; if it is invalid, adds issues and returns anything. */
  look(value: unknown, looking: Looking): unknown;
  /** Exists only in types. */
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

/** A schema around another one. */
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
  /** How unknown keys are treated. */
  readonly others: "refused" | "left out" | "kept";
}

type Flat<T> = { [K in keyof T]: T[K] };

/** Output type of an object with this shape. */
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
