/** The loader's threads and the process: how they end, and how many there are. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { temporaryFolder } from "../../tests/command.ts";
import { writeDrawnPictures } from "../../tests/drawn.ts";
import { imagenetPreprocessing } from "../images/preprocess.ts";
import { openFolder } from "./folder.node.ts";
import { Loader } from "./loader.node.ts";

const evaluation = { kind: "evaluate", preprocessing: { ...imagenetPreprocessing, resize: 18, crop: 16 } } as const;
const folder = temporaryFolder();
writeDrawnPictures(folder);
/** Twelve. */
const pictures = openFolder(join(folder, "train"));

test("a thread that ends without an error ends the epoch with one, also where nothing else is going on", async () => {
  const dataset = { ...pictures, samples: Array.from({ length: 50 }, () => pictures.samples).flat() };
  const script = `
    import { once } from "node:events";
    const { Loader } = await import(${JSON.stringify(new URL("./loader.node.js", import.meta.url).href)});
    const threads = [];
    process.on("worker", (thread) => threads.push(thread));
    const options = { dataset: ${JSON.stringify(dataset)}, batchSize: 4, transform: ${JSON.stringify(evaluation)}, workers: 2 };
    const loader = new Loader(options);
    const told = async (batches) => {
      try { for await (const batch of batches) console.log("batch"); } catch (error) { console.log(error.code, error.message); }
    };
    const epoch = loader.epoch(0);
    await epoch.next();
    threads[0].terminate();
    await told(epoch);
    await told(loader.epoch(1));`;
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", script], {
    timeout: 60_000,
  });
  const lines = stdout.split("\n").filter((line) => line.startsWith("data "));
  assert.deepEqual(lines, Array(2).fill("data a loader thread has died"), stdout);
  assert.match(stdout, /it ended by itself, with code 1/);
});

test("far more workers than the machine can use are not started", async () => {
  const loader = new Loader({ dataset: pictures, batchSize: 4, transform: evaluation, workers: 100_000 });
  let found = 0;
  for await (const batch of loader.epoch(0)) found += batch.size;
  await loader.dispose();
  assert.equal(found, 12);
});

test("a process that leaves its loader alone ends by itself, in an epoch or after it", async () => {
  const script = `
    const { openFolder } = await import(${JSON.stringify(new URL("./folder.node.js", import.meta.url).href)});
    const { Loader } = await import(${JSON.stringify(new URL("./loader.node.js", import.meta.url).href)});
    const dataset = openFolder(${JSON.stringify(pictures.root)});
    const transform = ${JSON.stringify(evaluation)};
    const idle = new Loader({ dataset, batchSize: 2, transform, workers: 1 });
    const loader = new Loader({ dataset, batchSize: 2, transform, workers: 2, prefetch: 1 });
    let images = 0;
    for await (const batch of loader.epoch(0)) images += batch.size;
    const open = loader.epoch(1);
    images += (await open.next()).value.size;
    console.log("images " + images);
  `;
  const run = promisify(execFile)(process.execPath, ["--input-type=module", "-e", script], { timeout: 60_000 });
  assert.equal((await run).stdout, "images 14\n");
});
