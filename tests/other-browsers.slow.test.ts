/** `senet/web` and the page of `senet app` in Firefox and in WebKit: what they are in Chromium, as far as the browser lets them. */

import assert from "node:assert/strict";
import { existsSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { json } from "node:stream/consumers";
import { describe, test } from "node:test";
import { load } from "../src/api/network.node.ts";
import { writeDemoPictures } from "../src/demo/write.node.ts";
import type { Prediction } from "../src/evaluate/classify.ts";
import { needsWebRuntime } from "./chromium.ts";
import { recordedByWebcam, serveRecordedApp, useApp } from "./other-app.ts";
import {
  type BrowserName,
  browserNames,
  needs,
  type OtherBrowser,
  openAsSafari,
  openOther,
  recorder,
} from "./other-browsers.ts";
import { answer, emptyPage } from "./page.ts";
import { assertDecodesAsPillow } from "./page-pictures.ts";
import { serve } from "./server.ts";
import { assertClose, root } from "./support.ts";
import { assertSameRun, bytesOf, recipe, tabTraining } from "./tab-training.ts";
import { assertAnswersOfNode } from "./web-answers.ts";
import { expected, type Failing, inPage, ort, probabilities } from "./web-page.ts";

const large = "/weights/imagenette.safetensors";

type Progress = readonly (readonly [phase: string, loaded: number, total: number])[];

/** As an expression in the page: two visits of weights that were never fetched before, in workers that begin with `code`. */
const twice = (code: string): string => `(async () => {
  const senet = await import("senet/web");
  const begin = ${JSON.stringify(code)} + "import(" + JSON.stringify(new URL("/dist/src/web/worker.web.js", location).href) + ")";
  const worker = () => new Worker(URL.createObjectURL(new Blob([begin], { type: "text/javascript" })), { type: "module" });
  const address = "${large}?" + crypto.randomUUID();
  const visits = [], notices = [];
  for (let i = 0; i < 2; i++) {
    const progress = [];
    const onProgress = ({ phase, loaded, total }) => progress.push([phase, loaded, total]);
    const network = await senet.load(address, { worker, onProgress, onNotice: (notice) => notices.push(notice) });
    await network.dispose();
    visits.push(progress);
  }
  return { hasStore: navigator.storage?.getDirectory !== undefined, visits, notices };
})()`;

const visitingPage = `${emptyPage}<script type="module">
fetch("/told", { method: "POST", body: JSON.stringify(await (${twice("")}).catch(String)) });
</script>`;

function assertKept([fetched, again]: readonly Progress[], hasStore: boolean): void {
  const { size } = statSync(join(root, large));
  const ofFetch = fetched!.filter(([phase]) => phase === "fetch");
  assert.deepEqual(
    [ofFetch[0], ofFetch.at(-1)],
    [
      ["fetch", 0, size],
      ["fetch", size, size],
    ],
  );
  assert.equal(again![0]![0], hasStore ? "read" : "fetch");
}

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

const { folder, inTab, inNode, last } = tabTraining();
let trained: Promise<unknown> | undefined;

const notBuilt = "the page is not built: npm run build:app";
const app = existsSync(join(root, "dist", "app", "index.html.br")) ? await serveRecordedApp() : undefined;
const drawn = await writeDemoPictures(join(folder, "drawn"), { trainPerClass: 6, valPerClass: 1, heldBackPerClass: 1 });
const filesOf = (name: string) => {
  const within = join(drawn.folder, "train", name);
  return readdirSync(within).map((file) => join(within, file));
};
const pictures = {
  train: Object.fromEntries(drawn.classes.slice(0, 2).map((name) => [name, filesOf(name)])),
  asked: drawn.heldBack[0]!,
};

const servers = [false, true].map((isIsolated) => serve((request, response) => answer(request, response, isIsolated)));
const origins = (await Promise.all(servers)).map(({ origin }) => origin);

const skipOf = (name: BrowserName) => needs(name).skip || needsWebRuntime.skip;
// All of them before the first test: what ends with the file ends as soon as none of its tests is left to run.
const opened = new Map<BrowserName, OtherBrowser>();
for (const name of browserNames) if (skipOf(name) === false) opened.set(name, await openOther(name));

for (const name of browserNames) {
  const browser = opened.get(name);
  if (browser === undefined) test(`in ${name}`, { skip: skipOf(name) }, () => {});
  else {
    const open = async (isIsolated: boolean) => {
      await browser.goto(origins[isIsolated ? 1 : 0]!);
      await browser.evaluate(`${recorder}, undefined`);
    };
    const noFault = async () => assert.deepEqual(await browser.evaluate("faults"), []);

    describe(browser.title, () => {
      test("pictures decode to Pillow's bytes", async () => {
        await open(false);
        await assertDecodesAsPillow(browser);
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
        const { hasStore, visits, notices } = (await browser.evaluate(twice(""))) as Visits;
        assertKept(visits, hasStore);
        assert.deepEqual(notices, []);
        // Safari before 26 has no other way to write than a worker's own.
        const before26 = "delete FileSystemFileHandle.prototype.createWritable;";
        if (hasStore) {
          const { visits, notices } = (await browser.evaluate(twice(before26))) as Visits;
          assertKept(visits, true);
          assert.deepEqual(notices, []);
        }
        await noFault();
      });

      test("the page of senet app learns, answers, explains and exports", {
        skip: app === undefined && notBuilt,
      }, async () => {
        await browser.goto(app!.origin);
        const { saved, shown, ...found } = await useApp(browser, pictures.train, pictures.asked);
        assert.deepEqual([found.notices, await browser.evaluate("faults")], [[], []]);
        assert.deepEqual([found.isIsolated, found.confusions, shown.length], [true, 2, 2]);
        assert.match(found.results, /^Right\s+\d+(\.\d)? %\s+\d of 3 pictures/);
        const of = "se-resnet-10-d";
        const names = ["last.safetensors", `${of}-report.html`, `${of}.onnx`, `${of}.safetensors`];
        assert.deepEqual(Object.keys(saved).sort(), names);
        const file = join(folder, `of-${name}.safetensors`);
        writeFileSync(file, bytesOf(saved[`${of}.safetensors`]!));
        await using network = await load(file);
        const answers = await network.classify(pictures.asked);
        assert.deepEqual(
          shown,
          answers.map(({ label, probability }) => [label, `${(100 * probability).toFixed(1)} %`]),
        );
      });

      // WebKit's driver has no webcam for pages.
      if (name === "Firefox") {
        test("the webcam takes pictures for a class", { skip: app === undefined && notBuilt }, async () => {
          await browser.goto(app!.origin);
          const sizes = await recordedByWebcam(browser);
          assert.ok(sizes.length >= 3);
          for (const [width, height] of sizes) assert.ok(width > 100 && width === height, `${width} × ${height}`);
          assert.deepEqual(await browser.evaluate("faults"), []);
        });
      }

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

test("WebKit with the files that Safari has keeps weights for the next visit", {
  skip: needs("WebKit").skip || needsWebRuntime.skip,
}, async () => {
  const told = new Promise<Visits>((resolve, reject) => {
    serve((request, response) => {
      if (request.url === "/visit") response.writeHead(200, { "content-type": "text/html" }).end(visitingPage);
      else if (request.url === "/told") {
        json(request).then((found) => resolve(found as Visits), reject);
        response.end();
      } else answer(request, response, false);
    }).then(({ origin }) => openAsSafari(`${origin}/visit`), reject);
  });
  const { hasStore, visits, notices } = await told;
  assert.equal(hasStore, true);
  assertKept(visits, true);
  assert.deepEqual(notices, []);
});
