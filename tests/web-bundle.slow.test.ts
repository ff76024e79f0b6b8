/** `senet/web` as Vite and esbuild bundle it: what a page loads before its first answer, and that nothing else is needed. */

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { extname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { brotliCompressSync } from "node:zlib";
import { needsWebRuntime } from "./chromium.ts";
import { temporaryFolder } from "./command.ts";
import { openPage } from "./page.ts";
import { serve } from "./server.ts";
import { golden, root } from "./support.ts";

const tool = (name: string) => join(root, "web", "node_modules", ".bin", name);
const needs = (name: string) =>
  existsSync(tool(name)) ? needsWebRuntime : { skip: `${name} is absent: npm ci --prefix web --ignore-scripts` };

/** What a page and its worker say, as docs/browser.md has it. */
const files = {
  "page.js": `import { load } from "senet/web";
    const own = () => new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    globalThis.ask = async ({ worker, ...options }) => {
      const network = await load("/weights.safetensors", { ...options, ...(worker && { worker: worker === "own" ? own : worker }) });
      const answer = await network.classify(await (await fetch("/picture.jpg")).blob());
      await network.dispose();
      return { classes: answer.length, engine: network.engine.reason };
    };`,
  "worker.js": `import { startWorker } from "senet/web/worker"; startWorker();`,
  "index.html": `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><script type="module" src="./page.js"></script>`,
};
const workerWithEngine = `import * as runtime from "onnxruntime-web/wasm";
  import { startWorker } from "senet/web/worker";
  startWorker({ runtime });`;

const ort = join(root, "web", "node_modules", "onnxruntime-web");

/** A folder with a page that has the package, as npm would lay it there, and the engine's files beside the page. */
function project(): string {
  const folder = temporaryFolder();
  for (const part of ["node_modules", "public"]) mkdirSync(join(folder, part));
  symlinkSync(root, join(folder, "node_modules", "senet"));
  symlinkSync(ort, join(folder, "node_modules", "onnxruntime-web"));
  for (const name of Object.values(engineFiles)) copyFileSync(join(ort, "dist", name), join(folder, "public", name));
  for (const [name, code] of Object.entries(files)) writeFileSync(join(folder, name), code);
  writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module", private: true }));
  return folder;
}
const engineFiles = { module: "ort.wasm.bundle.min.mjs", wasm: "ort-wasm-simd-threaded.wasm" } as const;
const runtime = { module: `/${engineFiles.module}`, wasm: `/${engineFiles.wasm}` };

/** Of scripts, without ONNX Runtime's. */
interface Size {
  readonly minified: number;
  readonly compressed: number;
}

/** What a page and its worker load before they have answered what is in a JPEG, by weights of our own. */
const most: Size = { minified: 120_000, compressed: 53_000 };

function checkSize(t: TestContext, name: string, size: Size): void {
  t.diagnostic(`${name}: ${size.minified} bytes, ${size.compressed} compressed`);
  assert.ok(size.minified < most.minified, `${size.minified} bytes`);
  assert.ok(size.compressed < most.compressed, `${size.compressed} bytes compressed`);
}

const types: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".wasm": "application/wasm",
};
const data: Readonly<Record<string, string>> = {
  "/weights.safetensors": join(root, "weights", "imagenette.safetensors"),
  "/picture.jpg": golden("images", "profile.jpg"),
};

interface Answer {
  readonly classes: number;
  readonly engine: string;
}

/** What a page in that folder answers, under the policy that docs/browser.md names, and which scripts it loads for it. */
async function asked(folder: string, options: object): Promise<Answer & { readonly size: Size }> {
  const scripts: Buffer[] = [];
  const { origin } = await serve(({ url = "/" }, response) => {
    const path = new URL(url, "http://localhost").pathname;
    const file = data[path] ?? join(folder, path === "/" ? "index.html" : path);
    if (!existsSync(file)) {
      response.writeHead(404).end();
      return;
    }
    const body = readFileSync(file);
    if (extname(file) === ".js") scripts.push(body);
    response
      .writeHead(200, {
        "content-type": types[extname(file)] ?? "application/octet-stream",
        "content-security-policy": "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; img-src data:",
      })
      .end(body);
  });
  const { page, faults } = await openPage();
  await page.goto(origin);
  await page.waitForFunction("globalThis.ask !== undefined");
  // Where policies refuse eval, a function goes in as one.
  const answer = await page.evaluate(
    (given) => (globalThis as unknown as { ask(given: object): Promise<Answer> }).ask(given),
    options,
  );
  assert.deepEqual(faults, []);
  assert.equal(answer.classes, 5);
  const sum = (sizes: readonly number[]) => sizes.reduce((a, b) => a + b, 0);
  const minified = sum(scripts.map(({ length }) => length));
  return { ...answer, size: { minified, compressed: sum(scripts.map((body) => brotliCompressSync(body).length)) } };
}

