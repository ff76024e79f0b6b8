import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { LocalHand, png, sourceOf, tinyWeights } from "../../tests/serve.ts";
import { SenetError } from "../errors.ts";
import { type Listening, type ServeOptions, serve } from "./listen.node.ts";
import type { Hand } from "./work.node.ts";

const weights = tinyWeights(3);
let picture: Buffer;
before(async () => {
  picture = await png("teal");
});

/** Answers one thing each time that it is let. */
class HeldHand extends LocalHand {
  static let: (() => void)[] = [];
  static begun = 0;
  constructor() {
    super();
    const { answer } = this;
    this.answer = async (...work: Parameters<Hand["answer"]>) => {
      HeldHand.begun++;
      await new Promise<void>((resolve) => HeldHand.let.push(resolve));
      return answer(...work);
    };
  }
}

const until = async (isSo: () => boolean): Promise<void> => {
  while (!isSo()) await sleep(2);
};

async function listening(options: Partial<ServeOptions> = {}): Promise<Listening & { port: number; said: string[] }> {
  const said: string[] = [];
  const server = await serve({
    ...{ models: [sourceOf("tiny", weights)], host: "127.0.0.1", port: 0, workers: 1, queue: 2, timeoutMs: 5000 },
    ...{ bodyBytes: 2 ** 20, mostPixels: 1e6, mostPictures: 4, watchMs: undefined, fetcher: undefined },
    ...{ version: "1.2.3", say: (line) => void said.push(line), log: undefined, open: () => new LocalHand() },
    ...options,
  });
  after(() => server.stop());
  return { ...server, said, port: Number(new URL(server.origin).port) };
}

const classify = (origin: string, init: RequestInit = {}) =>
  fetch(`${origin}/v1/classify`, {
    ...{ method: "POST", body: picture as Uint8Array<ArrayBuffer>, headers: { "content-type": "image/png" } },
    ...init,
  });

/** Everything that the server writes until it closes the connection. */
function raw(port: number, text: string): { readonly socket: Socket; readonly answer: Promise<string> } {
  const socket = connect(port, "127.0.0.1", () => socket.write(text));
  let received = "";
  socket.setEncoding("latin1").on("data", (chunk: string) => {
    received += chunk;
  });
  return {
    socket,
    answer: new Promise((resolve) => socket.on("close", () => resolve(received)).on("error", () => {})),
  };
}

test("beyond the queue a request is refused without waiting, health is not", async () => {
  const { origin } = await listening({ open: () => new HeldHand() });
  const taken = [1, 2, 3].map(() => classify(origin));
  const metrics = async () => (await fetch(`${origin}/metrics`)).text();
  while (!/^senet_queue_length 2$/m.test(await metrics())) await sleep(2);
  const refused = await classify(origin);
  assert.deepEqual([refused.status, refused.headers.get("retry-after")], [503, "1"]);
  assert.equal(((await refused.json()) as { error: { code: string } }).error.code, "overloaded");
  assert.equal((await fetch(`${origin}/v2/health/ready`)).status, 200);
  for (let i = 0; i < 3; i++) {
    await until(() => HeldHand.let.length > 0);
    HeldHand.let.shift()!();
  }
  assert.deepEqual(
    (await Promise.all(taken)).map(({ status }) => status),
    [200, 200, 200],
  );
});

test("what its client does not wait for any more is not begun", async () => {
  const { origin } = await listening({ open: () => new HeldHand() });
  const before = HeldHand.begun;
  const taken = classify(origin);
  await until(() => HeldHand.begun === before + 1);
  const gone = new AbortController();
  const left = classify(origin, { signal: gone.signal }).catch((error: Error) => error.name);
  const metrics = async () => (await fetch(`${origin}/metrics`)).text();
  while (!/^senet_queue_length 1$/m.test(await metrics())) await sleep(2);
  gone.abort();
  assert.equal(await left, "AbortError");
  while (!/^senet_queue_length 0$/m.test(await metrics())) await sleep(2);
  assert.match(await metrics(), /senet_requests_total\{route="\/v1\/classify",method="POST",status="499"\} 1/);
  const timeout = await classify(origin, { headers: { "content-type": "image/png", "x-request-timeout": "0.02" } });
  assert.equal(timeout.status, 503);
  assert.match(await timeout.text(), /"timeout".*X-Request-Timeout/);
  HeldHand.let.shift()!();
  assert.equal((await taken).status, 200);
  assert.equal(HeldHand.begun, before + 1);
});

test("when it stops, what was taken is answered, nothing more is taken, and it ends", async () => {
  const server = await listening({ open: () => new HeldHand() });
  const before = HeldHand.begun;
  const taken = [classify(server.origin), classify(server.origin)];
  await until(() => HeldHand.begun === before + 1);
  // On a connection that is open already: afterwards there are no others.
  const { socket, answer } = raw(server.port, "GET /v2/health/ready HTTP/1.1\r\nhost: a\r\n\r\n");
  await sleep(30);
  const stopped = server.stop();
  await sleep(10);
  socket.write("GET /v2/health/ready HTTP/1.1\r\nhost: a\r\n\r\n");
  await assert.rejects(fetch(`${server.origin}/v2/health/live`));
  for (let i = 0; i < 2; i++) {
    await until(() => HeldHand.let.length > 0);
    HeldHand.let.shift()!();
  }
  const answers = await Promise.all(taken);
  assert.deepEqual(
    answers.map(({ status }) => status),
    [200, 200],
  );
  await stopped;
  assert.doesNotMatch((await answer).split("HTTP/1.1").slice(2).join(""), /^ 200/);
});

