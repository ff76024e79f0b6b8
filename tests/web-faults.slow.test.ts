/** What `senet/web` says of what it cannot use, in Chromium; and what it takes beside files: plain JavaScript checks nothing. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { Prediction } from "../src/evaluate/classify.ts";
import { needsWebRuntime } from "./chromium.ts";
import { answer, openPage } from "./page.ts";
import { serve } from "./server.ts";
import { assertClose, golden } from "./support.ts";
import { expected, type Failing, inPage, probabilities } from "./web-page.ts";

const opened = needsWebRuntime.skip === false ? await openPage() : undefined;

/** What is asked, in code, with the error's code and some of its words. */
const wrongs: readonly (readonly [asked: string, code: string, words: RegExp])[] = [
  ["senet.load()", "usage", /nothing that weights are read from.*found: +undefined/s],
  ["senet.load([])", "usage", /nothing to load/],
  ["senet.load(42)", "usage", /nothing that weights are read from.*found: +42/s],
  ["senet.load({ weights })", "usage", /found: +Object/],
  ["senet.load(weights, { treads: 2 })", "usage", /no option "treads".*nearest: threads/s],
  ["senet.load(weights, 7)", "usage", /no options.*found: +7/s],
  ['senet.load(weights, { engine: "cuda" })', "usage", /no such engine.*auto, webgpu, wasm, reference.*"cuda"/s],
  ["senet.load(weights, { labels: 5 })", "usage", /"labels".*a list of texts.*found: +5/s],
  ["senet.load(weights, { signal: {} })", "usage", /"signal".*an AbortSignal/s],
  ["senet.load(weights, { runtime: {} })", "usage", /runtime\.module.*found: +undefined/s],
  ["senet.load(weights, { worker: () => undefined })", "executor", /something else than a Worker/],
  ['senet.train(pictures, { model: "se-resnet-19" })', "usage", /no model "se-resnet-19".*se-resnet-\d+$/s],
  ["senet.load(new Response('no', { status: 404 }))", "io", /HTTP 404/],
  ["network.classify()", "usage", /no picture.*found: +undefined/s],
  ['network.classify("cat.jpg")', "usage", /no picture.*<img>.*"cat\.jpg"/s],
  ["network.classify([picture, 5])", "usage", /no picture.*found: +5/s],
  ["network.classify({ ...picture, data: [1, 2, 3] })", "usage", /no pixels.*a list of 3/s],
  ['network.classify(picture, { top: "5" })', "usage", /"top".*a number.*"5"/s],
  ["network.classify(new Image())", "data", /shows.*no picture/s],
  ['network.explain(picture, { method: "gradcam" })', "usage", /grad-cam, integrated-gradients, occlusion.*gradcam/s],
  ['network.explain(picture, { metod: "grad-cam" })', "usage", /no option "metod".*nearest: method/s],
  ['network.save("pth")', "usage", /safetensors or onnx.*"pth"/s],
  ["senet.train({})", "usage", /not pictures by class.*found: +undefined/s],
  ["network.fineTune()", "usage", /not pictures by class/],
  ["network.fineTune({ train: [picture] })", "usage", /not pictures by class.*a list of 1/s],
  ["network.fineTune({ train: { one: picture, two: picture } })", "usage", /one: this is not a list of pictures/],
  ["network.fineTune(pictures, { signal: 1 })", "usage", /"signal".*an AbortSignal/s],
  ["network.fineTune(pictures, { epoch: 3 })", "usage", /"epoch" is unknown/],
  ["network.fineTune(pictures, { learningRate: () => 1 })", "usage", /cannot be sent/],
  ['network.fineTune({ train: { ...pictures.train, "a/b": [picture] } })', "data", /"a\/b".*no folder/s],
];

test("what cannot be used is refused in words, and nothing else is thrown", needsWebRuntime, async () => {
  const { page } = opened!;
  const found = await inPage<readonly (Failing | undefined)[]>(
    page,
    `const network = await senet.load(weights, null);
    const pictures = { train: { one: [picture, picture], two: [picture, picture] } };
    const found = [];
    for (const ask of [${wrongs.map(([asked]) => `() => ${asked}`).join(", ")}]) found.push(await failureOf((async () => ask())()));
    await network.dispose();
    return found;`,
  );
  for (const [i, [asked, code, words]] of wrongs.entries()) {
    assert.deepEqual([found[i]?.ours, found[i]?.code], [true, code], `${asked}: ${found[i]?.message}`);
    assert.match(found[i]!.message, words, asked);
  }
});

