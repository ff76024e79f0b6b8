import assert from "node:assert/strict";
import { test } from "node:test";
import { testServer } from "../../tests/serve.ts";

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

test("a body that takes more memory than it may ends its reader alone, and the next one is read", async () => {
  const small = await testServer({ smallBytes: 0, bodyBytes: 2 ** 24, allBytes: 2 ** 25, timeoutMs: 60_000 });
  const ask = (payload: string, headers = {}) =>
    small.ask({ method: "POST", url: "/v2/models/tiny/infer", payload, headers: { ...json, ...headers } });
  const hostile = `[${"{},".repeat(3e6)}{}]`;
  const { statusCode, body } = await ask(hostile);
  assert.deepEqual([statusCode, JSON.parse(body).code], [503, "unavailable"], body.slice(0, 200));
  assert.match(small.said.join("\n"), /a body could not be read/);
  assert.equal((await ask(JSON.stringify(tensor))).statusCode, 200);
  const late = await ask(JSON.stringify(tensor), { "x-request-timeout": "0.0001" });
  assert.equal(late.statusCode, 503);
});
