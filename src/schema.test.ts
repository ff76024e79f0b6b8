import assert from "node:assert/strict";
import { test } from "node:test";
import * as z from "./schema.ts";
import { shownValue } from "./text.ts";

const linesOf = (schema: z.Schema, value: unknown) => schema.safeParse(value).error?.lines;

const config = z.strictObject({
  depths: z.array(z.int().check(z.gte(1), z.lte(8))).check(z.minLength(2)),
  pool: z._default(z.enum(["caffe", "padded"]), "padded"),
  rate: z.nullable(z.number().check(z.gt(0), z.lt(1))),
  note: z.optional(z.string()),
  bias: z.exactOptional(z.boolean()),
});

test("what is right comes back, with defaults, and without what was not there", () => {
  assert.deepEqual(config.parse({ depths: [1, 2], rate: null }), { depths: [1, 2], pool: "padded", rate: null });
  assert.deepEqual(config.parse({ depths: [1, 8], rate: 0.5, pool: "caffe", note: undefined, bias: true }), {
    ...{ depths: [1, 8], rate: 0.5, pool: "caffe", note: undefined, bias: true },
  });
});

test("every fault is said: where, what was expected and what was found", () => {
  assert.deepEqual(linesOf(config, { depths: [0, 2.5, "a"], rate: 1, pool: "other", bias: undefined, dephts: 3 }), [
    "depths.0: expected at least 1, found 0",
    "depths.1: expected a whole number, found 2.5",
    'depths.2: expected a whole number, found "a"',
    'pool: expected caffe or padded, found "other"',
    "rate: expected less than 1, found 1",
    "bias: expected true or false, found nothing",
    '"dephts" is unknown (nearest: depths, pool, rate)',
  ]);
  assert.deepEqual(linesOf(config, { rate: Number.NaN, depths: [1] }), [
    "depths: expected 2 or more elements, found [1]",
    "rate: expected a number, found null",
  ]);
  assert.deepEqual(linesOf(config, [1]), ["expected an object, found [1]"]);
  assert.deepEqual(linesOf(z.tuple([z.int(), z.int()]), [1]), ["expected a list of 2, found [1]"]);
  assert.deepEqual(linesOf(z.string().check(z.regex(/^a+$/), z.maxLength(2)), "aab"), [
    'expected a text of the form ^a+$, found "aab"',
    'expected 2 or fewer characters, found "aab"',
  ]);
});

test("a few of many faults are said, and no more of a long or a deep value than a line", () => {
  const lines = linesOf(z.array(z.int()), Array(1000).fill("x"))!;
  assert.deepEqual([lines.length, lines.at(-1)], [11, "... and 990 more faults"]);
  assert.equal(linesOf(z.int(), "x".repeat(1e6))![0]!.length, "expected a whole number, found ".length + 83);
  const deep = JSON.parse("[".repeat(5000) + "]".repeat(5000));
  const shown = shownValue(Array.from({ length: 40 }).reduce((inner) => Array(2).fill(inner), deep));
  assert.ok(shown.length < 90);
});

test("of several kinds the one that fits has it; where none does, all are said, or what is wrong within one", () => {
  const size = z.union([z.int().check(z.lte(9)), z.literal("none"), z.strictObject({ top: z.int() })]);
  assert.deepEqual([4, "none", { top: 1 }].map(size.parse), [4, "none", { top: 1 }]);
  assert.deepEqual(linesOf(size, 12), ["expected at most 9 or none or an object, found 12"]);
  assert.deepEqual(linesOf(z.object({ size }), { size: { top: "a" } }), [
    'size.top: expected a whole number, found "a"',
  ]);
  const layer = z.discriminatedUnion("kind", [
    z.strictObject({ kind: z.literal("relu") }),
    z.strictObject({ kind: z.literal("conv"), out: z.int() }),
  ]);
  assert.deepEqual(layer.parse({ kind: "conv", out: 3 }), { kind: "conv", out: 3 });
  assert.deepEqual(linesOf(z.array(layer), [{ kind: "conv" }, { kind: "x" }, 1]), [
    "0.out: expected a whole number, found nothing",
    '1.kind: expected relu or conv, found "x"',
    "2: expected an object, found 1",
  ]);
});

test("checks over a whole look at what is right by itself, and say which part is to blame", () => {
  const both = z
    .object({ least: z.int(), most: z.int() })
    .check(z.refine(({ least, most }) => least <= most, "no less than the least", ["most"]));
  assert.deepEqual(linesOf(both, { least: 2, most: 1 }), ["most: expected no less than the least, found 1"]);
  assert.deepEqual(linesOf(both, { least: 2, most: "1" }), ['most: expected a whole number, found "1"']);
});

test("keys of other names are refused, left out or kept; one of a hostile name is a key like others", () => {
  const value = JSON.parse('{ "a": 1, "__proto__": { "b": 2 } }');
  assert.deepEqual(linesOf(z.strictObject({ a: z.int() }), value)!.length, 1);
  assert.deepEqual(Object.keys(z.object({ a: z.int() }).parse(value)), ["a"]);
  for (const schema of [z.looseObject({ a: z.int() }), z.record(z.string(), z.unknown())]) {
    const parsed = schema.parse(value);
    assert.deepEqual([Object.keys(parsed), Object.getPrototypeOf(parsed)], [["a", "__proto__"], Object.prototype]);
  }
  assert.deepEqual(linesOf(z.object({ toString: z.string() }), {}), ["toString: expected a text, found nothing"]);
});

test("what is extended keeps its strictness, and a text becomes what it stands for", () => {
  const more = z.extend(z.strictObject({ a: z.int() }), { b: z.string() });
  assert.deepEqual(linesOf(more, { a: 1, b: "x", c: 1 }), ['"c" is unknown (nearest: a, b)']);
  const numbers = z.convert(z.string(), (text, refuse) =>
    /^[\d,]+$/.test(text) ? text.split(",").map(Number) : refuse("numbers with commas"),
  );
  assert.deepEqual(numbers.parse("1,2"), [1, 2]);
  assert.deepEqual(linesOf(z.object({ numbers }), { numbers: "1;2" }), [
    'numbers: expected numbers with commas, found "1;2"',
  ]);
  assert.throws(
    () => numbers.parse(3),
    (error) => z.isFault(error) && error.message === "expected a text, found 3",
  );
});
