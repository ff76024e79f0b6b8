import assert from "node:assert/strict";
import { test } from "node:test";
import { cut, fitted, listed, oneLine, rowsOf, shownValue } from "./text.ts";
import { dusted, hideCredentials, jsonText, ownLines, plain } from "./text-output.ts";

// biome-ignore lint/suspicious/noControlCharactersInRegex: what must not come through
const raw = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/;

test("what moves a terminal is shown as an escape, in every block of control characters", () => {
  assert.equal(oneLine("\u001b]0;title\u0007\u001b[2J"), "\\u001b]0;title\\u0007\\u001b[2J");
  assert.equal(oneLine("a\nb\r\tc"), "a\\nb\\r\\tc");
  assert.equal(oneLine("\u009b31m\u007f"), "\\u009b31m\\u007f");
  assert.equal(oneLine("photo\u202egpj.exe"), "photo\\u202egpj.exe");
  assert.equal(oneLine("\u{e0041}"), "\\udb40\\udc41");
  for (let code = 0; code < 0x3000; code++) assert.doesNotMatch(oneLine(String.fromCharCode(code)), raw);
});

test("what people write stays as it is", () => {
  const texts = ["crane (bird)", "größe", "日本語", "हिन्दी", "👩‍🔬", "می‌خواهم", "C:\\temp\\new", "café"];
  for (const text of texts) assert.equal(oneLine(text), text);
  assert.equal(oneLine(oneLine("\u001b[1m")), oneLine("\u001b[1m"), "cleaning twice changes nothing");
});

test("of text with line breaks of our own only these stay", () => {
  assert.equal(ownLines("first\n  second\u001b[2J\r"), "first\n  second\\u001b[2J\\r");
});

test("JSON gives back the very value and holds nothing raw", () => {
  const value = { "na\u009bme": ["\u001b[2J\n", "\u202e", "\u007f", "\u2028", "\u{e0041}", "ok é"] };
  for (const indent of [undefined, 2]) {
    const text = jsonText(value, indent);
    assert.deepEqual(JSON.parse(text), value);
    assert.doesNotMatch(text.replaceAll("\n", ""), raw);
  }
  assert.equal(jsonText({ a: [1] }, 2), JSON.stringify({ a: [1] }, null, 2));
});

test("numbers come without dust, and lose nothing else", () => {
  assert.equal(dusted(0.1 + 0.2), 0.3);
  assert.equal(dusted(100 * 0.14), 14);
  assert.equal(dusted(9007199254740991), 9007199254740991);
  assert.equal(dusted(Math.fround(1e-38)), 9.99999935046e-39);
  assert.ok(Number.isNaN(dusted(Number.NaN)));
  assert.equal(jsonText({ rate: 0.1 * 3, infinite: 1 / 0 }), '{"rate":0.3,"infinite":null}');
});

test("a long text loses its middle, says how long it was, and takes no longer for being long", () => {
  assert.equal(cut("short", 100), "short");
  assert.equal(cut("x".repeat(100), 100), "x".repeat(100));
  const long = cut(`head${"x".repeat(30_000_000)}tail`, 100);
  assert.ok(long.length <= 100 && long.startsWith("head") && long.endsWith("tail"));
  assert.match(long, / \.\.\. \(30000008 characters\) \.\.\. /);
  for (let limit = 60; limit < 70; limit++) assert.doesNotThrow(() => encodeURIComponent(cut("😀".repeat(200), limit)));
  assert.ok(cut("\u001b".repeat(50), 100).length <= 100, "escapes count too");
});

test("lists are cut with a count of the rest", () => {
  assert.equal(listed(["a", "b", "c"]), "a, b, c");
  assert.equal(listed(["a", "b", "c"], 2), "a, b and 1 more");
  assert.ok(listed(Array.from({ length: 1000 }, (_, i) => `${i}`.repeat(1000))).length < 700);
  assert.deepEqual(fitted(["a", "b", "c"], 3, 4), ["a", "b", "c"]);
  assert.deepEqual(fitted(["a", "b", "c", "d"], 3, 4), ["a", "b", "and 2 more"]);
  const wide = fitted(Array(50).fill("w".repeat(100)), 9, 12);
  assert.deepEqual(wide.length, 5, "four lines of two rows, and the count");
  assert.equal(wide.at(-1), "and 46 more");
  assert.equal(rowsOf("x".repeat(81)), 2);
});

test("numbers have no dust", () => {
  assert.equal(plain(0.1 + 0.2), "0.3");
  assert.equal(plain((0.1 * 32) / 256), "0.0125");
  assert.equal(plain(5e-5), "0.00005");
  assert.equal(plain(1e30), "1e+30");
});

test("addresses lose their names and passwords, wherever they stand", () => {
  assert.equal(hideCredentials("--data=https://me:secret@host/a.tar"), "--data=https://host/a.tar");
  assert.equal(hideCredentials("http://me@host/x http://a:b@c/"), "http://host/x http://c/");
  assert.equal(hideCredentials("http://host/mail@me and me@host"), "http://host/mail@me and me@host");
});

test("of a long list only as much is read as is shown", () => {
  const listed = () => assert.fail("all of its keys were asked for");
  const list = new Proxy(Array(1e6).fill(1), { ownKeys: listed });
  assert.equal(shownValue(list), `[${"1,".repeat(39)}1...`);
  assert.equal(shownValue({ a: [1, "b"], c: null }), '{"a":[1,"b"],"c":null}');
});
