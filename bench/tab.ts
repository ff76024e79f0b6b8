/**
 * Training in a tab, in Chromium on WebAssembly: a step of SE-ResNet-20 beside jax-js and TensorFlow.js, and fine-tuning of
 * SE-ResNet-18 on pictures of three classes. docs/bench.md says how to run it.
 */

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { cpus, loadavg, tmpdir } from "node:os";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { chromium, type Page } from "playwright-core";
import { answer, program } from "../tests/page.ts";
import { root } from "../tests/support.ts";
import { median } from "./measure.ts";

const { values } = parseArgs({
  options: {
    /** What to measure; default: both. */
    only: { type: "string" },
    steps: { type: "string", default: "8" },
    /** Imagenette's folder, and the initial weights. */
    data: { type: "string" },
    weights: { type: "string" },
    classes: { type: "string", default: "n02102040,n03028079,n03445777" },
    /** Number of repetitions, with other pictures each time. */
    draws: { type: "string", default: "1" },
    threads: { type: "string", default: "1" },
  },
});

const server = createServer((request, response) => answer(request, response, true));
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

/** A page's result, and the processor seconds of its browser, if the system reports them. */
interface Done<T> {
  readonly value: T;
  readonly processorSeconds: number | undefined;
}

/** Runs each in a separate browser, so that none shares memory or compiled code. */
async function inPage<T>(work: (page: Page) => Promise<T>): Promise<Done<T>> {
  const profile = mkdtempSync(join(tmpdir(), "senet-bench-"));
  const args = ["--no-sandbox", "--disable-quic", "--no-first-run", "--disable-gpu", "--disable-background-networking"];
  const context = await chromium.launchPersistentContext(profile, { executablePath: program, headless: true, args });
  try {
    const page = await context.newPage();
    page.on("console", (message) => message.type() === "error" && console.error(message.text()));
    await page.goto(origin);
    const before = processorSeconds(profile);
    const value = await work(page);
    const after = processorSeconds(profile);
    return { value, processorSeconds: before !== undefined && after !== undefined ? after - before : undefined };
  } finally {
    await context.close();
    rmSync(profile, { recursive: true, force: true });
  }
}

/** Processor time of a browser's processes: the one with this profile, and its children. */
function processorSeconds(profile: string): number | undefined {
  if (!existsSync("/proc/self/stat")) return undefined;
  const processes = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const [, fields = ""] = /\) (.*)$/s.exec(readFileSync(`/proc/${pid}/stat`, "utf8")) ?? [];
        const parts = fields.split(" ");
        const isRoot = readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(profile);
        return [{ pid, parent: parts[1]!, isRoot, ticks: Number(parts[11]) + Number(parts[12]) }];
      } catch {
        // It has ended in the meantime.
        return [];
      }
    });
  const ours = new Set(processes.filter(({ isRoot }) => isRoot).map(({ pid }) => pid));
  for (let size = -1; size !== ours.size; ) {
    size = ours.size;
    for (const { pid, parent } of processes) if (ours.has(parent)) ours.add(pid);
  }
  return processes.reduce((sum, { pid, ticks }) => sum + (ours.has(pid) ? ticks / 100 : 0), 0);
}

interface StepRow {
  readonly name: string;
  /** Milliseconds, the median of the steps after the first; or an error. */
  readonly step?: number;
  readonly fastest?: number;
  readonly first?: number;
  readonly losses?: readonly number[];
  readonly error?: string;
}

async function measureSteps(steps: number): Promise<readonly StepRow[]> {
  const graph = { model: "se-resnet-20", imageSize: 32, batch: 16, rate: 0.05 };
  const contenders = [
    { name: "senet, one thread", file: "ours.js", given: { threads: 1 } },
    { name: "senet, two threads", file: "ours.js", given: { threads: 2 } },
    { name: "jax-js, wasm", file: "jax.js", given: { device: "wasm" } },
    { name: "TensorFlow.js, wasm", file: "tfjs.js", given: { device: "wasm" } },
    { name: "TensorFlow.js, cpu", file: "tfjs.js", given: { device: "cpu" } },
  ];
  const rows: StepRow[] = [];
  for (const { name, file, given } of contenders) {
    const code = `(async () => {
      const { batch, imageSize } = ${JSON.stringify(graph)};
      const images = Float32Array.from({ length: batch * 3 * imageSize ** 2 }, (_, i) => Math.sin(i * 1.7) + Math.sin(i / 50));
      const labels = Int32Array.from({ length: batch }, (_, i) => i % 10);
      try {
        const { stepOf } = await import("/bench/tab/${file}");
        const step = await stepOf({ graph: ${JSON.stringify(graph)}, images, labels, ...${JSON.stringify(given)} });
        const [times, losses] = [[], []];
        for (let i = 0; i < ${steps + 1}; i++) {
          const start = performance.now();
          losses.push(await step());
          times.push(performance.now() - start);
          if (times.reduce((a, b) => a + b) > 180_000) break;
        }
        return { times, losses };
      } catch (error) { return { error: String(error && error.message || error).split("\\n")[0] }; }
    })()`;
    type Found = { readonly times?: number[]; readonly losses?: number[]; readonly error?: string };
    const { value: found } = await inPage((page) => page.evaluate(code) as Promise<Found>).catch(
      (error: unknown): { value: Found } => ({
        value: { error: `the page crashed (${String(error).split("\n")[0]})` },
      }),
    );
    const { times = [], losses, error } = found;
    const [first, ...rest] = times;
    rows.push({
      name,
      ...(first !== undefined && { first }),
      ...(rest.length > 0 && { step: median(rest), fastest: Math.min(...rest) }),
      ...(losses && { losses: losses.slice(0, 3) }),
      ...(error !== undefined && { error }),
    });
    const row = rows.at(-1)!;
    const shown =
      row.error ??
      `${row.step?.toFixed(0)} ms a step (fastest ${row.fastest?.toFixed(0)}, first ${row.first?.toFixed(0)})`;
    console.log(
      `${name.padEnd(22)} ${shown}; losses ${row.losses?.map((loss) => loss.toFixed(5)).join(", ") ?? "none"}`,
    );
  }
  return rows;
}

