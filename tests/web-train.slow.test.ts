/** Training in a tab, in Chromium: the same run as in Node, which goes on there, and the other way round. */

import assert from "node:assert/strict";
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { load } from "../src/api/network.node.ts";
import { type TrainOptions, train } from "../src/api/train.node.ts";
import type { TrainingEvent } from "../src/api/training.ts";
import { decodeCheckpoint } from "../src/weights/checkpoint.ts";
import { needsWebRuntime } from "./chromium.ts";
import { senetHere, temporaryFolder } from "./command.ts";
import { writeDrawnPictures } from "./drawn.ts";
import { openPage } from "./page.ts";
import { assertClose } from "./support.ts";

const folder = temporaryFolder();
const data = join(folder, "pictures");
writeDrawnPictures(data, { train: 7, val: 2 });

/** The pictures of a part, by class, as pixels that the page can be given. */
const partOf = (part: string) =>
  Object.fromEntries(
    readdirSync(join(data, part)).map((label) => [
      label,
      readdirSync(join(data, part, label)).map((name) => {
        const [head, size] = [13, 40];
        const rgb = readFileSync(join(data, part, label, name)).subarray(head);
        return { name, width: size, height: size, rgb: rgb.toString("base64") };
      }),
    ]),
  );
const pictures = JSON.stringify({ train: partOf("train"), val: partOf("val") });

const runtime = `{ module: "/web/node_modules/onnxruntime-web/dist/ort.wasm.min.mjs" }`;

/** What every run here has: 5 steps an epoch, with augmentation, label smoothing and a warm-up. */
const recipe = {
  ...{ model: "se-resnet-8", imageSize: 24, batchSize: 4, seed: 5, learningRate: 0.02 },
  ...{ labelSmoothing: 0.1, warmupEpochs: 1, rotate: 10, mixup: 0.2 },
};

const opened = needsWebRuntime.skip === false ? await openPage() : undefined;

interface Answer {
  readonly best: string;
  readonly last: string;
  readonly finished: boolean;
  readonly events: readonly TrainingEvent[];
  readonly saves: number;
  readonly engine: string;
}

/** Trains in the page: `options` as code, in which `file(base64)` is a blob. */
const inTab = (start: string): Promise<Answer> =>
  opened!.page.evaluate(`(async () => {
    const senet = await import("senet/web");
    const bytesOf = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const file = (text) => new File([bytesOf(text)], "last.safetensors");
    const textOf = async (blob) => {
      const bytes = new Uint8Array(await blob.arrayBuffer());
      let text = "";
      for (let i = 0; i < bytes.length; i += 32768) text += String.fromCharCode(...bytes.subarray(i, i + 32768));
      return btoa(text);
    };
    const pictures = ${pictures};
    for (const part of Object.values(pictures)) {
      for (const list of Object.values(part)) {
        list.forEach(({ name, width, height, rgb }, i) => { list[i] = { name, picture: { width, height, data: bytesOf(rgb) } }; });
      }
    }
    const runtime = ${runtime};
    let saves = 0;
    const onSave = () => saves++;
    const training = (() => { ${start} })();
    const events = [];
    for await (const event of training) events.push(event);
    const { best, last, finished, network } = await training;
    const engine = network.engine.name;
    await network.dispose();
    return { best: await textOf(best), last: await textOf(last), finished, events, saves, engine };
  })()`) as Promise<Answer>;

const inNode = (out: string, options: TrainOptions) =>
  train(data, { ...recipe, workers: 1, report: false, executor: "ort", out: join(folder, out), ...options });

const bytesOf = (text: string) => new Uint8Array(Buffer.from(text, "base64"));

