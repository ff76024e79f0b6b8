/** `senet serve` as a process with its threads: under load, under malformed requests, while files change, and to its end. */

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync, renameSync } from "node:fs";
import { Agent, type IncomingMessage, request } from "node:http";
import { connect } from "node:net";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { load } from "../src/api/network.node.ts";
import type { Prediction } from "../src/evaluate/classify.ts";
import { createRandom, type Random } from "../src/random.ts";
import { launcher } from "./command.ts";
import { form, png, tinyWeights } from "./serve.ts";

const weights = tinyWeights(3);
const agent = new Agent({ keepAlive: true, maxSockets: 32 });
after(() => agent.destroy());

interface Answer {
  readonly status: number;
  readonly body: string;
}

interface Running {
  readonly child: ChildProcess;
  readonly port: number;
  /** What it has said on standard error. */
  readonly said: () => string;
  readonly ended: Promise<number | null>;
}

const started: ChildProcess[] = [];
after(() => {
  for (const child of started) child.kill("SIGKILL");
});

async function running(...args: string[]): Promise<Running> {
  const command = [launcher, "serve", "--port", "0", "--executor", "ort", "--workers", "2", ...args];
  const child = spawn(process.execPath, command, { stdio: ["ignore", "pipe", "pipe"] });
  started.push(child);
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
  const port = await new Promise<number>((resolve, reject) => {
    let printed = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      printed += text;
      const [, found] = /^listening on http:\/\/127\.0\.0\.1:(\d+)$/m.exec(printed) ?? [];
      if (found !== undefined) resolve(Number(found));
    });
    void ended.then((code) => reject(new Error(`it ended with ${code}: ${said}`)));
  });
  return { child, port, said: () => said, ended };
}

interface Asked {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer;
}

function ask(port: number, { method = "POST", path = "/v1/classify", headers = {}, body }: Asked): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const take = (answer: IncomingMessage) => {
      let text = "";
      answer.setEncoding("utf8").on("data", (part: string) => {
        text += part;
      });
      answer.on("end", () => resolve({ status: answer.statusCode!, body: text })).on("error", reject);
    };
    // Of some methods Node's client would send a body without saying how long it is: to the server that is another request.
    const length = body === undefined ? {} : { "content-length": body.length };
    request({ agent, port, method, path, headers: { ...headers, ...length } }, take)
      .on("error", reject)
      .end(body);
  });
}

const png_ = { "content-type": "image/png" };
const residentMiB = ({ child }: Running) =>
  Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))![1]) / 1024;

/** Pictures that the network tells apart, and what it says of each. */
const pictures: Buffer[] = [];
let expected: readonly (readonly Prediction[])[];
before(async () => {
  for (let i = 0; i < 40; i++) pictures.push(await png(`rgb(${6 * i}, ${255 - 5 * i}, ${(i * 37) % 256})`));
  await using network = await load(weights, { executor: "ort", threads: 1 });
  expected = await network.classify(pictures);
  assert.ok(new Set(expected.map((predictions) => JSON.stringify(predictions))).size === pictures.length);
});

/** `count` times, or as long as it is so; so many at once. */
async function atOnce(most: number, count: number | (() => boolean), one: (i: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (typeof count === "number" ? next < count : count()) await one(next++);
  };
  await Promise.all(Array.from({ length: most }, worker));
}

/** SENET_REQUESTS=100000 is the full proof (docs/environment.md). */
const manyRequests = Number(process.env.SENET_REQUESTS ?? 2000);

