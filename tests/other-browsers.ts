/**
 * Firefox and WebKit, as Debian has them, driven by what they speak themselves: Firefox WebDriver BiDi over a WebSocket,
 * WebKit's driver W3C WebDriver over HTTP. (Playwright wants builds of its own of both.)
 */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { after } from "node:test";
import { WebSocket } from "undici";
import type { Evaluating } from "./page.ts";

/** A browser with one page, which ends with the tests of its file. */
export interface OtherBrowser extends Evaluating {
  /** As it says itself: `firefox 153.8.0`. */
  readonly title: string;
  goto(address: string): Promise<void>;
  close(): Promise<void>;
}

/**
 * A script for the beginning of a page, which then has `faults`: what was thrown in it, logged as an error, refused by its
 * policy, or did not load. WebKit's driver tells nothing of its console.
 */
export const recorder = `globalThis.faults ??= (() => {
  const faults = [];
  addEventListener("error", ({ message, target }) => faults.push(message ?? "does not load: " + (target.src ?? target.href)), true);
  addEventListener("unhandledrejection", ({ reason }) => faults.push("rejected: " + reason));
  addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) => faults.push(violatedDirective + ": " + blockedURI));
  const { error } = console;
  console.error = (...all) => { faults.push(all.join(" ")); error.apply(console, all); };
  return faults;
})()`;

/** How long a browser may take to answer, in milliseconds. One that stands still says nothing at all, and is ended. */
const patience = 240_000;

interface Kind {
  /** Absent, the tests are skipped. */
  readonly programs: readonly string[];
  open(profile: string): Promise<Opened>;
}

type Opened = Omit<OtherBrowser, "close"> & { end(): Promise<unknown> };

const miniBrowser = "/usr/lib/x86_64-linux-gnu/webkit2gtk-4.1/MiniBrowser";

const kinds = {
  Firefox: { programs: ["/usr/bin/firefox-esr"], open: openFirefox },
  WebKit: { programs: ["/usr/bin/WebKitWebDriver", miniBrowser, "/usr/bin/Xvfb"], open: openWebKit },
} as const satisfies Readonly<Record<string, Kind>>;

export type BrowserName = keyof typeof kinds;

export const browserNames = Object.keys(kinds) as BrowserName[];

/** `{ skip: reason }` where it is not installed; spread it into a test's options. */
export function needs(name: BrowserName): { skip: string | false } {
  const absent = kinds[name].programs.find((program) => !existsSync(program));
  return { skip: absent === undefined ? false : `${absent} is absent` };
}