interface TuneRow {
  readonly what: string;
  readonly draw: number;
  readonly seconds: number;
  /** Of the whole browser, including loading and the test. */
  readonly processorSeconds: number | undefined;
  /** Share of correct answers for pictures that it was not trained on. */
  readonly right: number;
  readonly of: number;
  readonly engine: string;
}

/**
 * Trains on 40 pictures of each of three classes in a tab, then tests 20 others of each. No two draws share a picture.
 */
async function measureTuning(data: string, weights: string, draw: number): Promise<readonly TuneRow[]> {
  const labels = values.classes.split(",");
  const listed = (part: string, label: string, count: number) =>
    readdirSync(join(data, part, label))
      .sort()
      .slice(draw * count, (draw + 1) * count)
      .map((name) => ({ name, bytes: readFileSync(join(data, part, label, name)).toString("base64") }));
  const train = Object.fromEntries(labels.map((label) => [`class ${label}`, listed("train", label, 40)]));
  const others = Object.fromEntries(labels.map((label) => [`class ${label}`, listed("val", label, 20)]));
  const file = readFileSync(weights).toString("base64");
  // All other settings are `fineTune`'s defaults.
  const head = { freeze: "backbone", epochs: 30 };
  const ways = [
    { what: "the head alone", runs: [head] },
    { what: "the head, then the last stage and the head", runs: [head, { freeze: "stage3", epochs: 6 }] },
  ];
  const rows: TuneRow[] = [];
  for (const { what, runs } of ways) {
    const code = `(async ({ train, others, file }) => {
      const senet = await import("senet/web");
      const bytesOf = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
      const files = (classes) => Object.fromEntries(Object.entries(classes).map(([label, list]) =>
        [label, list.map(({ name, bytes }) => new File([bytesOf(bytes)], name))]));
      const [pictures, asked] = [files(train), files(others)];
      const weights = new File([bytesOf(file)], "weights.safetensors");
      const runtime = { module: "/web/node_modules/onnxruntime-web/dist/ort.wasm.min.mjs" };
      const start = performance.now();
      let network = await senet.load(weights, { runtime, threads: ${Number(values.threads)}, preprocessing: { resize: 110, crop: 96 } });
      for (const options of ${JSON.stringify(runs)})
        ({ network } = await network.fineTune({ train: pictures }, { ...options, seed: 1, valSplit: 0.1 }));
      const seconds = (performance.now() - start) / 1000;
      let right = 0, of = 0;
      for (const [label, list] of Object.entries(asked)) {
        const answers = await network.classify(list, { top: 1 });
        right += answers.filter(([answer]) => answer.label === label).length;
        of += list.length;
      }
      return { seconds, right, of, engine: network.engine.reason };
    })(${JSON.stringify({ train, others, file })})`;
    type Found = Omit<TuneRow, "what" | "draw" | "processorSeconds">;
    const { value: found, processorSeconds } = await inPage((page) => page.evaluate(code) as Promise<Found>);
    rows.push({ what, draw, processorSeconds, ...found });
    const share = ((100 * found.right) / found.of).toFixed(1);
    const spent =
      processorSeconds === undefined ? "" : ` (${processorSeconds.toFixed(1)} s of the processors, with asking)`;
    console.log(
      `${what}, draw ${draw}: ${found.seconds.toFixed(1)} s${spent}, ${found.right} of ${found.of} right (${share} %); ${found.engine}`,
    );
  }
  return rows;
}

const { only, data, weights } = values;
const machine = { processor: cpus()[0]?.model, cores: cpus().length, load: loadavg()[0] };
const hasPeers = existsSync(join(root, "bench", "tab", "node_modules"));
if (!hasPeers) console.log("jax-js and TensorFlow.js are absent: npm ci --prefix bench/tab --ignore-scripts");
const steps = only === "tuning" ? [] : await measureSteps(Number(values.steps));
const canTune = only !== "steps" && data !== undefined && weights !== undefined;
const tuning: TuneRow[] = [];
for (let draw = 0; canTune && draw < Number(values.draws); draw++)
  tuning.push(...(await measureTuning(data, weights, draw)));
server.close();
const from = weights === undefined ? {} : { weights: basename(weights) };
console.log(JSON.stringify({ what: "training in a tab", ...machine, ...from, steps, tuning }));
