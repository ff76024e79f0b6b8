/** How `senet/web` behaves in Chromium: the page goes on, several ask at once, what is given up stops, networks are tuned. */

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import type { Page } from "playwright-core";
import { SenetError } from "../src/errors.ts";
import type { Prediction } from "../src/evaluate/classify.ts";
import { encodeOnnx } from "../src/executors/ort/export.ts";
import { inferencePasses, runPasses } from "../src/passes/index.ts";
import { openFiles } from "../src/weights/open.ts";
import { needsWebRuntime } from "./chromium.ts";
import { openPage, swiftShader } from "./page.ts";
import { assertClose, golden } from "./support.ts";
import {
  base64,
  checkpoint,
  expected,
  type Failing,
  graph,
  inPage,
  labels,
  ort,
  own,
  probabilities,
} from "./web-page.ts";

const large = "/weights/imagenette.safetensors";

const opened = needsWebRuntime.skip === false ? await openPage() : undefined;
/** Those that are alive. */
const workersOf = async (page: Page): Promise<number> => {
  // One that computes ends after what it is at, and a busy machine says so late.
  for (let i = 0; i < 600 && page.workers().length > 0; i++) await page.waitForTimeout(100);
  return page.workers().length;
};

interface TraceEvent {
  readonly name: string;
  readonly pid: number;
  readonly tid: number;
  /** Microseconds of the thread's own time: what others take from the processor does not count. */
  readonly tdur?: number;
  readonly args?: { readonly name?: string; readonly data?: { readonly message?: string } };
}

/** What the browser noted of all its threads meanwhile. */
async function traced(page: Page, work: () => Promise<unknown>): Promise<readonly TraceEvent[]> {
  const session = await page.context().newCDPSession(page);
  const events: TraceEvent[] = [];
  session.on("Tracing.dataCollected", ({ value }) => events.push(...(value as unknown as TraceEvent[])));
  await session.send("Tracing.start", {
    traceConfig: { includedCategories: ["toplevel", "devtools.timeline", "disabled-by-default-devtools.timeline"] },
  });
  await page.evaluate("console.timeStamp('begin')");
  await work();
  await page.evaluate("console.timeStamp('end')");
  const complete = new Promise((resolve) => session.once("Tracing.tracingComplete", resolve));
  await session.send("Tracing.end");
  await complete;
  await session.detach();
  return events;
}

/** The milliseconds that each task of the page's thread took while something was done. */
async function tasksOf(page: Page, work: () => Promise<unknown>): Promise<readonly number[]> {
  let events: readonly TraceEvent[] = [];
  const isMarked = (mark: string) =>
    events.some(({ name, args }) => name === "TimeStamp" && args?.data?.message === mark);
  // On a busy machine the page's process begins to note things later than the browser says.
  for (let tries = 0; tries < 10 && !(isMarked("begin") && isMarked("end")); tries++) events = await traced(page, work);
  assert.ok(isMarked("begin") && isMarked("end"), "the whole of it was noted");
  const isPage = ({ name, args }: TraceEvent) => name === "thread_name" && args?.name === "CrRendererMain";
  const threads = new Set(events.filter(isPage).map(({ pid, tid }) => `${pid}/${tid}`));
  const isTask = ({ name, pid, tid, tdur }: TraceEvent) =>
    /RunTask$/.test(name) && threads.has(`${pid}/${tid}`) && tdur !== undefined;
  return events.filter(isTask).map(({ tdur }) => tdur! / 1000);
}