test("thousands of requests at once are each answered with their own result, and memory stays", {
  timeout: 300_000 + 20 * manyRequests,
}, async () => {
  const server = await running("--weights", weights);
  const one = async (i: number) => {
    const at = [(7 * i) % pictures.length, (11 * i + 3) % pictures.length];
    const { payload, headers } = form(at.map((n) => ({ name: "p", filename: `${n}`, data: pictures[n]! })));
    const isPair = i % 3 === 0;
    const { status, body } = await ask(
      server.port,
      isPair ? { headers, body: payload } : { headers: png_, body: pictures[at[0]!]! },
    );
    assert.equal(status, 200, body);
    const { results } = JSON.parse(body) as { results: { name: string; predictions: Prediction[] }[] };
    assert.deepEqual(
      results.map(({ predictions }) => predictions),
      (isPair ? at : [at[0]!]).map((n) => expected[n]),
    );
  };
  await atOnce(24, 500, one);
  const early = residentMiB(server);
  // Those who compute step back before the thread that answers health checks.
  const { pid } = server.child;
  const niceness = readdirSync(`/proc/${pid}/task`)
    .map((thread) => readFileSync(`/proc/${pid}/task/${thread}/stat`, "latin1").split(") ")[1]!.split(" ")[16])
    .map(Number);
  const own = Number(readFileSync(`/proc/${pid}/stat`, "latin1").split(") ")[1]!.split(" ")[16]);
  assert.ok(niceness.filter((nice) => nice > own).length >= 2, niceness.join());
  await atOnce(24, manyRequests, one);
  const late = residentMiB(server);
  assert.ok(late < early + 64, `${early.toFixed(0)} MiB, then ${late.toFixed(0)}`);
  server.child.kill("SIGTERM");
  assert.equal(await server.ended, 0);
});

test("a network that changes under load is served without a request lost", { timeout: 120_000 }, async () => {
  const file = tinyWeights(3, "served.safetensors");
  const server = await running("--weights", `net=${file}`);
  const seen = new Set<number>();
  let isOver = false;
  const load = atOnce(
    8,
    () => !isOver,
    async () => {
      const { status, body } = await ask(server.port, { headers: png_, body: pictures[0]! });
      assert.equal(status, 200, body);
      seen.add((JSON.parse(body) as { results: { predictions: unknown[] }[] }).results[0]!.predictions.length);
    },
  );
  void load.catch(() => {});
  const end = performance.now() + 60_000;
  while (!seen.has(3)) await sleep(20);
  renameSync(tinyWeights(4, "later.safetensors"), file);
  while (!seen.has(4) && performance.now() < end) await sleep(50);
  isOver = true;
  await load;
  assert.deepEqual([...seen].sort(), [3, 4], server.said());
  server.child.kill("SIGINT");
  assert.equal(await server.ended, 0);
});

test("when it is told to end, what was taken is answered, and it ends with 0", { timeout: 60_000 }, async () => {
  const server = await running("--weights", weights, "--queue", "200");
  const taken = pictures.map((body) => ask(server.port, { headers: png_, body }));
  let early = 0;
  for (const answer of taken)
    void answer.then(
      () => early++,
      () => {},
    );
  // The others wait for their turn, or are not there yet.
  await Promise.race(taken);
  const before = early;
  server.child.kill("SIGTERM");
  const answers = await Promise.allSettled(taken);
  assert.equal(await server.ended, 0, server.said());
  let count = 0;
  for (const [i, answer] of answers.entries()) {
    // Those that came too late have no connection, or are told so.
    if (answer.status === "rejected" || answer.value.status === 503) continue;
    const { results } = JSON.parse(answer.value.body) as { results: { predictions: Prediction[] }[] };
    assert.deepEqual(results[0]!.predictions, expected[i]);
    count++;
  }
  assert.ok(count > before, `${count} answers, ${before} of them before the end`);
  assert.match(server.said(), /stopping/);
});

/** Bytes of something sound, some of them changed, gone or repeated. */
function damaged(bytes: Buffer, random: Random): Buffer {
  const copy = Buffer.from(bytes);
  for (let i = random.below(8); i > 0; i--) copy[random.below(copy.length)] = random.below(256);
  const cut = random.below(4) === 0 ? random.below(copy.length) : copy.length;
  return random.below(8) === 0 ? Buffer.concat([copy.subarray(0, cut), copy]) : copy.subarray(0, cut);
}

