import assert from "node:assert/strict";
import { test } from "node:test";
import { form } from "../../tests/serve.ts";
import { partsOf } from "./form.node.ts";
import { Refusal } from "./refusal.ts";

const type = (boundary: string) => `multipart/form-data; boundary=${boundary}`;
const shown = (contentType: string, body: string | Buffer) =>
  partsOf(contentType, Buffer.from(body)).map(({ name, filename, bytes }) => [
    name,
    filename,
    bytes.toString("latin1"),
  ]);
const isRefused = (work: () => unknown) =>
  assert.throws(work, (error) => error instanceof Refusal && error.status === 400 && /form/.test(error.message));

test("parts come with their names and exactly their bytes", () => {
  const binary = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  const { payload, headers } = form([
    { name: "a", filename: "x.png", data: binary },
    { name: "top", data: "3" },
    { name: "b", filename: "", data: "\r\n--\r\n----senet\r\n" },
    { name: "empty", data: "" },
  ]);
  assert.deepEqual(shown(headers["content-type"], payload), [
    ["a", "x.png", binary.toString("latin1")],
    ["top", undefined, "3"],
    ["b", "", "\r\n--\r\n----senet\r\n"],
    ["empty", undefined, ""],
  ]);
});

test("boundaries may be short or quoted, and text may stand around the parts", () => {
  const body =
    "to be ignored\r\n--b  \r\nContent-Type: text/plain\r\ncontent-disposition: form-data; name=a\r\n\r\nx\r\n--b--\r\nrest";
  for (const contentType of [type("b"), type('"b"'), `${type("b")}; charset=utf-8`])
    assert.deepEqual(shown(contentType, body), [["a", undefined, "x"]]);
});

test("it reads what Node's own client writes, names of all kinds too", async () => {
  const sent = new FormData();
  sent.append('quo"ted', new File(["one"], 'ä "b" \\.jpg'));
  sent.append("text", "two\r\nlines");
  const response = new Response(sent);
  const body = Buffer.from(await response.arrayBuffer());
  assert.deepEqual(
    partsOf(response.headers.get("content-type")!, body).map(({ name, filename, bytes }) => [
      name,
      filename,
      `${bytes}`,
    ]),
    [
      ['quo"ted', 'ä "b" \\.jpg', "one"],
      ["text", undefined, "two\r\nlines"],
    ],
  );
});

test("a form that is damaged is refused wherever it ends", () => {
  const { payload, headers } = form([{ name: "a", filename: "x", data: "data" }]);
  const contentType = headers["content-type"];
  for (let length = 0; length < payload.length - 4; length++)
    isRefused(() => partsOf(contentType, payload.subarray(0, length)));
  isRefused(() => partsOf("multipart/form-data", payload));
  isRefused(() => partsOf(type("x".repeat(71)), payload));
  isRefused(() => partsOf(type("b"), Buffer.from("--b\r\ncontent-type: image/png\r\n\r\nx\r\n--b--")));
  isRefused(() => partsOf(type("b"), Buffer.from("--bc\r\ncontent-disposition: form-data; name=a\r\n\r\nx\r\n--b--")));
});
