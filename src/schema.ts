/**
 * Schemas for values from files, flags and requests: one declaration gives the type, the check with its messages, and
 * the defaults. A subset of zod's functional API (`zod/mini`), written here because zod takes 40 kB of what a page
 * loads before its first answer.
 */

import { nearestNames } from "./names.ts";
import type {
  Check,
  Default,
  Enum,
  Fault,
  Issue,
  input,
  Literal,
  Looking,
  ObjectSchema,
  Optional,
  output,
  Path,
  Result,
  Schema,
  Shape,
  Union,
  Wrapping,
} from "./schema-types.ts";
import { shownValue } from "./text.ts";

export type * from "./schema-types.ts";

/**
 * `depths.0: expected a whole number, found "a"`
 * @param nameOf gives the name of the path's first key
 */
export function issueLine({ path, expected, found, known }: Issue, nameOf = (key: string) => key): string {
  const [first, ...others] = path.map((step) => `${step}`.slice(0, 100));
  const steps =
    first === undefined ? [] : known !== undefined && others.length === 0 ? [first] : [nameOf(first), ...others];
  const key = known === undefined ? undefined : steps.pop()!;
  const where = steps.length === 0 ? "" : `${steps.join(".")}: `;
  if (key === undefined) return `${where}expected ${expected}, found ${shownValue(found)}`;
  return `${where}"${key}" is unknown (nearest: ${nearestNames(key, known!).join(", ")})`;
}

const mostLines = 10;

class SchemaFault extends Error implements Fault {
  readonly issues: readonly Issue[];

  constructor(issues: readonly Issue[]) {
    super();
    this.issues = issues;
    this.message = this.lines.join("; ");
  }

  get lines(): readonly string[] {
    const more = this.issues.length - mostLines;
    return [
      ...this.issues.slice(0, mostLines).map((issue) => issueLine(issue)),
      ...(more > 0 ? [`... and ${more} more faults`] : []),
    ];
  }
}

export const isFault = (error: unknown): error is Fault => error instanceof SchemaFault;

type Look = (value: unknown, looking: Looking) => unknown;
/** The properties of a schema beyond the common ones. */
type Facts<S extends Schema> = Omit<S, keyof Schema> & Pick<Schema, "kind" | "isOptional">;

function schema<S extends Schema>(facts: Facts<S>, look: Look, checks: readonly Check<never>[] = []): S {
  const made = {
    ...facts,
    checks,
    look(value: unknown, looking: Looking) {
      const { issues, path } = looking;
      const before = issues.length;
      const seen = look(value, looking);
      if (issues.length > before) return seen;
      for (const { fault, path: within = [] } of checks) {
        const expected = fault?.(seen as never);
        if (expected === undefined) continue;
        const found = within.reduce<unknown>((from, step) => (from as Record<string | number, unknown>)[step], seen);
        issues.push({ path: [...path, ...within], expected, found });
      }
      return seen;
    },
    check: (...more: readonly Check<never>[]) => schema<S>(facts, look, [...checks, ...more]),
    safeParse(value: unknown): Result<unknown> {
      const issues: Issue[] = [];
      const data = made.look(value, { path: [], issues });
      return issues.length === 0 ? { success: true, data } : { success: false, error: new SchemaFault(issues) };
    },
    parse(value: unknown) {
      const { data, error } = made.safeParse(value);
      if (error !== undefined) throw error;
      return data;
    },
  };
  return made as unknown as S;
}

const fail = ({ path, issues }: Looking, expected: string, found: unknown): unknown =>
  issues.push({ path, expected, found });

const within = ({ path, issues }: Looking, step: string | number): Looking => ({ path: [...path, step], issues });

/** A schema that only tests a value. */
const plain = <S extends Schema>(facts: Facts<S>, is: (value: unknown) => boolean, expected: string): S =>
  schema(facts, (value, looking) => (is(value) ? value : fail(looking, expected, value)));

type Plain<T> = Schema<T, T>;

export const string = (): Plain<string> => plain({ kind: "string" }, (value) => typeof value === "string", "a text");
export const boolean = (): Plain<boolean> =>
  plain({ kind: "boolean" }, (value) => typeof value === "boolean", "true or false");
/** A finite number. */
export const number = (): Plain<number> => plain({ kind: "number" }, Number.isFinite, "a number");
/** A safe integer. */
export const int = (): Plain<number> => plain({ kind: "int" }, Number.isSafeInteger, "a whole number");
export const unknown = (): Plain<unknown> => plain({ kind: "unknown" }, () => true, "");
export const custom = <T>(is: (value: unknown) => boolean, expected: string): Plain<T> =>
  plain({ kind: "custom" }, is, expected);
export const literal = <const V extends string | number>(value: V): Literal<V> =>
  plain<Literal<V>>({ kind: "literal", value }, (found) => found === value, `${value}`);
