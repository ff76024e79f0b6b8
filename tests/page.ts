/** A page in a real browser that has the library: served as it lies in `dist`, with an import map for its packages. */

import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { extname, join, normalize } from "node:path";
import { after } from "node:test";
import { type BrowserContext, chromium, type Page } from "playwright-core";
import { serve } from "./server.ts";
import { root } from "./support.ts";

/** A page, as far as most tests want one: what an expression in it comes to, awaited, of any browser. */
export interface Evaluating {
  evaluate(expression: string): Promise<unknown>;
}

export const program = "/usr/bin/chromium";

/** `{ skip: reason }` where there is no browser; spread it into a test's options. */
export const needsBrowser: { skip: string | false } = { skip: existsSync(program) ? false : `${program} is absent` };

const types: Readonly<Record<string, string>> = {
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".wasm": "application/wasm",
  ".safetensors": "application/octet-stream",
};

/** What the library imports by name, as files below the root. */
const packages = {
  senet: "/dist/src/index.js",
  "senet/web": "/dist/src/index.web.js",
  "@bufbuild/protobuf/wire": "/node_modules/@bufbuild/protobuf/dist/esm/wire/index.js",
  h5wasm: "/node_modules/h5wasm/dist/esm/hdf5_hl.js",
};

export const emptyPage = `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">
<script type="importmap">${JSON.stringify({ imports: packages })}</script>`;

/** Workers have no import map: their modules are told in the file where a package is. */
const located = (code: string): string =>
  code.replace(/(\bfrom\s*|\bimport\s*\(\s*)"([@\w][^"]*)"/g, (whole, before: string, name: string) =>
    name in packages ? `${before}"${packages[name as keyof typeof packages]}"` : whole,
  );

/** Makes a page cross-origin isolated, which shared memory, and so threads of WebAssembly, want. */
const isolation = { "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp" };

/** Serves the repository: the empty page at `/`. */
export function answer({ url = "/" }: IncomingMessage, response: ServerResponse, isIsolated: boolean): void {
  for (const [name, value] of isIsolated ? Object.entries(isolation) : []) response.setHeader(name, value);
  const path = normalize(decodeURIComponent(new URL(url, "http://localhost").pathname));
  if (path === "/") {
    response.writeHead(200, { "content-type": "text/html" }).end(emptyPage);
    return;
  }
  const type = types[extname(path)];
  const file = join(root, path);
  if (type === undefined || !existsSync(file)) response.writeHead(404).end();
  else {
    const bytes = readFileSync(file);
    const body = path.startsWith("/dist/") && type === types[".js"] ? Buffer.from(located(bytes.toString())) : bytes;
    const etag = `"${statSync(file).mtimeMs}-${body.length}"`;
    response.writeHead(200, { "content-type": type, "content-length": body.length, etag }).end(body);
  }
}

export interface BrowserOptions {
  /** With WebGPU, computed by SwiftShader where there is no device. */
  readonly hasWebGpu?: boolean;
  /** A webcam that shows something green, which pages may use without asking. */
  readonly hasWebcam?: boolean;
}

export interface PageOptions extends BrowserOptions {
  /** Cross-origin isolated, with threads of WebAssembly. */
  readonly isIsolated?: boolean;
}

/** As far as Debian's Chromium has WebGPU without a device (SwiftShader is in the same package). */
export const webGpu = [
  ...["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--use-angle=swiftshader"],
  ...["--enable-features=Vulkan", "--ignore-gpu-blocklist", "--enable-unsafe-swiftshader"],
];
export const swiftShader = "/usr/lib/chromium/vk_swiftshader_icd.json";

export interface OpenPage {
  readonly page: Page;
  /** What was thrown or logged as an error in it. */
  readonly faults: readonly string[];
  /** Another one like it in the same browser, for when this one crashed. */
  again(): Promise<OpenPage>;
}

/** A browser of its own, which ends with the test that asked for it, or with the file's tests. */
export async function openBrowser({
  hasWebGpu = false,
  hasWebcam = false,
}: BrowserOptions = {}): Promise<BrowserContext> {
  const profile = mkdtempSync(join(tmpdir(), "senet-test-browser-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: program,
    headless: true,
    timeout: 120_000,
    args: [
      ...["--no-sandbox", "--disable-quic", "--no-first-run"],
      ...["--disable-background-networking", "--disable-component-update", "--disable-sync"],
      ...(hasWebGpu ? webGpu : ["--disable-gpu"]),
      ...(hasWebcam ? ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"] : []),
    ],
    ...(hasWebGpu && { env: { ...process.env, VK_DRIVER_FILES: swiftShader } as Record<string, string> }),
  });
  // A busy machine takes its time for a page.
  context.setDefaultTimeout(120_000);
  after(async () => {
    await context.close();
    // Its processes may write yet.
    rmSync(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  });
  return context;
}

/** An empty page with the import map. */
export async function openPage({ isIsolated = false, ...options }: PageOptions = {}): Promise<OpenPage> {
  const { origin } = await serve((request, response) => answer(request, response, isIsolated));
  const context = await openBrowser(options);
  const open = async (): Promise<OpenPage> => {
    const page = await context.newPage();
    const faults: string[] = [];
    page.on("pageerror", (error) => faults.push(String(error)));
    page.on("console", (message) => message.type() === "error" && faults.push(message.text()));
    await page.goto(origin);
    return { page, faults, again: open };
  };
  return open();
}
