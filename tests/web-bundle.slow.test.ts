/** `senet/web` as Vite and esbuild bundle it: what a page loads before its first answer, and that nothing else is needed. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join } from "node:path";
import { after, type TestContext, test } from "node:test";
import { brotliCompressSync } from "node:zlib";
import { needsWebRuntime } from "./chromium.ts";
import { temporaryFolder } from "./command.ts";
import { openPage } from "./page.ts";
import { root } from "./support.ts";

const tool = (name: string) => join(root, "web", "node_modules", ".bin", name);
const needs = (name: string) =>
  existsSync(tool(name)) ? needsWebRuntime : { skip: `${name} is absent: npm ci --prefix web --ignore-scripts` };

/** What a page and its worker say, as docs/browser.md has it. */
const files = {
  "page.js": `import { load } from "senet/web";
    globalThis.ask = async (worker) => {
      const network = await load("/weights.safetensors", { engine: "reference", ...(worker && { worker }) });
      const data = Uint8Array.from({ length: 3600 }, (_, i) => (i * 37) % 256);
      const answer = await network.classify({ width: 40, height: 30, data });
      await network.dispose();
      return answer.length;
    };`,
  "worker.js": `import { startWorker } from "senet/web/worker"; startWorker();`,
  "index.html": `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><script type="module" src="./page.js"></script>`,
};

/** A folder with a page that has the package, as npm would lay it there. */
function project(): string {
  const folder = temporaryFolder();
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(root, join(folder, "node_modules", "senet"));
  for (const [name, code] of Object.entries(files)) writeFileSync(join(folder, name), code);
  writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module", private: true }));
  return folder;
}

/** The bytes of a file and of all that it imports before it runs; and that none asks for a package. */
function loaded(folder: string, entries: readonly string[]): { minified: number; compressed: number } {
  const seen = new Set<string>();
  const visit = (file: string): void => {
    if (seen.has(file)) return;
    seen.add(file);
    const code = readFileSync(file, "utf8");
    for (const [, name] of code.matchAll(/(?:\bfrom|\bimport)\s*["']([\w@:./-]+)["']/g)) {
      assert.match(name!, /^\.{0,2}\//, `${file} asks for ${name}`);
      visit(join(file, "..", name!));
    }
  };
  for (const entry of entries) visit(entry);
  const all = [...seen].map((file) => readFileSync(file));
  const sum = (sizes: readonly number[]) => sizes.reduce((a, b) => a + b, 0);
  assert.ok(all.length > 0, folder);
  return {
    minified: sum(all.map(({ length }) => length)),
    compressed: sum(all.map((bytes) => brotliCompressSync(bytes).length)),
  };
}

/** Before its first answer: page and worker, without ONNX Runtime. Two fifths of it are zod, as esbuild leaves it. */
const most = { minified: 350_000, compressed: 110_000 };

function checkSize(t: TestContext, name: string, size: { minified: number; compressed: number }): void {
  t.diagnostic(`${name}: ${size.minified} bytes, ${size.compressed} compressed`);
  assert.ok(size.minified < most.minified, `${size.minified} bytes`);
  assert.ok(size.compressed < most.compressed, `${size.compressed} bytes compressed`);
}

const types: Readonly<Record<string, string>> = { ".html": "text/html", ".js": "text/javascript" };

/** What the page answers, served from that folder under the policy that docs/browser.md names. */
async function answerOf(folder: string, worker: string | undefined): Promise<unknown> {
  const server = createServer(({ url = "/" }, response) => {
    const path = new URL(url, "http://localhost").pathname;
    const file = path === "/weights.safetensors" ? join(root, "weights", "imagenette.safetensors") : join(folder, path);
    const found = path === "/" ? join(folder, "index.html") : file;
    if (!existsSync(found)) response.writeHead(404).end();
    else {
      response
        .writeHead(200, {
          "content-type": types[extname(found)] ?? "application/octet-stream",
          "content-security-policy": "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; img-src data:",
        })
        .end(readFileSync(found));
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  after(() => server.close());
  const { page, faults } = await openPage();
  await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  await page.waitForFunction("globalThis.ask !== undefined");
  // Where policies refuse eval, a function goes in as one.
  const answer = await page.evaluate(
    (address) => (globalThis as unknown as { ask(worker?: string): Promise<number> }).ask(address),
    worker,
  );
  assert.deepEqual(faults, []);
  return answer;
}

test("esbuild: page and worker as two entry points", needs("esbuild"), async (t) => {
  const folder = project();
  const out = join(folder, "out");
  const options = ["--bundle", "--minify", "--splitting", "--format=esm", "--log-level=error", `--outdir=${out}`];
  execFileSync(tool("esbuild"), ["page.js", "worker.js", ...options], { cwd: folder });
  writeFileSync(join(out, "index.html"), files["index.html"]);
  checkSize(t, "esbuild", loaded(out, [join(out, "page.js"), join(out, "worker.js")]));
  assert.equal(await answerOf(out, "/worker.js"), 5);
});

test("Vite: finds the worker by itself", needs("vite"), async (t) => {
  const folder = project();
  writeFileSync(join(folder, "vite.config.js"), 'export default { worker: { format: "es" }, logLevel: "error" };');
  execFileSync(tool("vite"), ["build", "--outDir", "out"], { cwd: folder });
  const assets = join(folder, "out", "assets");
  const named = (start: string) =>
    join(
      assets,
      readdirSync(assets).find((name) => name.startsWith(start) && name.endsWith(".js")) ?? assert.fail(start),
    );
  checkSize(t, "Vite", loaded(assets, [named("index-"), named("worker.web-")]));
  assert.equal(await answerOf(join(folder, "out"), undefined), 5);
});