test("when it stops, who is still sending is soon refused, and what was received is answered all the same", async () => {
  const server = await listening({ open: () => new HeldHand(), timeoutMs: 60_000, stoppingMs: 200 });
  const before = HeldHand.begun;
  const taken = classify(server.origin);
  await until(() => HeldHand.begun === before + 1);
  const head = `POST /v1/classify HTTP/1.1\r\nhost: a\r\ncontent-length: ${picture.length}\r\n\r\n`;
  const begun = raw(server.port, `${head}abc`);
  const inHeaders = raw(server.port, "POST /v2/models/tiny/infer HTTP/1.1\r\nhost:");
  const inTime = raw(server.port, head);
  await sleep(30);
  const stopped = server.stop();
  await sleep(10);
  inTime.socket.write(picture);
  const trickle = setInterval(() => begun.socket.write("d"), 20);
  const refused = await Promise.all([begun.answer, inHeaders.answer]);
  clearInterval(trickle);
  for (const answer of refused) assert.match(answer, /^HTTP\/1\.1 503 .*connection: close.*"code":"stopping"/s);
  for (let i = 0; i < 2; i++) {
    await until(() => HeldHand.let.length > 0);
    HeldHand.let.shift()!();
  }
  assert.equal((await taken).status, 200);
  assert.match(await inTime.answer, /^HTTP\/1\.1 200 OK/);
  await stopped;
});

test("what is no HTTP, or comes too slowly, has an answer in words and no stack trace", async () => {
  const { port, origin } = await listening();
  for (const [text, status, words] of [
    ["HELLO\r\n\r\n", 400, /bad_request/],
    [`GET /v2 HTTP/1.1\r\nhost: a\r\nx: ${"y".repeat(20_000)}\r\n\r\n`, 431, /too_large|bad_request/],
    ["POST /v1/classify HTTP/1.1\r\nhost: a\r\ncontent-length: x\r\n\r\n", 400, /bad_request/],
    ["GET /%ff%00 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", 400, /bad_request/],
    ["GET /%ff HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\nand more\r\n\r\n", 400, /bad_request/],
    [
      "POST /v1/classify HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 99999999\r\n\r\n",
      413,
      /too_large/,
    ],
  ] as const) {
    const received = await raw(port, text).answer;
    assert.match(received, new RegExp(`^HTTP/1\\.1 ${status} `), text.slice(0, 40));
    assert.match(received, words);
    assert.equal(received.match(/HTTP\/1\.1 /g)?.length, 1, "what comes after the last answer gets none");
    assert.doesNotMatch(received, /\n +at /);
  }
  assert.equal((await classify(origin)).status, 200);
});

test("a request that comes too slowly is told so, in its headers and in its body", async () => {
  const { port, origin } = await listening({ receiving: { headersMs: 200, allMs: 400 } });
  const begun = performance.now();
  for (const text of [
    "POST /v1/classify HTTP/1.1\r\nhost:",
    "POST /v1/classify HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nabc",
  ]) {
    const received = await raw(port, text).answer;
    assert.match(received, /^HTTP\/1\.1 408 Request Timeout\r\n/);
    assert.match(received, /"code":"too_slow"/);
  }
  assert.ok(performance.now() - begun < 5000);
  assert.equal((await classify(origin)).status, 200);
});

test("who sends too much before it listens has its answer all the same, and may ask again", async () => {
  const { port } = await listening();
  const body = Buffer.alloc(2 ** 23);
  const chunked = Buffer.concat([Buffer.from(`${body.length.toString(16)}\r\n`), body, Buffer.from("\r\n0\r\n\r\n")]);
  const ready = "GET /v2/health/ready HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
  for (const [header, sent] of [
    [`content-length: ${body.length}`, body],
    ["transfer-encoding: chunked", chunked],
  ] as const) {
    const head = Buffer.from(`POST /v1/classify HTTP/1.1\r\nhost: a\r\n${header}\r\n\r\n`);
    const { socket, answer } = raw(port, "");
    socket.pause();
    // All of it is sent before anything is read.
    await new Promise<void>((resolve, reject) =>
      socket.write(Buffer.concat([head, sent]), (error) => (error ? reject(error) : resolve())),
    );
    socket.write(ready);
    socket.resume();
    assert.deepEqual((await answer).match(/HTTP\/1\.1 \d+/g), ["HTTP/1.1 413", "HTTP/1.1 200"], header);
  }
});

test("a client that asks first is told whether it may send its body", async () => {
  const { port } = await listening();
  const head = `POST /v1/classify HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\nconnection: close\r\n`;
  const { socket, answer } = raw(port, `${head}content-length: ${picture.length}\r\n\r\n`);
  await new Promise((resolve) => socket.once("data", resolve));
  socket.write(picture);
  assert.match(await answer, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK/);
  const refused = await raw(port, `${head}content-encoding: zstd\r\ncontent-length: 10\r\n\r\n`).answer;
  assert.match(refused, /^HTTP\/1\.1 415 /);
});

test("a port that is taken is said", async () => {
  const { port } = await listening();
  await assert.rejects(
    listening({ port }),
    (error) => error instanceof SenetError && /another program listens there/.test(error.message),
  );
});
