/** One training, of small pictures of three colours, in a page and in Node. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type TrainOptions, train } from "../src/api/train.node.ts";
import type { TrainingEvent } from "../src/api/training.ts";
import { decodeCheckpoint } from "../src/weights/decode-checkpoint.ts";
import { temporaryFolder } from "./command.ts";
import { writeDrawnPictures } from "./drawn.ts";
import type { Evaluating } from "./page.ts";
import { assertClose } from "./support.ts";
import { ort } from "./web-page.ts";

/** What every run here has: 5 steps an epoch, with augmentation, label smoothing and a warm-up. */
export const recipe = {
  ...{ model: "se-resnet-8", imageSize: 24, batchSize: 4, seed: 5, learningRate: 0.02 },
  ...{ labelSmoothing: 0.1, warmupEpochs: 1, rotate: 10, mixup: 0.2 },
};

export interface TabRun {
  readonly best: string;
  readonly last: string;
  readonly finished: boolean;
  readonly events: readonly TrainingEvent[];
  readonly saves: number;
  readonly engine: string;
}

export interface TabTraining {
  readonly folder: string;
  /** The pictures, as Node reads them. */
  readonly data: string;
  /** Trains in the page: `start` is code that returns the training, in which `file(base64)` is a blob. */
  inTab(page: Evaluating, start: string): Promise<TabRun>;
  /** Trains in Node, with what it writes in `folder/out`. */
  inNode(out: string, options: TrainOptions): Promise<unknown>;
  /** The run that is in `folder/out`. */
  last(out: string): Uint8Array;
}

export function tabTraining(): TabTraining {
  const folder = temporaryFolder();
  const data = join(folder, "pictures");
  writeDrawnPictures(data, { train: 7, val: 2 });
  const pictures = JSON.stringify({ train: partOf(join(data, "train")), val: partOf(join(data, "val")) });
  const inTab = (page: Evaluating, start: string) =>
    page.evaluate(`(async () => {
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
    const runtime = { module: "${ort}/ort.wasm.min.mjs" };
    let saves = 0;
    const onSave = () => saves++;
    const training = (() => { ${start} })();
    const events = [];
    for await (const event of training) events.push(event);
    const { best, last, finished, network } = await training;
    const engine = network.engine.name;
    await network.dispose();
    return { best: await textOf(best), last: await textOf(last), finished, events, saves, engine };
  })()`) as Promise<TabRun>;

  return {
    ...{ folder, data, inTab },
    inNode: async (out, options) =>
      await train(data, { ...recipe, workers: 1, report: false, executor: "ort", out: join(folder, out), ...options }),
    last: (out) => new Uint8Array(readFileSync(join(folder, out, "last.safetensors"))),
  };
}

/** The pictures of a folder, by class, as pixels that the page can be given. */
const partOf = (folder: string) =>
  Object.fromEntries(
    readdirSync(folder).map((label) => [
      label,
      readdirSync(join(folder, label)).map((name) => {
        const [head, size] = [13, 40];
        const rgb = readFileSync(join(folder, label, name)).subarray(head);
        return { name, width: size, height: size, rgb: rgb.toString("base64") };
      }),
    ]),
  );

export const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "base64"));

/** That two files hold the same run, but for the last digits of weights and of what the optimiser keeps. */
export function assertSameRun(found: Uint8Array, expected: Uint8Array, tolerance: number): void {
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
