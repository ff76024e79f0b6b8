import assert from "node:assert/strict";
import { before, test } from "node:test";
import { formulaPictures } from "../../tests/formula.ts";
import { sourceOf, type TestServer, testServer, tinyWeights } from "../../tests/serve.ts";
import { Host } from "./host.node.ts";

const side = 16;
const images = formulaPictures(2, side, 1).data as Float32Array;
const size = 3 * side * side;
let server: TestServer;
/** Row by row, as the network itself answers. */
const logits: number[][] = [];

before(async () => {
  const named = sourceOf("tiny", tinyWeights(3));
  server = await testServer({ sources: [named] });
  const host = new Host(1e6);
  await host.load("m", named.source);
  for (const row of [0, 1]) {
    const [outcome] = await host.answer("m", [{ kind: "infer", image: images.slice(row * size, (row + 1) * size) }]);
    assert.ok(outcome !== undefined && "answer" in outcome);
    logits.push(Array.from(outcome.answer as Float32Array));
  }
  await host.close();
});

const input = { name: "image", shape: [2, 3, side, side], datatype: "FP32" };
const bytesOf = (values: Float32Array) => {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [i, value] of values.entries()) bytes.writeFloatLE(value, 4 * i);
  return bytes;
};

const infer = (header: object | string, binary?: Buffer, headers: Record<string, string> = {}) => {
  const start = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  const own =
    binary === undefined
      ? { "content-type": "application/json" }
      : { "content-type": "application/octet-stream", "inference-header-content-length": `${start.length}` };
  const payload = Buffer.concat([start, binary ?? Buffer.alloc(0)]);
  return server.ask({ method: "POST", url: "/v2/models/tiny/infer", payload, headers: { ...own, ...headers } });
};

interface Answer {
  readonly id?: string;
  readonly model_name: string;
  readonly model_version: string;
  readonly outputs: readonly {
    name: string;
    shape: number[];
    datatype: string;
    data?: (number | string)[];
    parameters?: object;
  }[];
}

test("tensors as JSON, flat or nested, are answered as JSON", async () => {
  const flat = Array.from(images);
  const nested = [0, 1].map((row) => flat.slice(row * size, (row + 1) * size));
  for (const data of [flat, nested]) {
    const { statusCode, body } = await infer({ id: "7", inputs: [{ ...input, data }] });
    assert.equal(statusCode, 200, body);
    const { id, model_name, model_version, outputs } = JSON.parse(body) as Answer;
    assert.deepEqual([id, model_name, model_version], ["7", "tiny", server.models.get().version]);
    assert.deepEqual(outputs[0], { name: "logits", shape: [2, 3], datatype: "FP32", data: logits.flat() });
    const { name, data: probabilities } = outputs[1]!;
    assert.equal(name, "probabilities");
    const sum = probabilities!.slice(0, 3).reduce<number>((a, b) => a + Number(b), 0);
    assert.ok(Math.abs(sum - 1) < 1e-6);
  }
});

test("bytes behind the header are taken, wherever the header ends, and given where they are asked for", async () => {
  const binary = { ...input, parameters: { binary_data_size: 8 * size } };
  for (const id of ["", "a", "ab", "abc"]) {
    const outputs = [{ name: "probabilities" }, { name: "logits", parameters: { binary_data: true } }];
    const { statusCode, headers, rawPayload } = await infer({ id, inputs: [binary], outputs }, bytesOf(images));
    assert.equal(statusCode, 200);
    const length = Number(headers["inference-header-content-length"]);
    const answer = JSON.parse(rawPayload.subarray(0, length).toString()) as Answer;
    assert.equal(answer.id, id);
    assert.deepEqual(
      answer.outputs.map(({ name, data }) => [name, data?.length]),
      [
        ["probabilities", 6],
        ["logits", undefined],
      ],
    );
    assert.deepEqual(answer.outputs[1]!.parameters, { binary_data_size: 24 });
    const rest = rawPayload.subarray(length);
    assert.deepEqual(
      Array.from({ length: 6 }, (_, i) => rest.readFloatLE(4 * i)),
      logits.flat(),
    );
  }
  const all = await infer({ parameters: { binary_data_output: true }, inputs: [binary] }, bytesOf(images));
  assert.equal(all.rawPayload.length, Number(all.headers["inference-header-content-length"]) + 48);
});

test("classes in words come as Triton has them, as JSON and as bytes", async () => {
  const data = Array.from(images);
  const answer = async (outputs: object[]) => {
    const { statusCode, headers, rawPayload } = await infer({ inputs: [{ ...input, data }], outputs });
    assert.equal(statusCode, 200, `${rawPayload}`);
    const length = Number(headers["inference-header-content-length"] ?? rawPayload.length);
    const { outputs: found } = JSON.parse(`${rawPayload.subarray(0, length)}`) as Answer;
    return { found: found[0]!, rest: rawPayload.subarray(length) };
  };
  const words = logits.map((row) => {
    const order = [0, 1, 2].sort((a, b) => row[b]! - row[a]!);
    return order.map((index) => `${row[index]!.toFixed(6)}:${index}:class ${index}`);
  });
  const { found } = await answer([{ name: "logits", parameters: { classification: 2 } }]);
  const two = words.flatMap((row) => row.slice(0, 2));
  assert.deepEqual(found, { name: "logits", shape: [2, 2], datatype: "BYTES", data: two });
  const binary = await answer([{ name: "logits", parameters: { classification: 100, binary_data: true } }]);
  assert.deepEqual([binary.found.shape, binary.found.datatype], [[2, 3], "BYTES"]);
  assert.deepEqual(binary.found.parameters, { binary_data_size: binary.rest.length });
  const texts: string[] = [];
  for (let at = 0; at < binary.rest.length; at += 4 + binary.rest.readUInt32LE(at))
    texts.push(`${binary.rest.subarray(at + 4, at + 4 + binary.rest.readUInt32LE(at))}`);
  assert.deepEqual(texts, words.flat());
});

