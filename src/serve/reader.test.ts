import assert from "node:assert/strict";
import { before, test } from "node:test";
import { png, type TestServer, testServer } from "../../tests/serve.ts";

const json = { "content-type": "application/json" };
const tensor = {
  inputs: [
    {
      name: "image",
      shape: [2, 3, 16, 16],
      datatype: "FP32",
      data: Array.from({ length: 1536 }, (_, i) => Math.sin(i)),
    },
  ],
};

let threaded: TestServer;
let plain: TestServer;
before(async () => {
  [plain, threaded] = await Promise.all([testServer(), testServer({ smallBytes: 0 })]);
});

test("what is read in a thread is read as in this one, and refused in the same words", async () => {
  const teal = await png("teal");
  const pictures = [{ base64: teal.toString("base64") }, { base64: (await png("plum")).toString("base64"), name: "p" }];
  const bytes = Buffer.from(
    JSON.stringify({
      ...tensor,
      inputs: [{ ...tensor.inputs[0], data: undefined, parameters: { binary_data_size: 6144 } }],
    }),
  );
  const statuses: number[] = [];
  for (const [url, payload, headers] of [
    ["/v1/classify", JSON.stringify({ pictures, top: 2 }), {}],
    ["/v1/classify", JSON.stringify({ pictures: [{ base64: "?" }] }), {}],
    ["/v1/classify", JSON.stringify({ pictures: [{ url: "http://example.org" }] }), {}],
    ["/v1/classify", JSON.stringify({ pictures: Array(9).fill({ base64: "AAAA" }) }), {}],
    ["/v1/classify", "[", {}],
    ["/v2/models/tiny/infer", JSON.stringify(tensor), {}],
    ["/v2/models/tiny/infer", JSON.stringify({ ...tensor, outputs: [{ name: "fc" }] }), {}],
    [
      "/v2/models/tiny/infer",
      Buffer.concat([bytes, Buffer.alloc(6144)]),
      { "inference-header-content-length": `${bytes.length}` },
    ],
  ] as const) {
    const asked = { method: "POST", url, payload, headers: { ...json, ...headers } } as const;
    const [expected, found] = await Promise.all([plain.ask(asked), threaded.ask(asked)]);
    assert.deepEqual([found.statusCode, found.body], [expected.statusCode, expected.body]);
    statuses.push(found.statusCode);
  }
  assert.deepEqual(statuses, [200, 400, 400, 413, 400, 200, 400, 200]);
});
