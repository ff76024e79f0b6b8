/**
 * `senet serve` beside itself without batching and beside FastAPI with PyTorch: the same network, the same JPEGs, on
 * loopback, turn by turn; and how soon health is answered at twice the load that the server bears.
 *
 * `node dist/bench/serve.js FOLDER [--model se-resnet-18] [--size 96] [--seconds 8] [--rounds 3] [--connections 1,8,32]
 * [--python FILE] [--only TEXT]`, after `npm run build`; JPEGs of FOLDER. A python without FastAPI is said, and left out. The last line is
 * one JSON object.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { table } from "../src/cli/output.ts";
import { imagenetPreprocessing } from "../src/images/preprocess.ts";
import { encodeCheckpoint } from "../src/weights/checkpoint-write.ts";
import { initialWeights } from "../src/weights/init.ts";
import { inferenceGraph, model } from "../src/zoo/index.ts";
import { machine, median, Neighbours, percent, whole } from "./measure.ts";

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    model: { type: "string", default: "se-resnet-18" },
    size: { type: "string", default: "96" },
    seconds: { type: "string", default: "8" },
    rounds: { type: "string", default: "3" },
    connections: { type: "string", default: "1,8,32" },
    python: { type: "string", default: "python3" },
    /** Only contenders whose names contain this. */
    only: { type: "string", default: "" },
  },
});
const folder = positionals[0];
if (folder === undefined) throw new Error("which folder?");
const size = whole("size", values.size);
const milliseconds = 1000 * whole("seconds", values.seconds);
const rounds = whole("rounds", values.rounds);
const connections = values.connections.split(",").map((text) => whole("connections", text));

const bodies = readdirSync(folder, { recursive: true, encoding: "utf8" })
  .filter((name) => /\.jpe?g$/i.test(name))
  .sort()
  .slice(0, 200)
  .map((name) => formOf(readFileSync(join(folder, name))));
if (bodies.length === 0) throw new Error(`there is no JPEG below ${folder}`);

/** A form as sent by browsers and `curl -F`, which both servers accept. */
function formOf(jpeg: Buffer): Buffer {
  const head =
    '--b\r\ncontent-disposition: form-data; name="picture"; filename="a.jpg"\r\ncontent-type: image/jpeg\r\n\r\n';
  return Buffer.concat([Buffer.from(head), jpeg, Buffer.from("\r\n--b--\r\n")]);
}

/** Milliseconds until the complete answer, and its status; 0 if the connection broke. */
function ask(agent: Agent, port: number, path: string, body?: Buffer): Promise<{ ms: number; status: number }> {
  const start = performance.now();
  const headers = body && { "content-type": "multipart/form-data; boundary=b", "content-length": body.length };
  return new Promise((resolve) => {
    const end = (status: number) => resolve({ ms: performance.now() - start, status });
    const sent = request(
      { agent, port, path, method: body ? "POST" : "GET", ...(headers && { headers }) },
      (answer) => {
        answer
          .on("end", () => end(answer.statusCode!))
          .on("error", () => end(0))
          .resume();
      },
    );
    sent.on("error", () => end(0)).end(body);
  });
}

interface Turn {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  /** The server's processor time for a picture, in milliseconds. */
  readonly cpu: number;
  /** Answers with another status than 200. */
  readonly refused: number;
  readonly health: { readonly p50: number; readonly p99: number };
}

const quantile = (sorted: readonly number[], part: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? Number.NaN;
const quantiles = (times: readonly number[]) => {
  const sorted = times.toSorted((a, b) => a - b);
  return { p50: quantile(sorted, 0.5), p99: quantile(sorted, 0.99) };
};

/** Processor time of a process and its children; Linux counts it in hundredths of a second. */
function processorMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "latin1").split(") ").at(-1)!.split(" ");
  const own = 10 * (Number(fields[11]) + Number(fields[12]));
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").split(" ").filter(Boolean);
  return children.reduce((sum, child) => sum + processorMs(Number(child)), own);
}

interface Running {
  readonly name: string;
  readonly port: number;
  readonly child: ChildProcess;
}

/**
 * Runs this many clients, each of which sends the next request when its answer has arrived, and one that checks the
 * server's health.
 */
async function load({ port, child }: Running, count: number): Promise<Turn> {
  const agent = new Agent({ keepAlive: true, maxSockets: count + 1 });
  const end = performance.now() + milliseconds;
  const times: number[] = [];
  let refused = 0;
  let next = 0;
  const client = async () => {
    while (performance.now() < end) {
      const { ms, status } = await ask(agent, port, "/v1/classify", bodies[next++ % bodies.length]!);
      if (status === 200) times.push(ms);
      else {
        refused++;
        await sleep(10);
      }
    }
  };
  const watcher = new Worker(new URL("./serve-health.js", import.meta.url), { workerData: { port, milliseconds } });
  const watched = once(watcher, "message") as Promise<[number[]]>;
  const start = performance.now();
  const cpu = processorMs(child.pid!);
  await Promise.all(Array.from({ length: count }, client));
  const seconds = (performance.now() - start) / 1000;
  agent.destroy();
  const spent = (processorMs(child.pid!) - cpu) / times.length;
  const [health] = await watched;
  return { perSecond: times.length / seconds, ...quantiles(times), cpu: spent, refused, health: quantiles(health) };
}

