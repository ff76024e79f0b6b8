import assert from "node:assert/strict";
import { after, test } from "node:test";
import { gzipSync } from "node:zlib";
import { type Handler, inTurn, serve, status, text } from "../../tests/server.ts";
import { SenetError } from "../errors.ts";
import { Fetcher } from "./bytes.node.ts";

const fetcher = new Fetcher({ mostBytes: 1000, timing: { stallMs: 1500, windowMs: 200, leastBytes: 100 } });
after(() => fetcher.close());

async function failure(handler: Handler): Promise<string> {
  const { origin } = await serve(handler);
  const error: unknown = await fetcher.fetch(`${origin}/x`).then(
    () => assert.fail("it came"),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof SenetError && error.code === "data", `${error}`);
  return error.message;
}

test("the bytes come, by way of redirects", async () => {
  const { origin, requests } = await serve(inTurn(status(302, { location: "/y" }), text("picture")));
  assert.equal(Buffer.from(await fetcher.fetch(`${origin}/x`)).toString(), "picture");
  assert.deepEqual(
    requests.map(({ url }) => url),
    ["/x", "/y"],
  );
});

test("a name and a password go to their host, and are shown nowhere", async () => {
  const { origin, requests } = await serve(status(403));
  const error: unknown = await fetcher.fetch(origin.replace("//", "//me:secret@")).catch((thrown: unknown) => thrown);
  assert.equal(requests[0]!.headers.authorization, `Basic ${Buffer.from("me:secret").toString("base64")}`);
  assert.match(`${error}`, /status 403/);
  assert.doesNotMatch(`${error}`, /secret/);
  await assert.rejects(fetcher.fetch("http://me:secret@["), (thrown) => !/secret/.test(`${thrown}`));
});

test("what is too much, too slow, compressed or not to be had is given up", async () => {
  assert.match(await failure(text("x".repeat(1001))), /has a file of 1001 bytes; up to 1000/);
  assert.match(
    await failure((_, response) => void response.writeHead(200).end("x".repeat(5000))),
    /sends more than 1000 bytes/,
  );
  assert.match(
    await failure((_, response) => void response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync("x"))),
    /compressed/,
  );
  assert.match(await failure(status(404)), /status 404/);
  assert.match(await failure(status(302, { location: "/x" })), /redirects more than/);
  assert.match(await failure(status(302, { location: "file:///etc/passwd" })), /not encrypted/);
  assert.match(await failure(() => {}), /nothing was received for 1.5 seconds/);
  const drip: Handler = (_, response) => {
    const timer = setInterval(() => response.write("x"), 20);
    response.on("close", () => clearInterval(timer));
  };
  assert.match(await failure(drip), /too slow/);
  const cut: Handler = (_, response) => {
    response.writeHead(200, { "content-length": 10 }).write("x");
    setTimeout(() => response.destroy(), 20);
  };
  assert.match(await failure(cut), /breaks off at byte 1/);
});