test(
  "the page never waits: no task of 50 ms while a network is loaded, asked and tuned",
  needsWebRuntime,
  async (t) => {
    const { page } = opened!;
    // The page's own part is made ready before.
    await inPage(
      page,
      `const noise = (n) => Array.from({ length: n }, (_, i) => ({ name: i + ".png", picture: { ...picture, data: picture.data.map((x) => (x * (i + 3)) % 256) } }));
    const pictures = { train: { one: noise(5), two: noise(5) }, val: { one: noise(1), two: noise(1) } };
    globalThis.ready = { senet, runtime, picture, pictures };`,
    );
    const look = () =>
      tasksOf(page, () =>
        page.evaluate(
          `(async () => {
      const { senet, runtime, picture, pictures } = globalThis.ready;
      const network = await senet.load("${large}", { runtime });
      for (let i = 0; i < 2; i++) await network.classify(picture);
      await network.explain(picture);
      const run = await network.fineTune(pictures, { freeze: "stage3", epochs: 1, batchSize: 4 });
      await run.network.save();
      await run.network.dispose();
      await network.dispose();
      })()`,
        ),
      );
    // What the page really does it does each time; collecting garbage beside other tests may take long once.
    const longest: number[] = [];
    for (let tries = 0; tries < 4 && !longest.some((ms) => ms < 50); tries++) {
      const tasks = await look();
      assert.ok(tasks.length > 20, `${tasks.length} tasks`);
      longest.push(Math.max(...tasks));
    }
    t.diagnostic(`the longest: ${longest.join(", ")} ms`);
    assert.ok(Math.min(...longest) < 50, `${longest.join(", ")} ms`);
    // That it would be noticed.
    const busy = await tasksOf(page, () =>
      page.evaluate("let x = 0; for (let i = 0; i < 3e8; i++) x = (x * 31 + i) | 0; x"),
    );
    assert.ok(Math.max(...busy) > 50, `${Math.max(...busy)} ms`);
  },
);

test("two networks, and many questions at once, answer as Node does", needsWebRuntime, async () => {
  const { page } = opened!;
  const found = await inPage<readonly (readonly Prediction[])[]>(
    page,
    `const networks = await Promise.all([senet.load(weights, { runtime }), senet.load(weights, { engine: "reference" })]);
    const asked = networks.flatMap((network) => [network.classify(picture), network.classify([picture, picture])]);
    const answers = (await Promise.all(asked)).flatMap((answer) => (Array.isArray(answer[0]) ? answer : [answer]));
    await Promise.all(networks.map((network) => network.dispose()));
    return answers;`,
  );
  assert.equal(found.length, 6);
  for (const answer of found)
    assertClose(probabilities(answer), probabilities(await expected()), 1e-5, "probabilities");
  assert.equal(await workersOf(page), 0, "their workers have ended");
});

test(
  "what is given up rejects with the signal's reason, in every phase, and leaves no worker",
  needsWebRuntime,
  async () => {
    const { page } = opened!;
    const found = await inPage<Readonly<Record<string, Failing>>>(
      page,
      `const found = {};
    for (const phase of ["fetch", "open", "measure"]) {
      const stopping = new AbortController();
      const onProgress = (progress) => progress.phase === phase && stopping.abort();
      found[phase] = await failureOf(senet.load("${large}", { runtime, cache: false, onProgress, signal: stopping.signal }));
    }
    found.before = await failureOf(senet.load(weights, { signal: AbortSignal.abort() }));
    const network = await senet.load(weights, { runtime });
    const stopping = new AbortController();
    const asked = network.classify(Array(200).fill(picture), { signal: stopping.signal });
    stopping.abort(new RangeError("enough"));
    found.classify = await failureOf(asked);
    found.after = (await network.classify(picture)).length;
    const waiting = network.classify(Array(200).fill(picture));
    const disposing = network.dispose();
    found.waiting = await failureOf(waiting);
    await disposing;
    await network.dispose();
    found.disposed = await failureOf(network.classify(picture));
    return found;`,
    );
    for (const phase of ["fetch", "open", "measure", "before"]) assert.equal(found[phase]!.name, "AbortError", phase);
    assert.deepEqual([found.classify!.name, found.classify!.message], ["RangeError", "enough"]);
    assert.equal(found.after, 3, "the network goes on");
    for (const key of ["waiting", "disposed"])
      assert.deepEqual([found[key]!.ours, found[key]!.code], [true, "executor"]);
    assert.equal(await workersOf(page), 0);
  },
);