test("weights are taken as bytes, as a buffer and as an answer of fetch", needsWebRuntime, async () => {
  const { page } = opened!;
  const found = await inPage<readonly (readonly Prediction[])[]>(
    page,
    `const bytes = await weights.bytes?.() ?? new Uint8Array(await weights.arrayBuffer());
    const answers = [];
    for (const source of [bytes.buffer, new DataView(bytes.buffer), [new Response(bytes)]]) {
      const network = await senet.load(source, { engine: "reference" });
      answers.push(await network.classify(picture));
      await network.dispose();
    }
    return answers;`,
  );
  for (const answer of found)
    assertClose(probabilities(answer), probabilities(await expected()), 1e-5, "probabilities");
});

test(
  "pictures are what a page has: images, canvases, bitmaps, videos, and buffers of files",
  needsWebRuntime,
  async () => {
    const { page } = opened!;
    const png = readFileSync(golden("images", "rgb.png")).toString("base64");
    const found = await inPage<{
      readonly same: readonly Prediction[][];
      readonly buffer: boolean;
      readonly video: number;
    }>(
      page,
      `const network = await senet.load(weights, { engine: "reference" });
    const canvas = Object.assign(document.createElement("canvas"), { width: 40, height: 30 });
    const context = canvas.getContext("2d");
    const shown = context.createImageData(40, 30);
    for (let i = 0; i < 1200; i++) shown.data.set([...picture.data.subarray(3 * i, 3 * i + 3), 255], 4 * i);
    context.putImageData(shown, 0, 0);
    const image = Object.assign(new Image(), { src: canvas.toDataURL() });
    const offscreen = new OffscreenCanvas(40, 30);
    offscreen.getContext("2d").putImageData(shown, 0, 0);
    const clamped = { ...picture, data: new Uint8ClampedArray(picture.data) };
    const same = await network.classify([picture, canvas, image, offscreen, shown, await createImageBitmap(canvas), clamped]);
    // The bytes are those of the moment when they were handed in.
    const reused = { ...picture, data: picture.data.slice() };
    const asked = network.classify(reused);
    reused.data.fill(0);
    same.push(await asked, await network.classify({ name: "named", picture: canvas }));
    const file = bytesOf("${png}");
    const [whole, buffer] = await network.classify([file, file.buffer]);
    const video = Object.assign(document.createElement("video"), { srcObject: canvas.captureStream(), muted: true });
    video.play();
    // A stream has a frame whenever something is drawn.
    while (video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) {
      context.putImageData(shown, 0, 0);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const answers = { same, buffer: JSON.stringify(whole) === JSON.stringify(buffer), video: (await network.classify(video)).length };
    const trained = await network.fineTune({ train: { one: [canvas, image], two: [picture, clamped] } }, { epochs: 1, freeze: "backbone" });
    await Promise.all([network.dispose(), trained.network.dispose()]);
    return answers;`,
    );
    assert.equal(found.same.length, 9);
    for (const answer of found.same)
      assertClose(probabilities(answer), probabilities(await expected()), 1e-5, "probabilities");
    assert.equal(found.buffer, true);
    assert.equal(found.video, 3);
  },
);

test("an image of another origin, whose pixels a page may not read, is refused in words", needsWebRuntime, async () => {
  const { page } = opened!;
  const body = readFileSync(golden("images", "rgb.png"));
  await page.route("http://elsewhere.test/**", (route) => route.fulfill({ body, contentType: "image/png" }));
  const found = await inPage<Failing>(
    page,
    `const network = await senet.load(weights, { engine: "reference" });
    const image = Object.assign(new Image(), { src: "http://elsewhere.test/rgb.png" });
    const failure = await failureOf(network.classify(image));
    await network.dispose();
    return failure;`,
  );
  assert.deepEqual([found.ours, found.code], [true, "usage"]);
  assert.match(found.message, /another origin.*crossorigin/s);
});