/** Files that workers begin with are imported by no others: WebKit would evaluate it twice. */
function checkBeginnings(folder: string): void {
  const scripts = readdirSync(folder).filter((name) => name.endsWith(".js"));
  const beginnings = scripts.filter((name) => name.startsWith("worker"));
  assert.ok(beginnings.length > 0, scripts.join(", "));
  const importing = scripts.filter((name) => {
    const code = readFileSync(join(folder, name), "utf8");
    return [...code.matchAll(/\b(?:from|import)\s*\(?\s*["'`]\.\/([^"'`]+)/g)].some(
      ([, file]) => file === beginnings[0],
    );
  });
  assert.deepEqual(importing, []);
}

test("esbuild: page and worker as two entry points", needs("esbuild"), async (t) => {
  const folder = project();
  const out = join(folder, "public");
  const options = ["--bundle", "--minify", "--splitting", "--format=esm", "--log-level=error", `--outdir=${out}`];
  execFileSync(tool("esbuild"), ["page.js", "worker.js", ...options], { cwd: folder });
  writeFileSync(join(out, "index.html"), files["index.html"]);
  checkBeginnings(out);
  const { engine, size } = await asked(out, { worker: "/worker.js", runtime });
  assert.match(engine, /^WebAssembly/);
  checkSize(t, "esbuild", size);
});

const built = (folder: string, config: string): string => {
  writeFileSync(join(folder, "vite.config.js"), `export default { logLevel: "error", ${config} };`);
  execFileSync(tool("vite"), ["build", "--outDir", "out"], { cwd: folder });
  return join(folder, "out");
};

test("Vite: finds the worker by itself, in parts; the engine's two files are served", needs("vite"), async (t) => {
  const out = built(project(), 'worker: { format: "es" }');
  checkBeginnings(join(out, "assets"));
  const { engine, size } = await asked(out, { runtime });
  assert.match(engine, /^WebAssembly/);
  checkSize(t, "Vite", size);
});

test(
  "Vite: without a word of configuration, and with a worker of one's own, which brings the engine",
  needs("vite"),
  async () => {
    const folder = project();
    writeFileSync(join(folder, "worker.js"), workerWithEngine);
    // The package's own network is a file beside the page's, with an address.
    const own = 'import weights from "senet/weights/imagenette.safetensors?url";';
    writeFileSync(join(folder, "page.js"), `${own}\n${files["page.js"].replace('"/weights.safetensors"', "weights")}`);
    const { engine } = await asked(built(folder, ""), { worker: "own" });
    assert.match(engine, /^WebAssembly/);
  },
);

test(
  "what docs/browser.md shows type-checks in a strict project, in the page and in a worker of one's own",
  needs("esbuild"),
  () => {
    const folder = project();
    const guide = readFileSync(join(root, "docs/browser.md"), "utf8");
    const [opening, training, own, elsewhere] = [...guide.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(
      ([, code]) => code!,
    );
    const [worker, page] = own!.split("// page.ts\n");
    const given = "declare const file: File; declare const catFiles: File[]; declare const dogFiles: FileList;\n";
    const sources = {
      "opening.ts": `${given}${opening}{ ${training} }\n`,
      "page.ts": `${given}import { load } from "senet/web";\n${page}`,
      "elsewhere.ts": `${given}import { load } from "senet/web";\n${elsewhere}`,
      "worker.ts": worker!,
      // ONNX Runtime's own types want a page's library.
      "plain-worker.ts": files["worker.js"],
    };
    for (const [name, code] of Object.entries(sources)) writeFileSync(join(folder, name), code);
    const compiler = join(root, "node_modules", "typescript", "bin", "tsc");
    const check = (files: readonly string[], lib: string, resolution: readonly string[]) => {
      const strict = [
        "--strict",
        "--skipLibCheck",
        "false",
        "--noEmit",
        "--types",
        "",
        "--target",
        "es2022",
        "--lib",
        lib,
      ];
      const { status, stdout } = spawnSync(process.execPath, [compiler, ...strict, ...resolution, ...files], {
        cwd: folder,
        encoding: "utf8",
      });
      assert.equal(status, 0, stdout);
    };
    const bundler = ["--module", "esnext", "--moduleResolution", "bundler"];
    for (const resolution of [bundler, ["--module", "nodenext"]])
      check(["opening.ts", "page.ts", "elsewhere.ts", "worker.ts"], "es2022,dom", resolution);
    check(["plain-worker.ts"], "es2022,webworker", bundler);
  },
);