test("faults come across with their code and their words", needsWebRuntime, async () => {
  const { page } = opened!;
  const found = await inPage<Readonly<Record<string, Failing>>>(
    page,
    `const damaged = new File([bytesOf("${base64(own.subarray(0, 5000))}")], "damaged.safetensors");
    const network = await senet.load(weights, { runtime });
    const found = {
      damaged: await failureOf(senet.load(damaged, { runtime })),
      absent: await failureOf(senet.load("/weights/absent.safetensors", { runtime })),
      picture: await failureOf(network.classify(new File(["no picture"], "text.png"))),
      class: await failureOf(network.explain(picture, { target: "beee" })),
      gpu: await failureOf(senet.load(weights, { runtime, engine: "webgpu" })),
      runtime: await failureOf(senet.load(weights, { runtime: { module: "/nowhere.mjs" } })),
      threads: await failureOf(senet.load(weights, { runtime, threads: 0 })),
      worker: await failureOf(senet.load(weights, { worker: "/nowhere.js" })),
      training: await failureOf(network.fineTune({ train: { one: [picture, picture], two: [] } })),
      checkpoint: await failureOf(network.checkpoint()),
    };
    await network.dispose();
    return found;`,
  );
  const codes = Object.fromEntries(Object.entries(found).map(([key, { ours, code }]) => [key, ours && code]));
  assert.deepEqual(codes, {
    ...{ damaged: "weights", absent: "io", picture: "data", class: "usage", gpu: "executor", runtime: "executor" },
    ...{ threads: "usage", worker: "executor", training: "data", checkpoint: "usage" },
  });
  const { message } = await openFiles([{ bytes: own.subarray(0, 5000), where: "damaged.safetensors" }]).then(
    () => assert.fail("it is damaged"),
    (error: SenetError) => error,
  );
  assert.equal(found.damaged!.message, message);
  assert.match(found.class!.message, /the nearest: bee/);
  assert.match(found.absent!.message, /HTTP 404/);
});

test("files of every format open as in Node, or are refused in the same words", needsWebRuntime, async () => {
  const { page } = opened!;
  const program = runPasses({ graph, weights: checkpoint.weights }, inferencePasses);
  const files: Record<string, Uint8Array> = {
    "own.safetensors": own,
    "own.onnx": encodeOnnx(program.graph, program.weights, { labels: JSON.stringify(labels) }),
  };
  for (const name of readdirSync(golden("weights"))) {
    const bytes = readFileSync(golden("weights", name));
    if (/\.(pth|onnx|npz|npy|mat|params|caffemodel|h5)$/.test(name) && bytes.length < 200_000) files[name] = bytes;
  }
  assert.ok(Object.keys(files).length > 12);
  const outcome = async (name: string, bytes: Uint8Array): Promise<string> => {
    try {
      const { checkpoint, format } = await openFiles([{ bytes: new Uint8Array(bytes), where: name }]);
      return `${format}: ${checkpoint.model.name}, ${checkpoint.labels.length}`;
    } catch (error) {
      assert.ok(error instanceof SenetError);
      return error.message;
    }
  };
  const given = Object.entries(files).map(([name, bytes]) => [name, base64(bytes)]);
  const found = await inPage<readonly string[]>(
    page,
    `const outcomes = [];
    for (const [name, text] of ${JSON.stringify(given)}) {
      try {
        const network = await senet.load(new File([bytesOf(text)], name), { engine: "reference" });
        outcomes.push(network.format + ": " + network.model.name + ", " + network.labels.length);
        await network.dispose();
      } catch (error) { outcomes.push(error.message); }
    }
    return outcomes;`,
  );
  for (const [i, [name, bytes]] of Object.entries(files).entries()) {
    assert.equal(found[i], await outcome(name, bytes), name);
  }
});