test("what clients write for nothing is nothing: null, and a list without outputs", async () => {
  const data = Array.from(images);
  const empty = { id: null, parameters: null };
  for (const outputs of [null, [], [{ name: "logits", parameters: null }]]) {
    const { statusCode, body } = await infer({ ...empty, inputs: [{ ...input, parameters: null, data }], outputs });
    assert.equal(statusCode, 200, body);
    const answer = JSON.parse(body) as Answer;
    assert.ok(!("id" in answer));
    assert.deepEqual(answer.outputs[0]!.data, logits.flat());
    assert.equal(answer.outputs.length, outputs?.length === 1 ? 1 : 2);
  }
  const behind = { ...input, parameters: { binary_data_size: 8 * size }, data: null };
  assert.equal((await infer({ inputs: [behind] }, bytesOf(images))).statusCode, 200);
});

test("numbers that JSON has no word for are refused in JSON, and given in bytes", async () => {
  const nan = Buffer.from(bytesOf(images));
  nan.writeFloatLE(Number.NaN, 0);
  const inputs = [{ ...input, parameters: { binary_data_size: 8 * size } }];
  const { statusCode, body } = await infer({ inputs }, nan);
  assert.deepEqual([statusCode, /not finite.*binary_data/.test(body)], [400, true]);
  const bytes = await infer({ inputs, parameters: { binary_data_output: true } }, nan);
  assert.equal(bytes.statusCode, 200);
  const rest = bytes.rawPayload.subarray(Number(bytes.headers["inference-header-content-length"]));
  assert.ok(Number.isNaN(rest.readFloatLE(0)));
});

const one = { ...input, shape: [1, 3, side, side] };
const row = images.slice(0, size);
const binary = { ...one, parameters: { binary_data_size: 4 * size } };
/** What is refused, and its words. */
const refused: readonly (readonly [what: string, answer: () => ReturnType<typeof infer>, RegExp])[] = [
  ["no JSON", () => infer("[}"), /not JSON/],
  ["no inputs", () => infer({ inputs: [] }), /inputs/],
  ["another input", () => infer({ inputs: [{ ...one, name: "x", data: [] }] }), /one input, \\"image\\"/],
  ["two inputs", () => infer({ inputs: [one, one] }), /one input/],
  [
    "another type",
    () => infer({ inputs: [{ ...one, datatype: "FP64", data: [] }] }),
    /FP32 of the shape \[N, 3, 16, 16\]/,
  ],
  [
    "another shape",
    () => infer({ inputs: [{ ...one, shape: [1, 16, 16, 3], data: [] }] }),
    /FP64|FP32 \[1, 16, 16, 3\]/,
  ],
  ["no rows", () => infer({ inputs: [{ ...one, shape: [0, 3, side, side], data: [] }] }), /N from 1/],
  ["too few numbers", () => infer({ inputs: [{ ...one, data: [1, 2] }] }), /768 numbers.*found 2/],
  ["no numbers", () => infer({ inputs: [{ ...one, data: ["a"] }] }), /not all numbers/],
  ["numbers too deep", () => infer({ inputs: [{ ...one, data: [[[[[1]]]]] }] }), /nested deeper/],
  ["too few bytes", () => infer({ inputs: [binary] }, bytesOf(row).subarray(4)), /3072 bytes behind/],
  [
    "too many bytes",
    () => infer({ inputs: [{ ...one, data: Array.from(row) }] }, Buffer.alloc(4)),
    /4 bytes that no tensor claims/,
  ],
  ["bytes and numbers", () => infer({ inputs: [{ ...binary, data: [1] }] }, bytesOf(row)), /do not fit its shape/],
  [
    "a length that is none",
    () => infer({ inputs: [binary] }, bytesOf(row), { "inference-header-content-length": "-1" }),
    /does not fit the body/,
  ],
  ...["1e3", "0x10", "", " 7"].map((length): (typeof refused)[number] => [
    `a length that is "${length}"`,
    () => infer({ inputs: [binary] }, bytesOf(row), { "inference-header-content-length": length }),
    /does not fit the body/,
  ]),
  ...["FP16", "BF16", "INT8", "UINT8", "BYTES"].map((datatype): (typeof refused)[number] => [
    datatype,
    () => infer({ inputs: [{ ...binary, datatype }] }, bytesOf(row)),
    /FP32 of the shape/,
  ]),
  [
    "a number of classes that is none",
    () =>
      infer({
        inputs: [{ ...one, data: Array.from(row) }],
        outputs: [{ name: "logits", parameters: { classification: -1 } }],
      }),
    /how many classes/,
  ],
  [
    "another output",
    () => infer({ inputs: [{ ...one, data: Array.from(row) }], outputs: [{ name: "fc" }] }),
    /logits, probabilities/,
  ],
];

for (const [what, answer, words] of refused) {
  test(`${what} is refused in words`, async () => {
    const { statusCode, body } = await answer();
    assert.equal(statusCode, 400, body);
    assert.match(body, words);
  });
}

test("more tensors than are taken at once are refused before they are read", async () => {
  const { statusCode, body } = await infer({ inputs: [{ ...one, shape: [5, 3, side, side] }] });
  assert.deepEqual([statusCode, /at most 4/.test(body)], [413, true]);
});
