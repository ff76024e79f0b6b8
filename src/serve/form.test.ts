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

test("names are found whatever stands in the others, and in every way that clients write them", () => {
  for (const [parameters, name, filename] of [
    [`; name=x; filename="a; name=b.png"`, "x", "a; name=b.png"],
    [`; filename="a; name=\\"b\\".png"; name=x`, "x", 'a; name="b".png'],
    [`; name="x; filename=y"`, "x; filename=y", undefined],
    [`;name=x;filename=a.png`, "x", "a.png"],
    [` ; NAME = "x" ; FileName = "a.png" `, "x", "a.png"],
    [`; name=x; filename="a.png"; filename*=UTF-8''%C3%A4%20b.png`, "x", "ä b.png"],
    [`; name=x; filename*=iso-8859-1'de'%E4.png`, "x", "ä.png"],
    [`; name=x; filename*=koi8-r''%C4.png`, "x", undefined],
    [`; name="ä"; filename="日本.png"`, "ä", "日本.png"],
    [`; name=x; filename=`, "x", ""],
  ] as const) {
    const body = `--b\r\nContent-Disposition: form-data${parameters}\r\n\r\ndata\r\n--b--`;
    assert.deepEqual(shown(type("b"), body), [[name, filename, "data"]], parameters);
  }
});

test("what a part is stands in its headers", () => {
  const typeOf = (headers: string) =>
    partsOf(type("b"), Buffer.from(`--b\r\n${headers}\r\n\r\nx\r\n--b--`)).map((part) => part.type);
  const disposition = "content-disposition: form-data; name=a";
  assert.deepEqual(typeOf(`${disposition}\r\nContent-Type: Image/JPEG; q=1`), ["image/jpeg"]);
  assert.deepEqual(typeOf(disposition), [""]);
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
