/** `senet/web` and the page of `senet app` in Firefox and in WebKit: what they are in Chromium, as far as the browser lets them. */

import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { Prediction } from "../src/evaluate/classify.ts";
import { needsWebRuntime } from "./chromium.ts";
import { browserNames, needs, openOther, recorder } from "./other-browsers.ts";
import { answer } from "./page.ts";
import { assertDecodesAsPillow } from "./page-pictures.ts";
import { serve } from "./server.ts";
import { assertClose, root } from "./support.ts";
import { assertSameRun, bytesOf, recipe, tabTraining } from "./tab-training.ts";
import { assertAnswersOfNode } from "./web-answers.ts";
import { expected, type Failing, inPage, ort, probabilities } from "./web-page.ts";

const large = "/weights/imagenette.safetensors";

type Progress = readonly (readonly [phase: string, loaded: number, total: number])[];

interface Visits {
  readonly hasStore: boolean;
  readonly visits: readonly Progress[];
  readonly notices: readonly string[];
}

interface Ends {
  readonly reason: string;
  readonly after: readonly Prediction[];
  readonly classify: Failing;
  readonly load: Failing;
  readonly failed: Readonly<Record<string, Failing>>;
}

const { inTab, inNode, last } = tabTraining();
let trained: Promise<unknown> | undefined;

const servers = [false, true].map((isIsolated) => serve((request, response) => answer(request, response, isIsolated)));
const origins = (await Promise.all(servers)).map(({ origin }) => origin);

for (const name of browserNames) {
  const skip = needs(name).skip || needsWebRuntime.skip;
  if (skip !== false) test(`in ${name}`, { skip }, () => {});
  else {
    const browser = await openOther(name);
    const open = async (isIsolated: boolean) => {
      await browser.goto(origins[isIsolated ? 1 : 0]!);
      await browser.evaluate(`${recorder}, undefined`);
    };
    const noFault = async () => assert.deepEqual(await browser.evaluate("faults"), []);

    describe(browser.title, () => {
      test("pictures decode to Pillow's bytes", async () => {
        await open(false);
        await assertDecodesAsPillow(browser, false);
        await noFault();
      });

      test("a network answers as in Node, with one thread", async () => {
        await open(false);
        const options = `{ runtime: { module: "${ort}/ort.wasm.min.mjs" }, threads: 2 }`;
        const engine = await assertAnswersOfNode(browser, options, ["rgb-420.jpg", "rgb.png", "lossy.webp"]);
        assert.match(
          engine,
          /^WebAssembly with one thread \(2 want a cross-origin isolated page\): there is no WebGPU/,
        );
        await noFault();
      });

      test("on an isolated page it has threads; what is given up, or disposed of, ends", async () => {
        await open(true);
        const found = await inPage<Ends>(
          browser,
          `const network = await senet.load(weights, { runtime, threads: 2 });
          const stopping = new AbortController();
          const asked = network.classify(Array(200).fill(picture), { signal: stopping.signal });
          stopping.abort(new RangeError("enough"));
          const classify = await failureOf(asked);
          const after = await network.classify(picture);
          const waiting = network.classify(Array(200).fill(picture));
          const disposing = network.dispose();
          const failed = { waiting: await failureOf(waiting) };
          await disposing;
          failed.disposed = await failureOf(network.classify(picture));
          failed.damaged = await failureOf(senet.load(weights.slice(0, 5000)));
          failed.worker = await failureOf(senet.load(weights, { worker: "/nowhere.js" }));
          const leaving = new AbortController();
          const onProgress = ({ phase }) => phase === "fetch" && leaving.abort();
          const load = await failureOf(senet.load("${large}", { cache: false, onProgress, signal: leaving.signal }));
          return { reason: network.engine.reason, classify, after, failed, load };`,
        );
        assert.match(found.reason, /^WebAssembly with 2 threads: there is no WebGPU/);
        assertClose(probabilities(found.after), probabilities(await expected()), 1e-5, "probabilities");
        assert.deepEqual([found.classify.name, found.classify.message], ["RangeError", "enough"]);
        assert.equal(found.load.name, "AbortError");
        const codes = Object.entries(found.failed).map(([key, { ours, code }]) => [key, ours && code]);
        assert.deepEqual(Object.fromEntries(codes), {
          ...{ waiting: "executor", disposed: "executor", worker: "executor", damaged: "weights" },
        });
        await noFault();
      });

      test("weights are kept for the next visit, where the browser keeps files", async () => {
        await open(false);
        const { hasStore, visits, notices } = await inPage<Visits>(
          browser,
          `const visits = [], notices = [];
          for (let i = 0; i < 2; i++) {
            const progress = [];
            const onProgress = ({ phase, loaded, total }) => progress.push([phase, loaded, total]);
            const network = await senet.load("${large}?kept", { onProgress, onNotice: (notice) => notices.push(notice) });
            await network.dispose();
            visits.push(progress);
          }
          return { hasStore: navigator.storage?.getDirectory !== undefined, visits, notices };`,
        );
        assert.deepEqual(notices, []);
        const [fetched, again] = visits as [Progress, Progress];
        const size = statSync(join(root, large)).size;
        assert.deepEqual(
          [fetched[0], fetched.findLast(([phase]) => phase === "fetch")],
          [
            ["fetch", 0, size],
            ["fetch", size, size],
          ],
        );
        assert.equal(again[0]![0], hasStore ? "read" : "fetch");
        await noFault();
      });

      test("ten steps of a training are Node's", async () => {
        await open(false);
        const found = await inTab(
          browser,
          `return senet.train(pictures, { ...${JSON.stringify(recipe)}, epochs: 2, runtime, onSave });`,
        );
        trained ??= inNode("ten", { epochs: 2 });
        await trained;
        assertSameRun(bytesOf(found.last), last("ten"), 1e-5);
        assert.deepEqual([found.engine, found.finished, found.saves], ["wasm", true, 5]);
        await noFault();
      });
    });
  }
}