test(
  "a network is saved, opened again, and tuned in its head on features that are computed once",
  needsWebRuntime,
  async () => {
    const { page, faults } = opened!;
    const found = await inPage<{
      readonly saved: readonly Prediction[];
      readonly exported: readonly Prediction[];
      readonly kinds: readonly string[];
      readonly error: number;
      readonly labels: readonly string[];
      readonly changed: readonly string[];
      readonly run: boolean;
    }>(
      page,
      `const network = await senet.load(weights, { runtime });
    const [saved, exported] = await Promise.all(["safetensors", "onnx"].map(async (format) => {
      const again = await senet.load(await network.save(format), { runtime });
      try { return await again.classify(picture); } finally { await again.dispose(); }
    }));
    const plain = (red, n) => Array.from({ length: n }, (_, i) => ({ name: red + "-" + i + ".png", picture: {
      width: 30, height: 30, data: Uint8Array.from({ length: 2700 }, (_, k) => (k % 3 === 0 ? red : 128) + ((k * (i + 7)) % 31)) } }));
    const training = network.fineTune({ train: { dark: plain(10, 10), light: plain(220, 10) } }, { freeze: "backbone", epochs: 30, learningRate: 0.5 });
    const kinds = new Set();
    for await (const { kind } of training) kinds.add(kind);
    const run = await training;
    const tensorsOf = async (blob) => {
      const bytes = new Uint8Array(await blob.arrayBuffer());
      const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
      const { __metadata__, ...all } = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
      return new Map(Object.entries(all).map(([name, { data_offsets: [a, b] }]) => [name, String(bytes.subarray(8 + length + a, 8 + length + b))]));
    };
    const [before, after] = [await tensorsOf(await network.save()), await tensorsOf(await run.network.save())];
    const changed = [...after].filter(([name, data]) => before.get(name) !== data).map(([name]) => name);
    const opened = await senet.load(run.last, { runtime });
    const answer = { saved, exported, kinds: [...kinds], error: run.top1Error, labels: run.network.labels, changed, run: opened.run.finished };
    await Promise.all([network, run.network, opened].map((one) => one.dispose()));
    return answer;`,
    );
    for (const answer of [found.saved, found.exported]) {
      assertClose(probabilities(answer), probabilities(await expected()), 1e-5, "probabilities");
    }
    assert.deepEqual(found.labels, ["dark", "light"]);
    assert.equal(found.error, 0, "percent of the pictures that were kept back");
    assert.deepEqual([...found.changed].sort(), ["fc.bias", "fc.weight"]);
    for (const kind of ["note", "features", "start", "step", "validation", "epoch"])
      assert.ok(found.kinds.includes(kind), kind);
    assert.equal(found.run, true);
    assert.deepEqual(
      faults.filter((fault) => !/404|nowhere|ERR_|absent/.test(fault)),
      [],
    );
  },
);

test(
  "unless it is told otherwise a head learns from many looks at few pictures, and a stage after it at lower rates",
  needsWebRuntime,
  async () => {
    interface Tuned {
      readonly config: { readonly learningRate: number; readonly layerDecay: number | null };
      readonly history: readonly { readonly trainTop1Error: number; readonly validationTop1Error: number }[];
    }
    const found = await inPage<{
      readonly looks: number;
      readonly head: Tuned;
      readonly stage: Tuned;
      readonly told: Tuned;
    }>(
      opened!.page,
      `const network = await senet.load(weights, { runtime });
    const striped = (red) => Array.from({ length: 10 }, (_, i) => ({ name: red + "-" + i + ".png", picture: {
      width: 30, height: 30, data: Uint8Array.from({ length: 2700 }, (_, k) => (k % 3 === 0 ? red : 128) + ((k * (i + 7)) % 31)) } }));
    const pictures = { train: { dark: striped(10), light: striped(220) } };
    const training = network.fineTune(pictures, { freeze: "backbone", epochs: 20 });
    let looks = 0;
    for await (const event of training) if (event.kind === "features") looks = event.total;
    const head = await training;
    const stage = await head.network.fineTune(pictures, { freeze: "stage2", epochs: 1 });
    const told = await head.network.fineTune(pictures, { freeze: "stage2", epochs: 1, learningRate: 0.2, layerDecay: null });
    const facts = ({ config, history }) => ({ config, history });
    const answer = { looks, head: facts(head), stage: facts(stage), told: facts(told) };
    await Promise.all([network, head.network, stage.network, told.network].map((one) => one.dispose()));
    return answer;`,
    );
    const { looks, head, stage, told } = found;
    // Fifteen pictures to learn from, eight times each, and five to validate with.
    assert.equal(looks, 8 * 15 + 5);
    assert.deepEqual([head.config.learningRate, head.config.layerDecay], [0.05, null]);
    assert.deepEqual([stage.config.learningRate, stage.config.layerDecay], [0.03, 0.3]);
    assert.deepEqual([told.config.learningRate, told.config.layerDecay], [0.2, null]);
    assert.equal(head.history.at(-1)!.validationTop1Error, 0);
    assert.equal(stage.history[0]!.trainTop1Error, 0, "it begins with the head that has learnt");
  },
);

