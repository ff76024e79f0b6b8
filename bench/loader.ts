/**
 * What the loader takes for a picture on one worker thread, beside torchvision's pipeline over Pillow on one thread: the
 * same files, the same transforms, turn by turn.
 *
 * `node dist/bench/loader.js FOLDER [--size 224] [--pictures 380] [--rounds 5] [--python FILE]`, after `npm run build`;
 * every JPEG below FOLDER, evenly, or again and again until there are as many. The last line is one JSON object.
 */

import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { table } from "../src/cli/output.ts";
import type { Dataset } from "../src/data/dataset.ts";
import { Loader, type LoaderOptions } from "../src/data/loader.node.ts";
import { standardTraining } from "../src/images/augment.ts";
import { describeDecoder } from "../src/images/decode.node.ts";
import { imagenetPreprocessing } from "../src/images/preprocess.ts";
import { machine, median, Neighbours, percent, settle, whole } from "./measure.ts";

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    size: { type: "string", default: "224" },
    pictures: { type: "string", default: "380" },
    rounds: { type: "string", default: "5" },
    python: { type: "string", default: "/usr/bin/python3" },
  },
});
const folder = positionals[0];
if (folder === undefined) throw new Error("which folder?");
const size = whole("size", values.size);
const count = whole("pictures", values.pictures);
const rounds = whole("rounds", values.rounds);

const all = readdirSync(folder, { recursive: true, encoding: "utf8" })
  .filter((name) => /\.jpe?g$/i.test(name))
  .sort()
  .map((name) => join(folder, name));
if (all.length === 0) throw new Error(`there is no JPEG below ${folder}`);
const files = Array.from({ length: count }, (_, i) =>
  all.length > count ? all[Math.floor((i * all.length) / count)]! : all[i % all.length]!,
);
const dataset: Dataset = { root: folder, classes: ["all"], samples: files.map((file) => ({ file, label: 0 })) };

/** Milliseconds for all pictures: processor time and elapsed time. */
interface Taken {
  readonly cpu: number;
  readonly time: number;
}
interface Side {
  readonly turn: () => Promise<Taken>;
  readonly close: () => Promise<void>;
}

async function ours(options: Partial<LoaderOptions>, decode: "exact" | "fast"): Promise<Side> {
  const transform = { ...standardTraining(size, imagenetPreprocessing), decode };
  const loader = new Loader({ dataset, batchSize: 20, transform, seed: 0, workers: 1, cacheBytes: 0, ...options });
  let epoch = 0;
  const turn = async (): Promise<Taken> => {
    const cpu = process.cpuUsage();
    const start = performance.now();
    for await (const _ of loader.epoch(epoch++));
    const { user, system } = process.cpuUsage(cpu);
    return { cpu: (user + system) / 1000, time: performance.now() - start };
  };
  // Lets the thread start, the cache fill, and V8 optimise the loops, which takes this many pictures.
  for (let done = 0; done < 4000; done += count) await turn();
  return { turn, close: () => loader.dispose() };
}

async function torchvision(): Promise<Side & { readonly version: string }> {
  const script = fileURLToPath(new URL("../../bench/loader_torchvision.py", import.meta.url));
  const child = spawn(values.python, [script, `${size}`], { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const answer = async (): Promise<string> => {
    const { value, done } = await lines.next();
    if (done === true) throw new Error(`${values.python} has ended`);
    return value;
  };
  child.stdin.write(`${files.join("\n")}\n\n`);
  const version = await answer();
  const turn = async (): Promise<Taken> => {
    child.stdin.write("go\n");
    const [cpu, time] = (await answer()).split(" ").map(Number);
    return { cpu: cpu!, time: time! };
  };
  await turn();
  return { version, turn, close: async () => void child.stdin.end() };
}

const before = machine();
const cacheFolder = mkdtempSync(join(tmpdir(), "senet-bench-"));
const pipeline = await torchvision();
const sides: Record<string, Side> = {
  torchvision: pipeline,
  exact: await ours({}, "exact"),
  fast: await ours({}, "fast"),
  "cached in memory": await ours({ cacheBytes: 8 * 2 ** 30 }, "fast"),
  "cached in a folder": await ours({ cacheFolder }, "fast"),
};
const neighbours = new Neighbours();
const taken: Record<string, Taken[]> = Object.fromEntries(Object.keys(sides).map((name) => [name, []]));
const names = Object.keys(sides);
for (let round = 0; round < rounds; round++) {
  for (let i = 0; i < names.length; i++) {
    const name = names[(round + i) % names.length]!;
    taken[name]!.push(await sides[name]!.turn());
    await settle();
  }
}
const others = neighbours.percent(taken.torchvision!.reduce((sum, { cpu }) => sum + cpu, 0));
for (const { close } of Object.values(sides)) await close();
rmSync(cacheFolder, { recursive: true });

const results = names.map((name) => {
  const cpu = taken[name]!.map((one) => one.cpu);
  const ratios = cpu.map((one, round) => taken.torchvision![round]!.cpu / one);
  return {
    name,
    images_per_second: (1000 * count) / median(taken[name]!.map(({ time }) => time)),
    cpu_ms_per_image: median(cpu) / count,
    ratio: median(ratios),
    ratio_by_round: ratios,
  };
});
console.log(
  `${count} pictures of ${folder} to ${size} pixels; one thread of ${pipeline.version}; one worker of ours\n`,
);
console.log(
  table(
    ["pipeline", "images/s", "CPU ms/image", "ratio of CPU", "lowest to highest"],
    results.map(({ name, images_per_second, cpu_ms_per_image, ratio, ratio_by_round }) => [
      ...[name, images_per_second.toFixed(0), cpu_ms_per_image.toFixed(3), ratio.toFixed(2)],
      `${Math.min(...ratio_by_round).toFixed(2)} to ${Math.max(...ratio_by_round).toFixed(2)}`,
    ]),
  ),
);
console.log(`others' CPU: ${percent(others)}`);
const facts = { size, images: count, rounds, results, others_percent: others, decoder: describeDecoder() };
console.log(JSON.stringify({ bench: "loader", ...facts, machine: { ...machine(), load_before: before.load_average } }));
