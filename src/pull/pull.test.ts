import assert from "node:assert/strict";
import {
  lutimesSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../../tests/command.ts";
import {
  assertWhole,
  base,
  breakOff,
  content,
  failure,
  fast,
  good,
  half,
  hash,
  other,
  ranges,
  sendUntil,
  start,
} from "../../tests/pull.ts";
import { fileHandler, type Handler, inTurn, rangeStart, serve, status, text } from "../../tests/server.ts";
import { knownFiles } from "./addresses.ts";
import { pull } from "./pull.node.ts";
import { AddressFailure, redirected } from "./request.node.ts";

test("what is fetched is whole, and is fetched once", async () => {
  const { run, cache, asked, said } = await start({ handlers: [good] });
  const seen: number[] = [];
  const path = await run({ onProgress: ({ received, total }) => seen.push(received / total!) });
  assert.equal(path, join(cache, "w.safetensors"));
  assertWhole(cache);
  assert.equal(seen[0], 0);
  assert.equal(seen.at(-1), 1);
  assert.equal(await run(), path);
  assert.equal(await run({ offline: true, check: true }), path);
  assert.equal(asked[0]!.length, 1);
  assert.deepEqual(said, []);
  await run({ force: true });
  assert.equal(asked[0]!.length, 2);
  assertWhole(cache);
});

test("offline, what is not there is an error that says how to put it there", async () => {
  const { run, cache, asked, servers } = await start({ handlers: [good] });
  const message = await failure(() => run({ offline: true }));
  assert.ok(message.includes(`${servers[0]!.origin}/w`), message);
  assert.ok(message.includes(join(cache, "w.safetensors")), message);
  assert.deepEqual(asked, [[]]);
});

test("a file in the cache that is not the released one is found out, whoever put it there and however", async () => {
  const { run, cache, asked } = await start({ handlers: [good] });
  const path = join(cache, "w.safetensors");
  const expected = /not the released file[\s\S]*sha256[\s\S]*senet pull w, with `force`/;
  writeFileSync(path, other);
  assert.match(await failure(run, "weights"), expected);
  await run({ force: true });
  assertWhole(cache);
  // In place, of the same size, and with its time set back.
  const { atime, mtime } = statSync(path);
  writeFileSync(path, other);
  utimesSync(path, atime, mtime);
  assert.match(await failure(run, "weights"), expected);
  assert.match(await failure(() => run({ check: true }), "weights"), expected);
  // Another file under its name.
  writeFileSync(`${path}.new`, content);
  renameSync(`${path}.new`, path);
  await run();
  assertWhole(cache);
  assert.equal(asked[0]!.length, 1);
});

test("a file that was checked is not read again until it changes", async () => {
  const { run } = await start({ handlers: [good] });
  const path = await run();
  const note = `${path}.checked`;
  const before = readFileSync(note, "utf8");
  // Whoever reads it updates the time of access, unless it is mounted otherwise: the note is what can be told for sure.
  await run();
  assert.equal(readFileSync(note, "utf8"), before);
  rmSync(note);
  await run();
  assert.equal(readFileSync(note, "utf8"), before, "made anew by the check");
  // The note is believed: what it says of the file is what is compared.
  const stamped = JSON.parse(before) as Record<string, string>;
  writeFileSync(path, other);
  const { size, mtimeNs, ctimeNs, ino } = statSync(path, { bigint: true });
  const forged = { ...stamped, size: `${size}`, mtimeNs: `${mtimeNs}`, ctimeNs: `${ctimeNs}`, ino: `${ino}` };
  writeFileSync(note, `${JSON.stringify(forged)}\n`);
  await run();
  await failure(() => run({ check: true }), "weights");
});

test("an answer of unknown size is bounded, and nothing of it stays", async () => {
  const endless: Handler = (_, response) => {
    response.writeHead(200);
    const more = () => {
      while (response.write(content));
      response.once("drain", more);
    };
    more();
  };
  const { run, cache } = await start({ handlers: [endless], known: { bytes: content.length } });
  assert.match(await failure(run), /sends more than/);
  assert.deepEqual(readdirSync(cache), []);
});

test("a server that gives a byte now and then is left, whether it holds the connection or not", async () => {
  const drip: Handler = ({ headers }, response) => {
    const from = rangeStart(headers.range) ?? 0;
    response.writeHead(from === 0 ? 200 : 206, {
      "content-length": content.length - from,
      ...(from > 0 && { "content-range": `bytes ${from}-${content.length - 1}/${content.length}` }),
    });
    let at = from;
    const timer = setInterval(() => response.write(content.subarray(at, ++at)), 20);
    response.on("close", () => clearInterval(timer));
  };
  const timing = { ...fast, windowMs: 300, leastBytes: 1000 };
  const { run, cache, said } = await start({ handlers: [drip, good], options: { timing } });
  await run();
  assertWhole(cache);
  assert.match(said[0]!, /too slow: \d+ bytes in 0 seconds/);

  const oneByte: Handler = ({ headers }, response) => {
    const from = rangeStart(headers.range) ?? 0;
    response.writeHead(from === 0 ? 200 : 206, {
      "content-length": content.length - from,
      ...(from > 0 && { "content-range": `bytes ${from}-${content.length - 1}/${content.length}` }),
    });
    sendUntil(response, content, from, from + 1);
  };
  const second = await start({ handlers: [oneByte, good] });
  await second.run();
  assertWhole(second.cache);
  assert.match(second.said.at(-1)!, /3 attempts/);
});

test("headers that come byte by byte are not waited for", async () => {
  const slow: Handler = ({ socket }) => {
    const timer = setInterval(() => socket.write("x"), 20);
    socket.write("HTTP/1.1 200 OK\r\nx: ");
    socket.on("close", () => clearInterval(timer));
  };
  const timing = { ...fast, stallMs: 200, attempts: 1 };
  const { run } = await start({ handlers: [slow], options: { timing } });
  assert.match(await failure(run), /nothing was received for 0.2 seconds/);
});

test("an address is encrypted, or this machine's; a mirror is what its user says", async () => {
  for (const { addresses } of knownFiles.values())
    for (const address of addresses) assert.equal(new URL(address).protocol, "https:", address);
  for (const address of ["http://weights.example/w", "http://127.0.0.1.example/w", "http://localhost.example/w"]) {
    const { run } = await start({ handlers: [], known: { addresses: [address] } });
    assert.match(await failure(run, "usage"), /must be encrypted/);
  }
});

test("a mirror's password goes to the mirror alone, and is shown nowhere", async () => {
  const elsewhere = await serve(good);
  const mirror = await serve((_, response) => status(302, { location: `${elsewhere.origin}/x` })(_, response));
  const { run, cache, said } = await start({ handlers: [] });
  const secret = mirror.origin.replace("//", "//user:s%40cret@");
  const addresses = new Set<string>();
  await run({ mirror: secret, onProgress: ({ address }) => addresses.add(address) });
  assertWhole(cache);
  const basic = `Basic ${Buffer.from("user:s@cret").toString("base64")}`;
  assert.equal(mirror.requests[0]!.headers.authorization, basic);
  assert.equal(elsewhere.requests[0]!.headers.authorization, undefined);

  const gone = await serve(status(404));
  const bad = gone.origin.replace("//", "//user:s%40cret@");
  const messages = [
    await failure(() => run({ force: true, mirror: bad })),
    await failure(() => run({ force: true, mirror: "user:s%40cret@host" }), "usage"),
    await failure(() => run({ force: true, mirror: "http://user:s%40cret@[" }), "usage"),
    await failure(() => run({ offline: true, cache: temporaryFolder(), mirror: bad })),
    ...said,
    ...addresses,
  ];
  assert.doesNotMatch(messages.join("\n"), /cret|user/);
  assert.match(messages[0]!, /answers with status 404/);
});

test("a part is not written through a link that somebody laid", async () => {
  const { run, cache } = await start({ handlers: [good] });
  const victim = join(temporaryFolder(), "victim");
  writeFileSync(victim, "precious");
  const laid = join(cache, "w.safetensors.host-1-1.partial");
  mkdirSync(laid);
  symlinkSync(victim, join(laid, "bytes"));
  writeFileSync(join(laid, "origin.json"), JSON.stringify({ address: "http://x/" }));
  const old = new Date(Date.now() - 86_400_000);
  lutimesSync(join(laid, "bytes"), old, old);
  await run().catch(() => {});
  assert.equal(readFileSync(victim, "utf8"), "precious");
});

test("an unknown name is an error with the nearest ones", async () => {
  await assert.rejects(pull("se-resnet-5O"), /there are no released weights called "se-resnet-5O"[\s\S]*se-resnet-50/);
});

test("a connection that breaks off is continued", async () => {
  const broken: Handler = (_, response) => breakOff(response, content, half, { etag: '"1"' });
  const { run, cache, asked } = await start({ handlers: [inTurn(broken, good)] });
  await run();
  assertWhole(cache);
  assert.deepEqual(ranges(asked[0]!), [undefined, half]);
  assert.equal(asked[0]![1]!.headers["if-range"], '"1"');
});

test("every byte more is a reason to go on", async () => {
  // Eight pieces of an answer, more than there are attempts without one.
  const piece = Math.ceil(content.length / 8);
  const handler: Handler = ({ headers }, response) => {
    const from = rangeStart(headers.range) ?? 0;
    response.writeHead(from === 0 ? 200 : 206, {
      "content-length": content.length - from,
      ...(from > 0 && { "content-range": `bytes ${from}-${content.length - 1}/${content.length}` }),
    });
    sendUntil(response, content, from, Math.min(from + piece, content.length));
  };
  const { run, cache, asked } = await start({ handlers: [handler], options: { timing: { ...fast, attempts: 2 } } });
  await run();
  assertWhole(cache);
  assert.deepEqual(
    ranges(asked[0]!).map((from) => (from ?? 0) / piece),
    [0, 1, 2, 3, 4, 5, 6, 7],
  );
});

test("a server that answers with less than the range is asked for the rest", async () => {
  const handler: Handler = ({ headers }, response) => {
    const from = rangeStart(headers.range);
    if (from === undefined) return breakOff(response, content, half);
    const to = Math.min(from + 300_000, content.length);
    response
      .writeHead(206, { "content-range": `bytes ${from}-${to - 1}/${content.length}`, "content-length": to - from })
      .end(content.subarray(from, to));
  };
  const { run, cache } = await start({ handlers: [handler] });
  await run();
  assertWhole(cache);
});

test("a server that knows no ranges is read from the start", async () => {
  const whole: Handler = (_, response) =>
    void response.writeHead(200, { "content-length": content.length }).end(content);
  const broken: Handler = (_, response) => breakOff(response, content, half);
  const { run, cache, asked } = await start({ handlers: [inTurn(broken, whole)] });
  await run();
  assertWhole(cache);
  assert.deepEqual(ranges(asked[0]!), [undefined, half]);
});

test("a server that answers with another range is read from the start", async () => {
  const wrong: Handler = (_, response) =>
    void response
      .writeHead(206, { "content-range": `bytes 0-9/${content.length}`, "content-length": 10 })
      .end(content.subarray(0, 10));
  const broken: Handler = (_, response) => breakOff(response, content, half);
  const { run, cache, asked } = await start({ handlers: [inTurn(broken, wrong, good)] });
  await run();
  assertWhole(cache);
  assert.equal(ranges(asked[0]!)[2], undefined);
});

test("a file that has changed on the server meanwhile is read from the start", async () => {
  const broken: Handler = (_, response) => breakOff(response, other, half, { etag: '"0"' });
  for (const isHashed of [true, false]) {
    const { run, cache, asked } = await start({ handlers: [inTurn(broken, good)], isHashed });
    await run();
    assertWhole(cache);
    assert.equal(asked[0]!.length, 2);
    assert.equal(asked[0]![1]!.headers["if-range"], '"0"');
  }
});

test("two files that were mixed are noticed by the hash, and it is read once more from the start", async () => {
  // No entity tag: nothing else tells them apart.
  const wrongStart = Buffer.from(content);
  wrongStart[half - 1000]! ^= 1;
  const broken: Handler = (_, response) => breakOff(response, wrongStart, half);
  const server = fileHandler(content);
  const { run, cache, said, servers } = await start({ handlers: [inTurn(broken, broken), server] });
  // A first pull that gives up leaves its part to the second.
  const [bad, fine] = servers.map(({ origin }) => `${origin}/w`);
  await failure(() => run({ known: new Map([["w", { ...base, hash, addresses: [bad!] }]]) }));
  assert.equal(readdirSync(cache).length, 1);
  await run({ known: new Map([["w", { ...base, hash, addresses: [fine!] }]]) });
  assertWhole(cache);
  assert.match(said.join("\n"), /sha256 begins[\s\S]*starting again/);
});

test("without hash and entity tag, nothing is continued that may not be the same", async () => {
  const broken: Handler = (_, response) => breakOff(response, content, half);
  const { run, cache, asked, said } = await start({ handlers: [inTurn(broken, good)], isHashed: false });
  await run();
  assertWhole(cache);
  assert.deepEqual(ranges(asked[0]!), [undefined, undefined]);
  assert.match(said.at(-1)!, /no hash is known/);
});

test("a server that promises more bytes than there are", async () => {
  const promise: Handler = ({ headers }, response) => {
    if (headers.range !== undefined) return good({ headers } as Parameters<Handler>[0], response);
    breakOff(response, Buffer.concat([content, Buffer.alloc(1000)]), content.length);
  };
  const { run, cache } = await start({ handlers: [promise] });
  await run();
  assertWhole(cache);

  const stubborn: Handler = (_, response) =>
    breakOff(response, Buffer.concat([content, Buffer.alloc(1000)]), content.length);
  const second = await start({ handlers: [stubborn] });
  const message = await failure(() => second.run());
  assert.match(message, new RegExp(`breaks off at byte ${content.length} of ${content.length + 1000}.*3 attempts`));
});

test("a server that promises fewer bytes than there are", async () => {
  const short: Handler = (_, response) => {
    response.socket!.write(`HTTP/1.1 200 OK\r\nContent-Length: ${half}\r\n\r\n`);
    response.socket!.end(content);
  };
  const { run, cache, said } = await start({ handlers: [short, good] });
  await run();
  assertWhole(cache);
  assert.match(said[0]!, /sha256 begins/);
  const sized = await start({ handlers: [short, good], known: { bytes: content.length } });
  await sized.run();
  assertWhole(sized.cache);
  assert.match(sized.said[0]!, new RegExp(`has a file of ${half} bytes, not of ${content.length}`));
});

test("a server that does not end is left", async () => {
  const endless: Handler = (_, response) => {
    response.writeHead(200);
    const more = () => {
      while (response.write(content));
      response.once("drain", more);
    };
    more();
  };
  const { run, cache, said } = await start({ handlers: [endless, good], known: { bytes: content.length } });
  await run();
  assertWhole(cache);
  assert.match(said[0]!, new RegExp(`sends more than ${content.length} bytes`));
});

test("the right size and the wrong bytes", async () => {
  const { run, cache, asked } = await start({ handlers: [fileHandler(other)] });
  assert.match(await failure(run), /sha256 begins/);
  assert.deepEqual(readdirSync(cache), []);
  assert.equal(asked[0]!.length, 1);
});

test("what is not weights is called by its name, and the next address is asked", async () => {
  const pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 461488402\n";
  const others: readonly (readonly [Handler, RegExp])[] = [
    [text(pointer), /Git-LFS pointer.*461488402/],
    [text("<!DOCTYPE html><title>Not here</title>", "text/html"), /web page.*Not here/],
    [text('{"error": "Repository not found"}', "application/json"), /server's error message.*Repository/],
    [text("conv1 {\n}\n"), /prototxt, not safetensors/],
    [text(""), /empty/],
  ];
  for (const isHashed of [true, false]) {
    for (const [handler, expected] of others) {
      const { run, cache, said } = await start({ handlers: [handler, good], isHashed });
      await run();
      assertWhole(cache);
      assert.match(said[0]!, expected);
    }
  }
});

test("a page under the right address is told from a file of the wrong size", async () => {
  const page = text("<html><title>Confirm</title></html>", "text/html; charset=utf-8");
  const { run } = await start({ handlers: [page], known: { bytes: content.length } });
  assert.match(await failure(run), /web page, not weights \(the page "Confirm"\)/);
});

test("a compressed answer is refused", async () => {
  const handler: Handler = (_, response) => void response.writeHead(200, { "content-encoding": "gzip" }).end("x");
  const { run, asked } = await start({ handlers: [handler] });
  assert.match(await failure(run), /compressed \(gzip\)/);
  assert.equal(asked[0]![0]!.headers["accept-encoding"], "identity");
});

test("redirects are followed, not for ever", async () => {
  const target = await serve(good);
  const hops = inTurn(status(302, { location: "/x" }), status(307, { location: `${target.origin}/y` }));
  const { run, cache, asked } = await start({ handlers: [hops] });
  await run();
  assertWhole(cache);
  assert.equal(asked[0]!.length, 2);

  const loop = await start({ handlers: [status(301, { location: "/w" })] });
  assert.match(await failure(loop.run), /redirects more than 10 times/);
  const nowhere = await start({ handlers: [status(302)] });
  assert.match(await failure(nowhere.run), /redirects to nowhere/);
});

test("a redirect does not leave encryption", () => {
  const https = new URL("https://host/a");
  assert.equal(redirected(https, "/b?c").href, "https://host/b?c");
  assert.equal(redirected(new URL("http://host/a"), "https://other/").href, "https://other/");
  for (const location of ["http://host/a", "file:///etc/passwd", "http://[", undefined]) {
    assert.throws(() => redirected(https, location), AddressFailure);
  }
});

test("where there is no server", async () => {
  const gone = createServer();
  await new Promise<void>((resolve) => gone.listen(0, "127.0.0.1", resolve));
  const { port } = gone.address() as AddressInfo;
  await new Promise((resolve) => gone.close(resolve));
  const address = `http://127.0.0.1:${port}/w`;
  const { run, cache } = await start({ handlers: [], known: { addresses: [address] } });
  const message = await failure(run);
  assert.match(message, /connection is refused/);
  assert.ok(message.includes(`save it as ${join(cache, "w.safetensors")}`), message);
  assert.deepEqual(readdirSync(cache), []);
});

test("a mirror is asked first, under the file's name", async () => {
  const mirror = await serve(good);
  const { run, cache, asked } = await start({ handlers: [good], options: { mirror: `${mirror.origin}/senet` } });
  await run();
  assertWhole(cache);
  assert.equal(mirror.requests[0]!.url, "/senet/w.safetensors");
  assert.deepEqual(asked, [[]]);
  await failure(() => run({ force: true, mirror: "/a/folder" }), "usage");
});

async function withEnvironment(values: Readonly<Record<string, string>>, work: () => Promise<void>): Promise<void> {
  Object.assign(process.env, values);
  try {
    await work();
  } finally {
    for (const name of Object.keys(values)) delete process.env[name];
  }
}

test("a proxy is asked for the whole address, unless the host is excepted", async () => {
  // It plays all hosts itself.
  const proxy = await serve(good);
  await withEnvironment({ HTTP_PROXY: proxy.origin, NO_PROXY: "127.0.0.1" }, async () => {
    const { run, cache } = await start({ handlers: [], options: { mirror: "http://weights.example" } });
    await run();
    assertWhole(cache);
    assert.equal(proxy.requests[0]!.url, "http://weights.example/w.safetensors");
    assert.equal(proxy.requests[0]!.headers.host, "weights.example");
    const direct = await start({ handlers: [good] });
    await direct.run();
    assert.equal(proxy.requests.length, 1);
  });
});

test("a proxy is asked for a tunnel to an encrypted host", async () => {
  const proxy = await serve(good);
  const tunnels: (string | undefined)[] = [];
  proxy.server.on("connect", ({ url }, socket) => {
    tunnels.push(url);
    socket.end("HTTP/1.1 403 Forbidden\r\n\r\n");
  });
  await withEnvironment({ HTTPS_PROXY: proxy.origin }, async () => {
    const { run } = await start({ handlers: [], known: { addresses: ["https://weights.example/w"] } });
    assert.match(await failure(run), /403/);
  });
  assert.deepEqual(tunnels, ["weights.example:443"]);
});

test("a proxy that cannot be one is an error without its password", async () => {
  await withEnvironment({ HTTP_PROXY: "http://user:secret@:x" }, async () => {
    const message = await failure((await start({ handlers: [good] })).run, "usage");
    assert.match(message, /HTTP_PROXY/);
    assert.doesNotMatch(message, /secret/);
  });
});

test("an aborted pull is continued by the next one", async () => {
  const silent: Handler = (_, response) => {
    response.writeHead(200, { "content-length": content.length, etag: '"1"' }).write(content.subarray(0, half));
  };
  const { run, cache, asked } = await start({ handlers: [inTurn(silent, good)] });
  const stop = new AbortController();
  const aborted = run({
    signal: stop.signal,
    onProgress: ({ received }) => {
      if (received === half) stop.abort();
    },
  });
  await assert.rejects(aborted, { name: "AbortError" });
  await run();
  assertWhole(cache);
  assert.equal(ranges(asked[0]!)[1], half);
});

test("two pulls at the same time do not disturb each other", async () => {
  // Both are under way before either goes on.
  let waiting: (() => void)[] = [];
  const handler: Handler = (_, response) => {
    response.writeHead(200, { "content-length": content.length }).write(content.subarray(0, half));
    waiting.push(() => response.end(content.subarray(half)));
    if (waiting.length < 2) return;
    for (const go of waiting) go();
    waiting = [];
  };
  const { run, cache, asked } = await start({ handlers: [handler] });
  const paths = await Promise.all([run(), run()]);
  assert.equal(paths[0], paths[1]);
  assertWhole(cache);
  assert.equal(asked[0]!.length, 2);
});

test("a cache folder that cannot be made is an error", async () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, "file"), "");
  const { run } = await start({ handlers: [good], cache: join(folder, "file", "cache") });
  assert.match(await failure(run), /the folder cannot be made[\s\S]*SENET_CACHE/);
});