test("what is wrong with a worker, or with the engine's file, is named", needsWebRuntime, async () => {
  const { page } = opened!;
  const found = await inPage<Readonly<Record<string, Failing>>>(
    page,
    `const made = (code) => () => new Worker(URL.createObjectURL(new Blob([code])));
    const found = {
      absent: await failureOf(senet.load(weights, { worker: "/nowhere.js" })),
      other: await failureOf(senet.load(weights, { worker: made('postMessage({ kind: "senet", version: "0.0.1" })') })),
      wasm: await failureOf(senet.load(weights, { runtime: { ...runtime, wasm: "/nowhere.wasm" } }).then((network) => network.classify(picture))),
    };
    const old = "WebAssembly.validate = () => false; import(" + JSON.stringify(location.origin + "/dist/src/web/worker.web.js") + ")";
    found.simd = await failureOf(senet.load(weights, { runtime, worker: made(old) }).then((network) => network.classify(picture)));
    // Its minute passes at once.
    const { setTimeout } = globalThis;
    globalThis.setTimeout = (then, ms) => setTimeout(then, ms === 60_000 ? 0 : ms);
    found.stranger = await failureOf(senet.load(weights, { worker: made('postMessage("hello"); postMessage(null)') }));
    globalThis.setTimeout = setTimeout;
    return found;`,
  );
  const words: Readonly<Record<string, RegExp>> = {
    absent: /does not begin.*`worker`/s,
    other: /different versions.*found: +0\.0\.1/s,
    simd: /needs WebAssembly with SIMD.*`engine` reference/s,
    wasm: /nowhere\.wasm: the WebAssembly of ONNX Runtime does not load.*`runtime\.wasm`/s,
    stranger: /does not begin.*no word of senet's within 60 s/s,
  };
  for (const [key, { ours, code, message }] of Object.entries(found)) {
    assert.deepEqual([ours, code], [true, "executor"], message);
    assert.match(message, words[key]!);
    assert.doesNotMatch(message, /memory/);
  }
});

test("what is given up within an explanation, or among many pictures, the worker leaves", needsWebRuntime, async () => {
  const { page } = opened!;
  const answers = await inPage<readonly string[]>(
    page,
    `const answers = [];
    const worker = () => {
      const worker = new Worker("/dist/src/web/worker.web.js", { type: "module" });
      worker.addEventListener("message", ({ data }) => answers.push(data.kind === "failed" ? data.error.name : data.kind));
      return worker;
    };
    const network = await senet.load(weights, { engine: "reference", worker, onProgress: () => {} });
    answers.length = 0;
    const stopping = [new AbortController(), new AbortController()];
    const asked = [
      network.explain(picture, { method: "occlusion", patch: 1, stride: 1, signal: stopping[0].signal }),
      network.classify(Array(500).fill(picture), { signal: stopping[1].signal }),
    ];
    const failures = Promise.all(asked.map(failureOf));
    for (const controller of stopping) controller.abort();
    await failures;
    await network.classify(picture);
    // Both have ended before the worker does.
    while (answers.length < 3) await new Promise((resolve) => setTimeout(resolve, 20));
    await network.dispose();
    return answers;`,
  );
  assert.deepEqual([...answers].sort(), ["AbortError", "AbortError", "done"]);
});

test(
  "in a frame without an origin a worker is had from elsewhere, nothing is kept, and no word is lost over it",
  needsWebRuntime,
  async () => {
    const { origin: open } = await serve((request, response) => {
      response.setHeader("access-control-allow-origin", "*");
      answer(request, response, false);
    });
    const { origin: closed } = await serve((request, response) => answer(request, response, false));
    const { page } = await openPage();
    await page.evaluate(
      `new Promise((resolve) => {
        const frame = Object.assign(document.createElement("iframe"), { src: "${open}/", onload: () => resolve() });
        frame.sandbox = "allow-scripts";
        document.body.append(frame);
      })`,
    );
    const frame = page.frames()[1]!;
    const found = await inPage<{
      readonly origin: string;
      readonly predictions: readonly Prediction[];
      readonly notices: readonly string[];
      readonly own: Failing;
      readonly refused: Failing;
    }>(
      frame,
      `const code = new Blob(['import("${open}/dist/src/web/worker.web.js")'], { type: "text/javascript" });
    const worker = () => new Worker(URL.createObjectURL(code));
    const notices = [];
    const onNotice = (notice) => notices.push(notice);
    const network = await senet.load("${open}/weights/imagenette.safetensors", { engine: "reference", worker, onNotice });
    await network.dispose();
    const small = await senet.load(weights, { runtime: { module: "${open}" + runtime.module }, worker, onNotice });
    const predictions = await small.classify(picture);
    await small.dispose();
    return { origin, predictions, notices, own: await failureOf(senet.load(weights)),
      refused: await failureOf(senet.load("${closed}/weights/imagenette.safetensors", { worker })) };`,
    );
    assert.deepEqual([found.origin, found.notices], ["null", []]);
    assertClose(probabilities(found.predictions), probabilities(await expected()), 1e-5, "probabilities");
    assert.match(found.own.message, /no worker can begin in this page.*docs\/browser\.md/s);
    assert.deepEqual([found.refused.ours, found.refused.code], [true, "io"]);
    assert.match(found.refused.message, /cannot be fetched.*Access-Control-Allow-Origin/s);
  },
);