test("plain JavaScript is stopped in the midst of a step, which is none then, and the run goes on", async () => {
  const found = await inPage<{
    readonly stopped: readonly string[];
    readonly finished: boolean;
    readonly resumed: readonly string[];
  }>(
    opened!.page,
    `const network = await senet.load(weights, { engine: "reference" });
    const plain = (red) => Array.from({ length: 8 }, (_, i) => ({ name: red + "-" + i + ".png", picture: {
      width: 30, height: 30, data: Uint8Array.from({ length: 2700 }, (_, k) => (k % 3 === 0 ? red : 128) + ((k * (i + 7)) % 31)) } }));
    const pictures = { train: { dark: plain(10), light: plain(220) } };
    const follow = async (training, until) => {
      const kinds = [];
      for await (const { kind } of training) {
        kinds.push(kind);
        if (kind === "start" || kind === "step") until.abort();
      }
      return { kinds, run: await training };
    };
    // A step takes seconds.
    const first = new AbortController();
    const stopped = await follow(network.fineTune(pictures, { imageSize: 48, batchSize: 10, epochs: 2, signal: first.signal }), first);
    const resumed = await follow(senet.train(pictures, { engine: "reference", resume: stopped.run.last }), { abort() {} });
    await Promise.all([network, stopped.run.network, resumed.run.network].map((one) => one.dispose()));
    return { stopped: stopped.kinds, finished: stopped.run.finished, resumed: resumed.kinds };`,
  );
  assert.equal(found.stopped.includes("step"), false);
  assert.equal(found.finished, false);
  assert.equal(found.resumed.filter((kind) => kind === "step").length, 2);
});

test(
  "on an isolated page as many threads as are asked for, elsewhere one, and it is said",
  needsWebRuntime,
  async () => {
    const ask = `const network = await senet.load(weights, { runtime, threads: 2 });
    const answer = { engine: network.engine, predictions: await network.classify(picture) };
    await network.dispose();
    return answer;`;
    interface Threaded {
      readonly engine: { readonly threads: number; readonly reason: string };
      readonly predictions: readonly Prediction[];
    }
    const alone = await inPage<Threaded>(opened!.page, ask);
    assert.equal(alone.engine.threads, 1);
    assert.match(alone.engine.reason, /2 want a cross-origin isolated page/);
    const { page } = await openPage({ isIsolated: true });
    const isolated = await inPage<Threaded>(page, ask);
    assert.equal(isolated.engine.threads, 2);
    assert.match(isolated.engine.reason, /^WebAssembly with 2 threads/);
    const unasked = await inPage<string>(
      page,
      `await using network = await senet.load(weights, { runtime }); return network.engine.reason;`,
    );
    assert.match(unasked, /^WebAssembly with one thread \(`threads` asks for more\)/);
    assertClose(probabilities(isolated.predictions), probabilities(await expected()), 1e-5, "probabilities");
  },
);