interface Contender {
  readonly name: string;
  readonly command: (port: number) => readonly [file: string, args: readonly string[], environment: NodeJS.ProcessEnv];
}

const scratch = mkdtempSync(join(tmpdir(), "senet-bench-"));
const weights = join(scratch, "network.safetensors");
const network = model(values.model);
const graph = inferenceGraph(network, { batch: 1, imageSize: size });
const labels = Array.from({ length: network.classes }, (_, i) => `class ${i}`);
const preprocessing = { ...imagenetPreprocessing, resize: Math.round((size * 8) / 7), crop: size };
writeFileSync(
  weights,
  Buffer.concat(encodeCheckpoint({ model: network, weights: initialWeights(graph, 0), labels, preprocessing })),
);

const senet = fileURLToPath(new URL("../../bin/senet.js", import.meta.url));
const ours = (name: string, ...options: string[]): Contender => ({
  name,
  command: (port) => [
    process.execPath,
    [senet, "serve", "--weights", weights, "--port", `${port}`, "--no-reload", ...options],
    {},
  ],
});
const script = fileURLToPath(new URL("../../bench/serve_fastapi.py", import.meta.url));
const theirs = (name: string, threads: number, processes: number): Contender => ({
  name,
  command: (port) => [
    values.python,
    [script],
    { BENCH_SETTINGS: JSON.stringify({ model: values.model, size, port, threads, processes }) },
  ],
});
const { cores } = machine();
const contenders: readonly Contender[] = [
  ours("senet serve"),
  ours("senet serve, oneDNN", "--executor", "onednn"),
  ours("senet serve, oneDNN, --batch 1", "--executor", "onednn", "--batch", "1"),
  theirs("FastAPI", cores, 1),
  theirs(`FastAPI, ${cores} processes`, 1, cores),
].filter(({ name }) => name.includes(values.only));

async function started({ name, command }: Contender, port: number): Promise<ChildProcess | undefined> {
  const [file, args, environment] = command(port);
  const child = spawn(file, args, { stdio: ["ignore", "ignore", "pipe"], env: { ...process.env, ...environment } });
  let said = "";
  let isOver = false;
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  child.on("error", ({ message }) => {
    said = message;
    isOver = true;
  });
  child.on("exit", () => {
    isOver = true;
  });
  const agent = new Agent();
  while (!isOver) {
    if ((await ask(agent, port, "/v2/health/ready")).status === 200) return child;
    await sleep(100);
  }
  console.log(`${name} does not run here: ${said.trim().split("\n").at(-1)}`);
  return undefined;
}

/** The last one is for the health check, at twice the load. */
const counts = [...connections, 2 * Math.max(...connections)];
const firstPort = 18_080;
const running: Running[] = [];
const turns: Record<string, Record<number, Turn[]>> = {};
const neighbours = new Neighbours();
try {
  for (const [i, contender] of contenders.entries()) {
    const port = firstPort + i;
    const child = await started(contender, port);
    if (child === undefined) continue;
    running.push({ name: contender.name, port, child });
    turns[contender.name] = Object.fromEntries(counts.map((count) => [count, []]));
    // Warms up V8's compiler and the caches.
    const agent = new Agent({ keepAlive: true });
    for (let warm = 0; warm < 60; warm++) await ask(agent, port, "/v1/classify", bodies[warm % bodies.length]!);
    agent.destroy();
  }
  for (let round = 0; round < rounds; round++) {
    for (const count of counts) {
      for (let i = 0; i < running.length; i++) {
        const server = running[(round + i) % running.length]!;
        const turn = await load(server, count);
        turns[server.name]![count]!.push(turn);
        console.error(server.name, count, turn.perSecond.toFixed(1), turn.cpu.toFixed(1));
      }
    }
  }
} finally {
  for (const { child } of running) child.kill("SIGTERM");
  rmSync(scratch, { recursive: true, force: true });
}

const middle = (all: readonly Turn[], of: (turn: Turn) => number) => median(all.map(of));
const rows = Object.entries(turns).flatMap(([name, byCount]) =>
  Object.entries(byCount).map(([count, all]) => [
    ...[name, count, middle(all, ({ perSecond }) => perSecond).toFixed(1)],
    `${Math.min(...all.map(({ perSecond }) => perSecond)).toFixed(1)}-${Math.max(...all.map(({ perSecond }) => perSecond)).toFixed(1)}`,
    ...[middle(all, ({ p50 }) => p50).toFixed(0), middle(all, ({ p99 }) => p99).toFixed(0)],
    ...[middle(all, ({ health }) => health.p50).toFixed(1), middle(all, ({ health }) => health.p99).toFixed(1)],
    middle(all, ({ cpu }) => cpu).toFixed(1),
    `${all.reduce((sum, { refused }) => sum + refused, 0)}`,
  ]),
);
const header = [
  "server",
  "connections",
  "pictures/s",
  "range",
  "p50 ms",
  "p99 ms",
  "health p50",
  "health p99",
  "cpu ms",
  "refused",
];
console.log(table(header, rows));
console.log(`others used ${percent(neighbours.percent())} of the machine, the servers included`);
console.log(JSON.stringify({ model: values.model, size, seconds: milliseconds / 1000, turns, ...machine() }));
