/**
 * Pictures per second that the loader prepares, without and with the cache of decoded pictures.
 *
 * `node dist/bench/loader.js FOLDER [--size 96] [--batch-size 64] [--workers N] [--batches 60]`, after `npm run build`;
 * FOLDER has one folder a class. The last line is one JSON object.
 */

import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { openFolder } from "../src/data/folder.node.ts";
import { Loader } from "../src/data/loader.node.ts";
import type { ImageTransform } from "../src/data/transform.ts";
import { standardTraining } from "../src/images/augment.ts";
import { describeDecoder } from "../src/images/decode.node.ts";
import { imagenetPreprocessing } from "../src/images/preprocess.ts";

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    size: { type: "string", default: "96" },
    "batch-size": { type: "string", default: "64" },
    workers: { type: "string", default: `${Math.min(8, availableParallelism())}` },
    batches: { type: "string", default: "60" },
  },
});
const folder = positionals[0];
if (folder === undefined) throw new Error("which folder? It has one folder a class.");
const size = Number(values.size);
const batchSize = Number(values["batch-size"]);
const workers = Number(values.workers);
const all = openFolder(folder);
// The same few batches in each epoch, evenly from all classes, so that the second finds them all in the cache.
const wanted = Math.min(all.samples.length, Number(values.batches) * batchSize);
const samples = Array.from({ length: wanted }, (_, i) => all.samples[Math.floor((i * all.samples.length) / wanted)]!);
const dataset = { ...all, samples };

const resize = Math.round(size / 0.875);
const transforms: Record<string, ImageTransform> = {
  train: standardTraining(size, imagenetPreprocessing),
  evaluate: { kind: "evaluate", preprocessing: { ...imagenetPreprocessing, resize, crop: size } },
};

interface Row {
  readonly transform: string;
  readonly pictures: "decoded" | "cached";
  readonly images_per_second: number;
  /** On all threads together: what the loader takes from the step that runs beside it. */
  readonly cpu_ms_per_image: number;
}

/** Median rate of epochs 1 to 3; epoch 0 starts the threads and fills the cache. */
async function measure(name: string, cacheBytes: number): Promise<Row> {
  await using loader = new Loader({ dataset, batchSize, transform: transforms[name]!, seed: 0, workers, cacheBytes });
  const rates: number[] = [];
  let counted = 0;
  let start = process.cpuUsage();
  for (let epoch = 0; epoch < 4; epoch++) {
    if (epoch === 1) start = process.cpuUsage();
    const begin = performance.now();
    let images = 0;
    for await (const batch of loader.epoch(epoch)) images += batch.size;
    if (epoch === 0) continue;
    rates.push((images / (performance.now() - begin)) * 1000);
    counted += images;
  }
  rates.sort((a, b) => a - b);
  const cpu = process.cpuUsage(start);
  return {
    transform: name,
    pictures: cacheBytes > 0 ? "cached" : "decoded",
    images_per_second: Math.round(rates[1]!),
    cpu_ms_per_image: Number(((cpu.user + cpu.system) / 1000 / counted).toFixed(3)),
  };
}

const rows: Row[] = [];
for (const name of Object.keys(transforms)) {
  for (const cacheBytes of [0, 8 * 2 ** 30]) rows.push(await measure(name, cacheBytes));
}

console.log(`${wanted} pictures of ${folder}, ${size} pixels, batches of ${batchSize}, ${workers} workers\n`);
console.log("transform  pictures  images/s  CPU ms/image");
for (const row of rows) {
  const { transform, pictures, images_per_second, cpu_ms_per_image } = row;
  const numbers = `${String(images_per_second).padStart(8)}  ${cpu_ms_per_image.toFixed(2).padStart(12)}`;
  console.log(`${transform.padEnd(9)}  ${pictures.padEnd(8)}  ${numbers}`);
}
const machine = { node: process.version, cores: availableParallelism(), decoder: describeDecoder() };
console.log(
  JSON.stringify({ bench: "loader", size, batch_size: batchSize, workers, images: wanted, rows, ...machine }),
);
