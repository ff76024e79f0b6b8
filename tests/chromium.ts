/**
 * ONNX Runtime of a page in Chromium, as an executor for test suites in Node: our code lowers graphs as in the page,
 * and the page's WebAssembly or WebGPU runs them.
 */

import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Executor } from "../src/executors/executor.ts";
import { createOrtExecutor } from "../src/executors/ort/executor.ts";
import type { OnnxRuntime, OnnxSession, OnnxTensor } from "../src/executors/ort/runtime.ts";
import { needsBrowser, type OpenPage } from "./page.ts";
import { root } from "./support.ts";

/** `{ skip: reason }` if there is no browser or no ONNX Runtime for it; spread it into a test's options. */
export const needsWebRuntime: { skip: string | false } =
  needsBrowser.skip !== false || existsSync(join(root, "web", "node_modules", "onnxruntime-web"))
    ? needsBrowser
    : { skip: "onnxruntime-web is absent: npm ci --prefix web" };

const arrays = { float32: Float32Array, float64: Float64Array, int32: Int32Array, int8: Int8Array, uint8: Uint8Array };
type Kind = keyof typeof arrays;

interface Sent {
  readonly type: string;
  readonly dims: readonly number[];
  readonly base64: string;
}

class SentTensor implements OnnxTensor {
  readonly type: string;
  readonly data: unknown;
  readonly dims: readonly number[];

  constructor(type: string, data: unknown, dims: readonly number[]) {
    this.type = type;
    this.data = data;
    this.dims = dims;
  }

  get sent(): Sent {
    const { buffer, byteOffset, byteLength } = this.data as Float32Array;
    const base64 = Buffer.from(buffer, byteOffset, byteLength).toString("base64");
    return { type: this.type, dims: this.dims, base64 };
  }
}

/** Defined once in the page. */
const inPage = `(async ({ entry, threads }) => {
  const ort = await import(entry);
  ort.env.wasm.numThreads = threads;
  ort.env.logLevel = "fatal";
  const arrays = { float32: Float32Array, float64: Float64Array, int32: Int32Array, int8: Int8Array, uint8: Uint8Array, int64: BigInt64Array };
  const bytesOf = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const textOf = (bytes) => { let text = ""; for (let i = 0; i < bytes.length; i += 32768) text += String.fromCharCode(...bytes.subarray(i, i + 32768)); return btoa(text); };
  const sessions = new Map();
  globalThis.remote = {
    async create({ model, providers }) {
      const session = await ort.InferenceSession.create(bytesOf(model), { executionProviders: providers, logSeverityLevel: 3 });
      const id = sessions.size;
      sessions.set(id, session);
      return { id, inputNames: session.inputNames };
    },
    async run({ id, feeds, fetches }) {
      const given = {};
      for (const [name, { type, dims, base64 }] of Object.entries(feeds)) given[name] = new ort.Tensor(type, new arrays[type](bytesOf(base64).buffer), dims);
      const outputs = await sessions.get(id).run(given, fetches);
      const sent = {};
      for (const [name, value] of Object.entries(outputs)) {
        const data = await value.getData();
        sent[name] = { type: value.type, dims: value.dims, base64: textOf(new Uint8Array(data.buffer, data.byteOffset, data.byteLength)) };
      }
      return sent;
    },
    async release({ id }) { await sessions.get(id).release(); sessions.delete(id); },
  };
})`;

export interface WebRuntimeOptions {
  /** The file of onnxruntime-web that the page loads. */
  readonly entry: "ort.wasm.min.mjs" | "ort.jspi.min.mjs";
  readonly provider: "wasm" | "webgpu";
  readonly threads: number;
}

/**
 * The executor that uses the page's ONNX Runtime. On a busy machine Chromium's renderer crashes very rarely, whatever
 * it computes: then sessions are created again in another page and the request is repeated. A second crash is an error.
 */
export async function executorIn(first: OpenPage, options: WebRuntimeOptions): Promise<Executor> {
  const { provider, threads } = options;
  const entry = `/web/node_modules/onnxruntime-web/dist/${options.entry}`;
  let { page } = first;
  const load = () => page.evaluate(`${inPage}(${JSON.stringify({ entry, threads })})`);
  const call = <T>(work: string, given: unknown): Promise<T> =>
    page.evaluate(`remote.${work}(${JSON.stringify(given)})`) as Promise<T>;
  await load();

  let pages = 1;
  let opening: Promise<unknown> | undefined;
  const surviving = async <T>(work: () => Promise<T>): Promise<T> => {
    const asked = pages;
    try {
      return await work();
    } catch (fault) {
      if (!String(fault).includes("Target crashed") || asked > 1) throw fault;
      opening ??= first.again().then((next) => {
        ({ page } = next);
        pages += 1;
        return load();
      });
      await opening;
      return work();
    }
  };

  const create = async (bytes: Uint8Array): Promise<OnnxSession> => {
    const made = { model: Buffer.from(bytes).toString("base64"), providers: [provider] };
    const make = async () => ({ page: pages, ...(await call<{ id: number; inputNames: string[] }>("create", made)) });
    let session = await surviving(make);
    const idHere = async () => {
      if (session.page !== pages) session = await make();
      return session.id;
    };
    return {
      inputNames: session.inputNames,
      async run(feeds, fetches?: never) {
        const given = feeds as unknown as Readonly<Record<string, SentTensor>>;
        const sent = Object.fromEntries(Object.entries(given).map(([name, value]) => [name, value.sent]));
        const outputs = await surviving(async () =>
          call<Record<string, Sent>>("run", { id: await idHere(), feeds: sent, fetches }),
        );
        return Object.fromEntries(Object.entries(outputs).map(([name, output]) => [name, received(output)]));
      },
      release: () => surviving(async () => call("release", { id: await idHere() })),
    };
  };
  const runtime = { InferenceSession: { create }, Tensor: SentTensor } as unknown as OnnxRuntime;
  return createOrtExecutor({
    runtime: () => runtime,
    description: () => `onnxruntime-web in Chromium, ${provider}`,
    writesInPlace: false,
    dialect: provider === "webgpu" ? "webgpu" : "cpu",
  });
}

function received({ type, dims, base64 }: Sent): SentTensor {
  const bytes = Uint8Array.from(Buffer.from(base64, "base64"));
  return new SentTensor(type, new arrays[type as Kind](bytes.buffer), dims);
}