const oneOf = <const V extends string>(options: readonly V[]): Enum<V> =>
  plain<Enum<V>>({ kind: "enum", options }, (found) => options.includes(found as V), options.join(" or "));

export { oneOf as enum };

export function array<S extends Schema>(inner: S): Wrapping<output<S>[], readonly input<S>[], S> {
  return schema<Wrapping<output<S>[], readonly input<S>[], S>>({ kind: "array", inner }, (value, looking) =>
    Array.isArray(value)
      ? value.map((item, place) => inner.look(item, within(looking, place)))
      : fail(looking, "a list", value),
  );
}

type Outputs<S extends readonly Schema[]> = { -readonly [K in keyof S]: output<S[K]> };
type Inputs<S extends readonly Schema[]> = { readonly [K in keyof S]: input<S[K]> };

export function tuple<const S extends readonly [Schema, ...Schema[]]>(items: S): Wrapping<Outputs<S>, Inputs<S>, S[0]> {
  return schema<Wrapping<Outputs<S>, Inputs<S>, S[0]>>({ kind: "tuple", inner: items[0] }, (value, looking) =>
    Array.isArray(value) && value.length === items.length
      ? items.map((item, place) => item.look(value[place], within(looking, place)))
      : fail(looking, `a list of ${items.length}`, value),
  );
}

export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function objectOf<S extends Shape>(shape: S, others: ObjectSchema["others"]): ObjectSchema<S> {
  const known = Object.keys(shape);
  const look: Look = (value, looking) => {
    if (!isRecord(value)) return fail(looking, "an object", value);
    const parts: [string, unknown][] = [];
    for (const key of known) {
      const isThere = Object.hasOwn(value, key);
      const part = shape[key]!;
      if (!isThere && part.isOptional) continue;
      parts.push([key, part.look(isThere ? value[key] : undefined, within(looking, key))]);
    }
    for (const [key, found] of others === "left out" ? [] : Object.entries(value)) {
      if (Object.hasOwn(shape, key)) continue;
      if (others === "kept") parts.push([key, found]);
      else looking.issues.push({ path: [...looking.path, key], expected: "nothing of this name", found, known });
    }
    // Even a key `__proto__` becomes an ordinary key.
    return Object.fromEntries(parts);
  };
  return schema<ObjectSchema<S>>({ kind: "object", shape, others } as Facts<ObjectSchema<S>>, look);
}

/** An object; other keys are dropped. */
export const object = <S extends Shape>(shape: S): ObjectSchema<S> => objectOf(shape, "left out");
/** An object; other keys are faults. */
export const strictObject = <S extends Shape>(shape: S): ObjectSchema<S> => objectOf(shape, "refused");
/** An object; other keys are kept. */
export const looseObject = <S extends Shape>(shape: S): ObjectSchema<S> => objectOf(shape, "kept");

/** An object schema with more keys, without the original's checks. */
export const extend = <S extends Shape, More extends Shape>(
  { shape, others }: ObjectSchema<S, unknown, unknown>,
  more: More,
) => objectOf({ ...shape, ...more } as Omit<S, keyof More> & More, others);

export function record<S extends Schema>(
  key: Schema<string>,
  inner: S,
): Wrapping<Record<string, output<S>>, Readonly<Record<string, input<S>>>, S> {
  return schema<Wrapping<Record<string, output<S>>, Readonly<Record<string, input<S>>>, S>>(
    { kind: "record", inner },
    (value, looking) => {
      if (!isRecord(value)) return fail(looking, "an object", value);
      const entries = Object.entries(value).map(([name, found]) => {
        key.look(name, looking);
        return [name, inner.look(found, within(looking, name))] as const;
      });
      return Object.fromEntries(entries);
    },
  );
}

/** A value that matches one of the options; the first match wins. */
export function union<const S extends readonly Schema[]>(options: S): Union<output<S[number]>, input<S[number]>> {
  return schema<Union<output<S[number]>, input<S[number]>>>({ kind: "union", options }, (value, looking) => {
    const faults: Issue[][] = [];
    for (const option of options) {
      const issues: Issue[] = [];
      const seen = option.look(value, { ...looking, issues });
      if (issues.length === 0) return seen;
      faults.push(issues);
    }
    const depth = looking.path.length;
    const deeper = faults.filter(([first]) => first!.path.length > depth);
    // The value has the type of one option, but a fault within.
    if (deeper.length === 1) return looking.issues.push(...deeper[0]!);
    const words = faults.map(([first]) => [...first!.path.slice(depth), first!.expected].join(": "));
    return fail(looking, [...new Set(words)].join(" or "), value);
  });
}

/**
 * Objects told apart by one key, which has a different literal in each.
 * @param options a function if options are added later
 */
