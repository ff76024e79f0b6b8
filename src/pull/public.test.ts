import assert from "node:assert/strict";
import { after, test } from "node:test";
import { inTurn, serve, status, text } from "../../tests/server.ts";
import { SenetError } from "../errors.ts";
import { Fetcher } from "./bytes.node.ts";
import { guardedAgent, isPublicAddress } from "./public.node.ts";

test("addresses of this machine and of private networks are not public, in whatever form", () => {
  const others = [
    ...[
      "127.0.0.1",
      "127.9.9.9",
      "0.0.0.0",
      "10.1.2.3",
      "172.16.0.1",
      "172.31.255.255",
      "192.168.1.1",
      "169.254.169.254",
    ],
    ...["100.64.0.1", "198.18.0.1", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fd00::1", "ff02::1"],
    ...["::ffff:127.0.0.1", "::ffff:8.8.8.8", "::7f00:1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001::1", "2001:db8::1"],
    ...["localhost", "", "1"],
  ];
  assert.deepEqual(others.filter(isPublicAddress), []);
  const open = ["8.8.8.8", "172.32.0.1", "100.128.0.1", "192.0.1.1", "2606:4700::1111", "2a00:1450::1"];
  assert.deepEqual(
    open.filter((address) => !isPublicAddress(address)),
    [],
  );
});

const timing = { stallMs: 1500 };
const guarded = new Fetcher({ timing, dispatcher: guardedAgent() });
/** As if this one address were public. */
const half = new Fetcher({ timing, dispatcher: guardedAgent((address) => address === "127.0.0.1") });
after(() => Promise.all([guarded.close(), half.close()]));

const isRefused = (error: unknown) =>
  error instanceof SenetError && error.code === "data" && /is not on the public internet/.test(error.message);

test("nothing is asked of a private address, by whatever name", async () => {
  const { origin, requests } = await serve(text("secret"));
  const { port } = new URL(origin);
  for (const host of ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "0"]) {
    await assert.rejects(guarded.fetch(`http://${host}:${port}/`), isRefused, host);
  }
  assert.equal(requests.length, 0);
});

test("nor where a redirect leads there", async () => {
  const { origin, requests } = await serve(
    inTurn(
      text("picture"),
      status(302, { location: "http://127.0.0.2:1/x" }),
      status(302, { location: "http://[::1]:1/x" }),
    ),
  );
  assert.equal(Buffer.from(await half.fetch(`${origin}/`)).toString(), "picture");
  await assert.rejects(half.fetch(`${origin}/`), isRefused);
  await assert.rejects(half.fetch(`${origin}/`), isRefused);
  assert.equal(requests.length, 3);
});