const types = [
  "image/png",
  "application/json",
  "multipart/form-data; boundary=----senet-test",
  "multipart/form-data",
  "text/html",
  "",
  "application/octet-stream",
  "%",
  "application/json; charset=utf-16",
];
const paths = [
  "/v1/classify",
  "/v1/features",
  "/v1/explain",
  "/v2/models/3/infer",
  "/v2/models/%00/infer",
  "/v2/models/3/versions/x/infer",
  "/",
  "/v1/classify?top=-1",
  "/v1/classify?top=1&top=2",
  "/v1/explain?stage=1e9",
  "/v1/classify?__proto__=1",
  "/../../etc/passwd",
  "/%ff",
  "/v1/explain?class=%F0%9F%90%B1&method=occlusion",
  "/openapi.json",
  "/metrics",
];
const methods = ["POST", "POST", "POST", "POST", "GET", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE"];

test("ten thousand malformed requests: no crash, and no 5xx but 503", { timeout: 600_000 }, async () => {
  const server = await running("--weights", weights, "--max-body", "1");
  const sound = form([
    { name: "picture", filename: "a.png", data: pictures[0]! },
    { name: "top", data: "2" },
  ]).payload;
  const json = Buffer.from(JSON.stringify({ pictures: [{ base64: pictures[1]!.toString("base64") }], top: 1 }));
  const tensor = Buffer.from(
    JSON.stringify({
      inputs: [{ name: "image", shape: [1, 3, 16, 16], datatype: "FP32", parameters: { binary_data_size: 3072 } }],
    }),
  );
  const bodies = [sound, json, pictures[2]!, Buffer.concat([tensor, Buffer.alloc(3072)]), Buffer.alloc(50, 0xff)];
  const statuses: Record<number, number> = {};
  const count = (status: number, what: string) => {
    statuses[status] = (statuses[status] ?? 0) + 1;
    assert.ok(status < 500 || status === 503, `${status}: ${what}`);
  };
  const pick = <T>(values: readonly T[], random: Random) => values[random.below(values.length)]!;
  await atOnce(16, 10_000, async (i) => {
    const random = createRandom(14, i);
    const body = damaged(pick(bodies, random), random);
    if (i % 10 === 0) return count(await rawStatus(server.port, random, body), "raw bytes");
    const method = pick(methods, random);
    const path = pick(paths, random);
    const headers: Record<string, string> = {
      "content-type": pick(types, random),
      ...(random.below(3) === 0 && {
        "inference-header-content-length": pick([`${tensor.length}`, "1e3", "-1", "x", ""], random),
      }),
      ...(random.below(9) === 0 && { "x-request-timeout": pick(["0", "x", "0.001", "-1", "1e999"], random) }),
    };
    const isBare = method === "GET" || method === "HEAD" || method === "TRACE";
    // A server may answer and close before it has read all of a body.
    const answer = await ask(server.port, { method, path, headers, ...(!isBare && { body }) }).catch(
      (error: NodeJS.ErrnoException) => {
        assert.match(error.code ?? "", /^(ECONNRESET|EPIPE)$/, `${error}`);
      },
    );
    if (answer !== undefined) count(answer.status, `${method} ${path} ${JSON.stringify(headers)} ${answer.body}`);
  });
  assert.ok(statuses[400]! > 500 && statuses[415]! > 100 && statuses[422]! > 100, JSON.stringify(statuses));
  const { status, body } = await ask(server.port, { headers: png_, body: pictures[3]! });
  assert.deepEqual(
    [status, (JSON.parse(body) as { results: { predictions: unknown }[] }).results[0]!.predictions],
    [200, expected[3]],
  );
  server.child.kill("SIGTERM");
  assert.equal(await server.ended, 0);
  assert.doesNotMatch(server.said(), /\n +at |bug in senet|has ended|could not be processed/);
});

/** Of bytes that may be no HTTP at all; 0 where there is no answer. */
function rawStatus(port: number, random: Random, body: Buffer): Promise<number> {
  const head = `POST /v1/classify HTTP/1.1\r\nhost: a\r\ncontent-type: image/png\r\ncontent-length: ${random.below(9) === 0 ? "x" : body.length}\r\nconnection: close\r\n\r\n`;
  const bytes = Buffer.concat([damaged(Buffer.from(head), random), body]);
  return new Promise((resolve) => {
    let received = "";
    const socket = connect(port, "127.0.0.1", () => socket.write(bytes));
    const end = () => resolve(Number(/^HTTP\/1\.1 (\d+)/.exec(received)?.[1] ?? 0));
    // It may wait for more, as is its right.
    const timer = setTimeout(() => socket.destroy(), 300);
    socket.setEncoding("latin1").on("data", (chunk: string) => {
      received += chunk;
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      clearTimeout(timer);
      end();
    });
  });
}
