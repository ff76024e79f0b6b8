import assert from "node:assert/strict";
import { test } from "node:test";
import { needsShared, sharedData } from "../../tests/support.ts";
import { bytesOf, refused } from "../../tests/weights.ts";
import { detectFormat } from "./detect.ts";
import { allOf, type CaffeMessage, type CaffeValue, oneOf, parsePrototxt } from "./prototxt.ts";

const parse = (text: string) => parsePrototxt(new TextEncoder().encode(text), "some.prototxt");

/** A tree as plain objects. */
function plain({ fields }: CaffeMessage): unknown {
  const value = (item: CaffeValue) => (typeof item === "object" ? plain(item) : item);
  return Object.fromEntries([...fields].map(([name, values]) => [name, values.map(value)]));
}

test("the forms that Caffe's files use", () => {
  const tree = parse(`
    name: "net" # a comment: "not a field"
    input: 'data' input_dim: 1 input_dim: 3
    layer { name: "a/b" type: "Pooling" pooling_param { pool: MAX global_pooling: true } }
    layer: { input_param: { shape: { dim: [1, 3] dim: 224 } }, blobs_lr: -1.5e-3; }
    layer < eps: 1e-5f >
    #last`);
  assert.deepEqual(plain(tree), {
    name: ["net"],
    input: ["data"],
    input_dim: [1, 3],
    layer: [
      { name: ["a/b"], type: ["Pooling"], pooling_param: [{ pool: ["MAX"], global_pooling: [true] }] },
      { input_param: [{ shape: [{ dim: [1, 3, 224] }] }], blobs_lr: [-1.5e-3] },
      { eps: [1e-5] },
    ],
  });
  assert.equal(tree.where, "some.prototxt");
  assert.equal(allOf(tree, "layer", "message")[1]!.where, "some.prototxt:5");
});

test("numbers and names", () => {
  const value = (text: string) => parse(`x: ${text}`).fields.get("x")![0];
  const cases: readonly (readonly [string, CaffeValue])[] = [
    ["0", 0],
    ["-0x1F", -31],
    ["010", 8],
    ["1.", 1],
    [".5F", 0.5],
    ["- 2", -2],
    ["1E3", 1000],
    ["inf", Infinity],
    ["-INFINITY", -Infinity],
    ["TRAIN", "TRAIN"],
    ["t", true],
    ["false", false],
    ["1e999", Infinity],
  ];
  for (const [text, expected] of cases) assert.equal(value(text), expected, text);
  assert.ok(Number.isNaN(value("nan")));
});

test("strings: quotes, escapes, bytes of UTF-8, pieces", () => {
  const value = (text: string) => parse(`x: ${text}`).fields.get("x")![0];
  assert.equal(value(`"it's # no comment"`), "it's # no comment");
  assert.equal(value(`'say "\\n\\t\\\\\\'\\""'`), `say "\n\t\\'""`);
  assert.equal(value(`"\\303\\274\\xc3\\xA4ö\\u00fc\\U0001F600"`), "üäöü😀");
  assert.equal(value(`"one"  # and\n 'two'`), "onetwo");
  assert.equal(value(`""`), "");
});

test("faults have line and column", async () => {
  await refused(() => parse('name: "a"\n  layer { type "x" }'), "some.prototxt:2:16", "value is missing");
  await refused(() => parse("a: 1\nb: 12x"), "some.prototxt:2:4", "not a value", '"12x"');
  await refused(() => parse('a: "abc\n"'), ":1:8", "a string has no end");
  await refused(() => parse('a: "abc\\'), "a string has no end");
  await refused(() => parse("a { b: 1"), ":1:9", "ends inside a message");
  await refused(() => parse("a { b: 1 >"), '"}"');
  await refused(() => parse("a: 1 }"), ":1:6", "a field name is missing");
  await refused(() => parse("a:"), "the end of the text");
  await refused(() => parse("[ext.x]: 1"), "a field name is missing");
  await refused(() => parse("a: [1 2]"), "without a comma", '"2]"');
  await refused(() => parse("a: []"), "empty");
  await refused(() => parse("a: -x"), "not a value");
  await refused(() => parse("a: 089"), "octal");
  await refused(() => parse('a: "\\q"'), "\\q");
  await refused(() => parse('a: "\\U00110000"'), "stands for no character");
  await refused(() => parse("a {".repeat(200)), "nested more than 100");
});

test("long hostile texts take time in proportion", async () => {
  await refused(() => parse(`a: ${"1".repeat(2_000_000)}x`), "not a value");
  await refused(() => parse(`a: "${"\\n".repeat(500_000)}`), "no end");
  assert.equal(parse(`#${" ".repeat(2_000_000)}\n a: "${"\\n".repeat(500_000)}"`).fields.size, 1);
  await refused(() => parse("a:1 ".repeat(200_001)), "more than 200000 values");
});

test("fields are asked for by kind", async () => {
  const tree = parse('a: 1 a: 2 s: "x" m { }');
  assert.deepEqual(allOf(tree, "a", "number"), [1, 2]);
  assert.deepEqual(allOf(tree, "constructor", "number"), []);
  assert.equal(oneOf(tree, "s", "string", undefined), "x");
  assert.equal(oneOf(tree, "absent", "number", 7), 7);
  await refused(() => oneOf(tree, "a", "number", 0), '"a" occurs 2 times');
  await refused(() => allOf(tree, "s", "number"), '"s"', "a number", '"x"');
  await refused(() => allOf(tree, "m", "string"), "a message");
});

/** docs/networks.md, 1.5: layers of all types. */
const counts = [
  ["SE-BN-Inception", 372],
  ["SE-ResNet-50", 309],
  ["SE-ResNeXt-50", 309],
  ["SE-ResNet-101", 615],
  ["SE-ResNeXt-101", 615],
  ["SE-ResNet-152", 921],
  ["SENet-154", 930],
] as const;
for (const [name, layers] of counts) {
  test(`the original ${name}.prototxt`, needsShared("caffe", `${name}.prototxt`), () => {
    const tree = parsePrototxt(bytesOf(sharedData("caffe", `${name}.prototxt`)), name);
    const found = allOf(tree, "layer", "message");
    assert.equal(found.length, layers);
    const title = oneOf(tree, "name", "string", "").replace(" (32 x 4d)", "");
    assert.equal(title, name === "SENet-154" ? "SENet" : name);
    const input = oneOf(oneOf(found[0]!, "input_param", "message", tree), "shape", "message", tree);
    assert.deepEqual(allOf(input, "dim", "number"), [1, 3, 224, 224]);
    for (const layer of found) {
      assert.ok(oneOf(layer, "name", "string", "") !== "" && oneOf(layer, "type", "string", "") !== "", layer.where);
    }
  });
}

test("UTF-16, as Windows' editors and PowerShell write it, is known and read", () => {
  const text = 'name: "é" # 模\r\nlayer { name: "a" }';
  const little = Buffer.from(`\ufeff${text}`, "utf16le");
  for (const bytes of [little, Buffer.from(little).swap16(), Buffer.from(`\ufeff${text}`)]) {
    assert.equal(detectFormat(bytes, "net.prototxt"), "prototxt");
    assert.deepEqual(allOf(parsePrototxt(bytes, "net.prototxt"), "name", "string"), ["é"]);
  }
  const symbol = Buffer.from(`\ufeff{"nodes": [], "arg_nodes": [], "heads": []}`, "utf16le");
  assert.equal(detectFormat(symbol, "net-symbol.json"), "mxnet-symbol");
});