export function discriminatedUnion<const S extends readonly ObjectSchema<Shape, unknown, unknown>[]>(
  key: string,
  options: S | (() => S),
): Schema<output<S[number]>, input<S[number]>> {
  const byName = (all: S) => new Map(all.map((option) => [(option.shape[key] as Literal<unknown>).value, option]));
  const fixed = typeof options === "function" ? undefined : byName(options);
  return schema({ kind: "discriminatedUnion" }, (value, looking) => {
    if (!isRecord(value)) return fail(looking, "an object", value);
    const known = fixed ?? byName((options as () => S)());
    const option = known.get(value[key]);
    if (option !== undefined) return option.look(value, looking);
    return fail(within(looking, key), [...known.keys()].join(" or "), value[key]);
  });
}

export const optional = <S extends Schema>(inner: S): Optional<output<S> | undefined, input<S> | undefined> =>
  schema<Optional<output<S> | undefined, input<S> | undefined>>(
    { kind: "optional", inner, isOptional: true },
    (value, looking) => (value === undefined ? value : inner.look(value, looking)),
  );

/** An optional key, whose value is never `undefined`. */
export const exactOptional = <S extends Schema>(inner: S): Optional<output<S>, input<S>> =>
  schema<Optional<output<S>, input<S>>>({ kind: "optional", inner, isOptional: true }, (value, looking) =>
    inner.look(value, looking),
  );

export const nullable = <S extends Schema>(inner: S): Wrapping<output<S> | null, input<S> | null> =>
  schema<Wrapping<output<S> | null, input<S> | null>>({ kind: "nullable", inner }, (value, looking) =>
    value === null ? value : inner.look(value, looking),
  );

export const nullish = <S extends Schema>(inner: S) => optional(nullable(inner));

export const _default = <S extends Schema>(
  inner: S,
  initial: Readonly<output<S>>,
): Default<output<S>, input<S> | undefined> =>
  schema<Default<output<S>, input<S> | undefined>>({ kind: "default", inner, initial } as never, (value, looking) =>
    value === undefined ? initial : inner.look(value, looking),
  );

/** The same schema with a read-only type. */
export const readonly = <S extends Schema>(inner: S): Wrapping<Readonly<output<S>>, input<S>> =>
  schema<Wrapping<Readonly<output<S>>, input<S>>>({ kind: "readonly", inner }, (value, looking) =>
    inner.look(value, looking),
  );

/** Converts a valid value; `refuse` reports what else was expected. */
export const convert = <S extends Schema, T>(
  inner: S,
  to: (value: output<S>, refuse: (expected: string) => never) => T,
): Wrapping<T, input<S>> =>
  schema<Wrapping<T, input<S>>>({ kind: "convert", inner }, (value, looking) => {
    const before = looking.issues.length;
    const seen = inner.look(value, looking);
    if (looking.issues.length > before) return seen;
    return to(seen as output<S>, (expected) => fail(looking, expected, value) as never);
  });

/** Converts a value before it is validated. */
export const readFrom = <S extends Schema>(from: (value: unknown) => unknown, inner: S): Wrapping<output<S>, unknown> =>
  schema<Wrapping<output<S>, unknown>>({ kind: "readFrom", inner }, (value, looking) =>
    inner.look(from(value), looking),
  );

// Checks.

const bound = (
  is: (value: number) => boolean,
  expected: string,
  json: Readonly<Record<string, number>>,
): Check<number> => ({ fault: (value) => (is(value) ? undefined : expected), json });

export const gte = (least: number) => bound((value) => value >= least, `at least ${least}`, { minimum: least });
export const gt = (below: number) => bound((value) => value > below, `more than ${below}`, { exclusiveMinimum: below });
export const lte = (most: number) => bound((value) => value <= most, `at most ${most}`, { maximum: most });
export const lt = (above: number) => bound((value) => value < above, `less than ${above}`, { exclusiveMaximum: above });

type Long = string | readonly unknown[];
const parts = (value: Long) => (typeof value === "string" ? "characters" : "elements");
export const minLength = (least: number): Check<Long> => ({
  fault: (value) => (value.length >= least ? undefined : `${least} or more ${parts(value)}`),
  json: { minLength: least },
});
export const maxLength = (most: number): Check<Long> => ({
  fault: (value) => (value.length <= most ? undefined : `${most} or fewer ${parts(value)}`),
  json: { maxLength: most },
});

export const regex = (pattern: RegExp, expected = `a text of the form ${pattern.source}`): Check<string> => ({
  fault: (value) => (pattern.test(value) ? undefined : expected),
  json: { pattern: pattern.source },
});

/** @param path path of the faulty part; default: the whole value */
export const refine = <T>(is: (value: T) => boolean, expected: string, path: Path = []): Check<T> => ({
  fault: (value) => (is(value) ? undefined : expected),
  path,
});

/** A check that provides its own message. */
export const finding = <T>(fault: (value: T) => string | undefined): Check<T> => ({ fault });

/** A description for generated documents. */
export const describe = (description: string): Check<unknown> => ({ json: { description } });