/** With a profile of its own. */
export async function openOther(name: BrowserName): Promise<OtherBrowser> {
  const profile = mkdtempSync(join(tmpdir(), `senet-test-${name}-`));
  const { end, ...browser } = await kinds[name].open(profile);
  let closing: Promise<void> | undefined;
  const close = () => {
    closing ??= end().then(() => {
      // Its processes may write yet.
      rmSync(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
    });
    return closing;
  };
  after(close);
  return { ...browser, close };
}

/** No word to anybody else, and no window that asks. */
const preferences = {
  ...{ "app.update.disabledForTesting": true, "browser.shell.checkDefaultBrowser": false },
  ...{
    "datareporting.policy.dataSubmissionEnabled": false,
    "toolkit.telemetry.server": "",
    "extensions.update.enabled": false,
  },
  ...{ "network.captive-portal-service.enabled": false, "network.connectivity-service.enabled": false },
  ...{
    "browser.safebrowsing.update.enabled": false,
    "services.settings.server": "data:,",
    "media.gmp-manager.updateEnabled": false,
  },
  ...{ "browser.startup.page": 0, "browser.newtabpage.enabled": false, "signon.rememberSignons": false },
  // A camera that shows something, which pages may use without asking.
  ...{ "media.navigator.streams.fake": true, "media.navigator.permission.disabled": true },
};

async function openFirefox(profile: string): Promise<Opened> {
  const lines = Object.entries(preferences).map(
    (entry) => `user_pref(${entry.map((part) => JSON.stringify(part)).join(", ")});`,
  );
  writeFileSync(join(profile, "user.js"), lines.join("\n"));
  const [program] = kinds.Firefox.programs;
  const args = ["--headless", "--no-remote", "--profile", profile, "--remote-debugging-port", "0", "about:blank"];
  const child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"], env: homeIn(profile) });
  endWithUs(child);
  const [, address] = await said(child, child.stderr, /listening on (ws:\S+)/);
  const connection = await BidiConnection.open(`${address}/session`, () => child.kill("SIGKILL"));
  const { capabilities } = await connection.ask("session.new", { capabilities: {} });
  const { browserName, browserVersion } = capabilities as Readonly<Record<string, string>>;
  const { contexts } = await connection.ask("browsingContext.getTree", {});
  const [{ context }] = contexts as [{ readonly context: string }];
  return {
    title: `${browserName} ${browserVersion}`,
    goto: async (url: string) => {
      await connection.ask("browsingContext.navigate", { context, url, wait: "complete" });
    },
    evaluate: async (expression: string) => {
      const asked = { expression: asJson(expression), awaitPromise: true, target: { context } };
      const { result, exceptionDetails } = await connection.ask("script.evaluate", asked);
      if (exceptionDetails !== undefined) throw new Error((exceptionDetails as { readonly text: string }).text);
      return fromJson((result as { readonly value?: string }).value);
    },
    end: () => ended(child, () => connection.ask("browser.close", {})),
  };
}

type Fields = Readonly<Record<string, unknown>>;

const gone = { error: "closed", message: "the browser has gone" };

/** Commands with numbers, and their answers. */
class BidiConnection {
  readonly #socket: WebSocket;
  readonly #onSilence: () => void;
  readonly #waiting = new Map<number, (answer: Fields) => void>();
  #commands = 0;

  private constructor(socket: WebSocket, onSilence: () => void) {
    this.#socket = socket;
    this.#onSilence = onSilence;
    socket.addEventListener("message", ({ data }) => {
      const message = JSON.parse(String(data)) as Fields;
      this.#settle(message.id as number, message);
    });
    socket.addEventListener("close", () => {
      for (const id of this.#waiting.keys()) this.#settle(id, gone);
    });
  }

  static async open(address: string, onSilence: () => void): Promise<BidiConnection> {
    const socket = new WebSocket(address);
    await new Promise<void>((resolve, reject) => {
      socket.addEventListener("open", () => resolve());
      socket.addEventListener("error", ({ message }) => reject(new Error(`${address}: ${message}`)));
    });
    return new BidiConnection(socket, onSilence);
  }

  async ask(method: string, params: Fields): Promise<Fields> {
    const id = this.#commands++;
    const answered = new Promise<Fields>((resolve) => this.#waiting.set(id, resolve));
    this.#socket.send(JSON.stringify({ id, method, params }));
    if (this.#socket.readyState !== WebSocket.OPEN) this.#settle(id, gone);
    const limit = setTimeout(() => {
      this.#settle(id, { error: "timeout", message: `no answer to ${JSON.stringify(params).slice(0, 500)}` });
      this.#onSilence();
    }, patience);
    const { error, message, result } = await answered;
    clearTimeout(limit);
    if (error !== undefined) throw new Error(`${method}: ${error}: ${message}`);
    return result as Fields;
  }

  #settle(id: number, answer: Fields): void {
    this.#waiting.get(id)?.(answer);
    this.#waiting.delete(id);
  }
}

async function openWebKit(profile: string): Promise<Opened> {
  const [program] = kinds.WebKit.programs;
  const display = await openDisplay(profile);
  const port = await freePort();
  const child = spawn(program, [`--port=${port}`], {
    stdio: "ignore",
    env: display.env,
  });
  endWithUs(child);
  const ask = async (method: string, path: string, body?: Fields): Promise<unknown> => {
    const response = await fetch(`http://127.0.0.1:${port}/session${path}`, {
      method,
      body: body === undefined ? null : JSON.stringify(body),
    });
    const { value } = (await response.json()) as { readonly value: unknown };
    if (response.ok) return value;
    const { error, message } = value as Fields;
    throw new Error(`${path}: ${error}: ${message}`);
  };
  await listening(port, child);
  const options = { binary: miniBrowser, args: ["--automation"] };
  const session = (await ask("POST", "", {
    capabilities: { alwaysMatch: { "webkitgtk:browserOptions": options } },
  })) as { readonly sessionId: string; readonly capabilities: Readonly<Record<string, string>> };
  const { browserName, browserVersion } = session.capabilities;
  const at = `/${session.sessionId}`;
  await ask("POST", `${at}/timeouts`, { script: patience, pageLoad: patience });
  return {
    title: `${browserName} ${browserVersion}`,
    goto: async (url: string) => {
      await ask("POST", `${at}/url`, { url });
      // Its first page may be taken for the one that was asked for.
      const script = "return document.readyState === 'complete' && location.href";
      const { href } = new URL(url);
      while ((await ask("POST", `${at}/execute/sync`, { script, args: [] })) !== href) {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
    evaluate: async (expression: string) => {
      const script = `const done = arguments[0]; ${asJson(expression)}.then((value) => done({ value }), (fault) => done({ fault: String(fault) }))`;
      const { value, fault } = (await ask("POST", `${at}/execute/async`, { script, args: [] })) as {
        readonly value?: string;
        readonly fault?: string;
      };
      if (fault !== undefined) throw new Error(fault);
      return fromJson(value);
    },
    end: async () => {
      await ended(child, async () => {
        await ask("DELETE", at);
        child.kill();
      });
      await display.end();
    },
  };
}

/** Which Safari has, and the GTK port leaves off: files of a page's own, and WebGL in workers. */
const ofSafari = ["StorageAPI", "FileSystem", "FileSystemWritableStream", "AccessHandle", "AllowWebGLInWorkers"];

/**
 * WebKit with more of what Safari has. Nobody drives it, since its driver opens pages without: the page at the address tells
 * itself what it finds.
 */
export async function openAsSafari(address: string): Promise<void> {
  const profile = mkdtempSync(join(tmpdir(), "senet-test-safari-"));
  const display = await openDisplay(profile);
  const child = spawn(miniBrowser, [`--features=${ofSafari}`, address], { stdio: "ignore", env: display.env });
  endWithUs(child);
  after(async () => {
    await ended(child, async () => child.kill());
    await display.end();
    rmSync(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  });
}

/** A screen that nobody sees, and the environment of a program on it. */
async function openDisplay(profile: string) {
  const display = spawn("/usr/bin/Xvfb", ["-displayfd", "3", "-screen", "0", "1280x1000x24", "-nolisten", "tcp"], {
    stdio: ["ignore", "ignore", "ignore", "pipe"],
  });
  endWithUs(display);
  const [number] = await said(display, display.stdio[3] as Readable, /\d+(?=\n)/);
  return {
    // Of a system without a language, as containers are: pages are told "C", which JavaScript does not know.
    env: { ...homeIn(profile), DISPLAY: `:${number}`, GDK_BACKEND: "x11", NO_AT_BRIDGE: "1", LANG: "C" },
    end: () => ended(display, async () => display.kill()),
  };
}

/** Only texts come across as they are. */
const asJson = (expression: string): string => `(async () => JSON.stringify(await (${expression})))()`;
const fromJson = (text: string | undefined): unknown => (text === undefined ? undefined : JSON.parse(text));

/** Nothing of this user's: settings, caches, and no way to other programs of the desktop. */
function homeIn(profile: string): NodeJS.ProcessEnv {
  const folders = Object.fromEntries(
    ["HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"].map((name) => [
      name,
      join(profile, name),
    ]),
  );
  for (const folder of Object.values(folders)) mkdirSync(folder, { mode: 0o700 });
  return { ...process.env, ...folders, DBUS_SESSION_BUS_ADDRESS: "disabled:" };
}

/** Also where this process ends before its tests do. */
function endWithUs(child: ChildProcess): void {
  process.once("exit", () => child.kill("SIGKILL"));
}

/** The part of what it says that is waited for. */
async function said(child: ChildProcess, stream: Readable, what: RegExp): Promise<RegExpExecArray> {
  let text = "";
  stream.setEncoding("utf8");
  return new Promise((resolve, reject) => {
    stream.on("data", (more: string) => {
      text += more;
      const found = what.exec(text);
      if (found !== null) resolve(found);
    });
    child.on("error", reject);
    child.on("exit", (code) => reject(new Error(`${child.spawnfile} ends with ${code}: ${text}`)));
  });
}

/** As it asks; and by force where it does not end. */
async function ended(child: ChildProcess, ask: () => Promise<unknown>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, "exit");
  const limit = setTimeout(() => child.kill("SIGKILL"), 20_000);
  await ask().catch(() => child.kill("SIGKILL"));
  await exit;
  clearTimeout(limit);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { readonly port: number };
  server.close();
  await once(server, "close");
  return port;
}

async function listening(port: number, child: ChildProcess): Promise<void> {
  while (child.exitCode === null) {
    try {
      await fetch(`http://127.0.0.1:${port}/status`);
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  throw new Error(`${child.spawnfile} ends with ${child.exitCode}`);
}