const skip = needsWebRuntime.skip || (existsSync(swiftShader) ? false : "SwiftShader is absent");
test("a software adapter of WebGPU is called one and left aside; asked for it computes the same, also for who is left when others are disposed of", {
  skip,
}, async () => {
  const { page } = await openPage({ hasWebGpu: true });
  const found = await inPage<readonly { readonly reason: string; readonly predictions: readonly Prediction[] }[]>(
    page,
    `const answers = [];
    for (const engine of ["auto", "webgpu"]) {
      const network = await senet.load(weights, { runtime: { module: "${ort}/ort.jspi.min.mjs" }, engine });
      answers.push({ reason: network.engine.reason, predictions: await network.classify(picture) });
      await network.dispose();
    }
    // Two that share a device.
    const { selectEngine, loadRuntime } = await import("/dist/src/executors/select.web.js");
    const { PictureClassifier } = await import("/dist/src/evaluate/classify.js");
    const { decodeCheckpoint } = await import("/dist/src/weights/decode-checkpoint.js");
    const ort = await loadRuntime({ module: new URL("${ort}/ort.jspi.min.mjs", location.href).href });
    const { executor } = await selectEngine({ engine: "webgpu", runtime: ort });
    const checkpoint = decodeCheckpoint(new Uint8Array(await weights.arrayBuffer()), "own.safetensors");
    const make = () => PictureClassifier.create(checkpoint, executor);
    const [one, other] = [await make(), await make()];
    await one.classify(picture);
    await one.dispose();
    answers.push({ reason: "", predictions: (await other.classify(picture)).predictions });
    await other.dispose();
    return answers;`,
  );
  const [auto, webgpu] = found;
  assert.equal(found.length, 3);
  assert.match(auto!.reason, /^WebAssembly with one thread: WebGPU has only a software adapter \(.*swiftshader/i);
  assert.match(webgpu!.reason, /^WebGPU on .*swiftshader.*a software adapter, as asked for/i);
  for (const { predictions } of found) {
    assertClose(probabilities(predictions), probabilities(await expected()), 1e-5, "probabilities");
  }
});

test(
  "where a device and WebAssembly both work, what is measured decides; a device that fails is left aside",
  needsWebRuntime,
  async () => {
    const reasons = await inPage<readonly string[]>(
      opened!.page,
      `const { selectEngine, loadRuntime } = await import("/dist/src/executors/select.web.js");
    const info = { vendor: "acme", architecture: "fast-1", device: "", description: "" };
    Object.defineProperty(navigator, "gpu", { value: { requestAdapter: async () => ({ info }) }, configurable: true });
    const ort = await loadRuntime({ module: new URL(runtime.module, location.href).href });
    const reasons = [];
    for (const [onDevice, onProcessor] of [[2, 8], [9, 3], [undefined, 3]]) {
      const measure = async ({ description }) => {
        const isDevice = description.endsWith("WebGPU");
        if (isDevice && onDevice === undefined) throw new senet.SenetError("executor", "it cannot", { found: "no such operation" });
        return isDevice ? onDevice : onProcessor;
      };
      reasons.push((await selectEngine({ engine: "auto", threads: undefined, runtime: ort, measure })).facts.reason);
    }
    delete navigator.gpu;
    return reasons;`,
    );
    assert.deepEqual(reasons, [
      "WebGPU on acme fast-1: 2.0 ms a picture, 8.0 on the other, WebAssembly",
      "WebAssembly with one thread: 3.0 ms a picture, 9.0 on the other, WebGPU",
      "WebAssembly with one thread: WebGPU does not run it (no such operation)",
    ]);
  },
);

test("a network that was disposed of gives its memory to the next one", needsWebRuntime, async () => {
  const heaps = await inPage<readonly number[]>(
    opened!.page,
    `// The worker tells how large the engine's memory is.
    const code = "const memories = []; const { Memory } = WebAssembly;" +
      "WebAssembly.Memory = function (kind) { const made = new Memory(kind); memories.push(made); return made; };" +
      "addEventListener('message', ({ data }) => { if (data === 'memory') postMessage({ bytes: Math.max(0, ...memories.map(({ buffer }) => buffer.byteLength)) }); });" +
      "import(" + JSON.stringify(location.origin + "/dist/src/web/worker.web.js") + ")";
    const address = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
    const made = [];
    const worker = () => made[made.push(new Worker(address, { type: "module" })) - 1];
    const heap = () => new Promise((resolve) => {
      const hear = ({ data }) => {
        if (data.bytes === undefined) return;
        made[0].removeEventListener("message", hear);
        resolve(data.bytes);
      };
      made[0].addEventListener("message", hear);
      made[0].postMessage("memory");
    });
    const noise = (n) => Array.from({ length: n }, (_, i) => ({ name: i + ".png", picture: { ...picture, data: picture.data.map((x) => (x * (i + 3)) % 256) } }));
    const pictures = { train: { one: noise(3), two: noise(3) }, val: { one: noise(1), two: noise(1) } };
    const network = await senet.load(weights, { runtime, worker });
    const heaps = [];
    // Some tens of MB each.
    for (let i = 0; i < 5; i++) {
      const run = await network.fineTune(pictures, { epochs: 1, batchSize: 6, imageSize: 64 });
      await run.network.classify(picture);
      await run.network.dispose();
      heaps.push(await heap());
    }
    await network.dispose();
    return heaps;`,
  );
  assert.ok(heaps[0]! > 0);
  assert.equal(heaps.at(-1), heaps[1], heaps.join());
});