/** That two files hold the same run, but for the last digits of weights and of what the optimiser keeps. */
function assertSameRun(found: Uint8Array, expected: Uint8Array, tolerance: number): void {
  const [a, b] = [decodeCheckpoint(found, "the tab's"), decodeCheckpoint(expected, "Node's")];
  assert.deepEqual(a.run!.config, b.run!.config);
  assert.deepEqual(a.run!.data, b.run!.data, "the pictures are the same ones");
  assert.deepEqual(a.labels, b.labels);
  assert.deepEqual(a.preprocessing, b.preprocessing);
  for (const [name, { data }] of b.weights) assertClose(a.weights.get(name)!.data, data, tolerance, name);
  for (const [slot, values] of b.run!.optimizer) {
    for (const [name, { data }] of values) {
      assertClose(a.run!.optimizer.get(slot)!.get(name)!.data, data, tolerance, `the ${slot} of ${name}`);
    }
  }
}

const last = (out: string) => new Uint8Array(readFileSync(join(folder, out, "last.safetensors")));

test("ten steps in a tab are those of Node, and their files hold the same run", needsWebRuntime, async () => {
  const found = await inTab(
    `return senet.train(pictures, { ...${JSON.stringify(recipe)}, epochs: 2, runtime, onSave });`,
  );
  await inNode("ten", { epochs: 2 });
  assertSameRun(bytesOf(found.last), last("ten"), 1e-5);
  assert.equal(found.engine, "wasm");
  assert.equal(found.finished, true);
  assert.equal(found.saves, 5, "at the start, and before and after each validation");
  const kinds = new Set(found.events.map(({ kind }) => kind));
  assert.deepEqual([...kinds].sort(), ["epoch", "start", "step", "validation"]);
  const best = join(folder, "best-of-tab.safetensors");
  writeFileSync(best, bytesOf(found.best));
  await using network = await load(best);
  assert.deepEqual(network.labels, ["blue", "green", "red"]);
  assert.deepEqual(opened!.faults, []);
});

test("a run that was begun in a tab goes on in Node, and one of Node's in a tab", needsWebRuntime, async () => {
  const options = JSON.stringify({ ...recipe, epochs: 2 });
  // Stopped within its second epoch; again, where the run was at its end before it heard.
  const begin = () =>
    inTab(`
    const stopping = new AbortController();
    const training = senet.train(pictures, { ...${options}, runtime, signal: stopping.signal });
    (async () => { for await (const { kind, epoch } of training) if (kind === "step" && epoch === 1) stopping.abort(); })();
    return training;`);
  let begun = await begin();
  for (let tries = 1; tries < 10 && begun.finished; tries++) begun = await begin();
  assert.equal(begun.finished, false);
  mkdirSync(join(folder, "from-tab"));
  writeFileSync(join(folder, "from-tab", "last.safetensors"), bytesOf(begun.last));
  const out = join(folder, "from-tab");
  const ran = await senetHere([
    "train",
    "--data",
    data,
    "--out",
    out,
    "--resume",
    "--workers",
    "1",
    "--executor",
    "ort",
  ]);
  assert.equal(ran.code, 0, ran.stderr);
  assertSameRun(last("from-tab"), last("ten"), 1e-5);

  cpSync(join(folder, "ten"), join(folder, "half"), { recursive: true });
  const stopping = new AbortController();
  await inNode("half", {
    ...{ epochs: 2, fresh: true, signal: stopping.signal },
    onStep: ({ epoch, step }) => {
      if (epoch === 1 && step === 3) stopping.abort();
    },
  });
  // Stopped before its first step.
  const unbegun = await inTab(`return senet.train(pictures, { ...${options}, runtime, signal: AbortSignal.abort() });`);
  assert.equal(unbegun.finished, false);
  const whole = await inTab(`return senet.train(pictures, { resume: file("${unbegun.last}"), runtime });`);
  assertSameRun(bytesOf(whole.last), last("ten"), 1e-5);

  const resumed = await inTab(
    `return senet.train(pictures, { resume: file("${Buffer.from(last("half")).toString("base64")}"), runtime });`,
  );
  assert.equal(resumed.finished, true);
  assertSameRun(bytesOf(resumed.last), last("ten"), 1e-5);
});
