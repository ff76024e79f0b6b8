/** What the tests of `senet pull` share: a small weight file, servers that have it, and a cache of its own for each test. */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { join } from "node:path";
import { SenetError } from "../src/errors.ts";
import { encodeSafetensors } from "../src/formats/safetensors-write.ts";
import type { KnownFile } from "../src/pull/addresses.ts";
import { type PullOptions, pull } from "../src/pull/pull.node.ts";
import { tensor } from "../src/tensor.ts";
import { temporaryFolder } from "./command.ts";
import { fileHandler, type Handler, rangeStart, serve } from "./server.ts";

// What the machine has set would be obeyed here, too.
for (const name of ["SENET_MIRROR", "SENET_CACHE"]) delete process.env[name];
for (const name of ["http_proxy", "https_proxy", "no_proxy"]) {
  delete process.env[name];
  delete process.env[name.toUpperCase()];
}

/** Larger than what a connection holds at once, so that a break-off is one. */
const values = Float32Array.from({ length: 200_000 }, (_, i) => Math.sin(i));
export const content = Buffer.concat(encodeSafetensors(new Map([["w", tensor([200_000], values)]]), new Map()));
/** Of the same size, and not the same. */
export const other = Buffer.from(content);
other[other.length - 1]! ^= 1;
export const hash = { algorithm: "sha256", hex: createHash("sha256").update(content).digest("hex") } as const;
export const half = content.length >> 1;
export const good = fileHandler(content, '"1"');

/** Told how much has arrived, by every pull of the tests. */
let arrivals: ((received: number) => void)[] = [];

/**
 * Says that all `bytes` come, sends those before `to`, and cuts the connection when they have arrived: a cut throws away
 * what is still under way.
 */
export function breakOff(response: ServerResponse, bytes: Uint8Array, to: number, headers = {}): void {
  response.writeHead(200, { "content-length": bytes.length, ...headers });
  sendUntil(response, bytes, 0, to);
}

export function sendUntil(response: ServerResponse, bytes: Uint8Array, from: number, to: number): void {
  const cut = (received: number) => {
    if (received < to) return;
    arrivals = arrivals.filter((told) => told !== cut);
    response.destroy();
  };
  arrivals.push(cut);
  response.write(bytes.subarray(from, to));
}

/** Quick to try again; not so quick to call a server silent, since it has to share the machine. */
export const fast = { attempts: 3, pauseMs: 1, longestPauseMs: 1500, stallMs: 10_000, windowMs: 60_000, leastBytes: 1 };
export const base: KnownFile = {
  file: "w.safetensors",
  addresses: [],
  format: "safetensors",
  source: "this test",
  licence: "none",
};

interface Case {
  /** One address for each; the file is at `/w`. */
  readonly handlers: readonly Handler[];
  readonly known?: Partial<KnownFile>;
  /** Whether the file's hash is known; default: yes. */
  readonly isHashed?: boolean;
  readonly cache?: string;
  readonly options?: PullOptions;
}

export async function start({ handlers, known = {}, isHashed = true, cache = temporaryFolder(), options = {} }: Case) {
  const servers = await Promise.all(handlers.map(serve));
  const addresses = servers.map(({ origin }) => `${origin}/w`);
  const file: KnownFile = { ...base, addresses, ...(isHashed && { hash }), ...known };
  const said: string[] = [];
  const run = (more: PullOptions = {}) =>
    pull("w", {
      known: new Map([["w", file]]),
      cache,
      timing: fast,
      say: (line) => said.push(line),
      ...options,
      ...more,
      onProgress: (progress) => {
        for (const told of arrivals) told(progress.received);
        more.onProgress?.(progress);
      },
    });
  return { run, cache, said, servers, asked: servers.map(({ requests }) => requests) };
}

/** Asserts that the cache holds the file, with the note that it was checked, and nothing else. */
export function assertWhole(cache: string, expected: Uint8Array = content): void {
  assert.deepEqual(readdirSync(cache).sort(), ["w.safetensors", "w.safetensors.checked"]);
  assert.ok(readFileSync(join(cache, "w.safetensors")).equals(expected));
}

/** From which byte each request wants the file, if not from the first. */
export const ranges = (requests: readonly IncomingMessage[]) =>
  requests.map(({ headers }) => rangeStart(headers.range));

/** The message of the SenetError of this code that `run` must end in. */
export async function failure(run: () => Promise<unknown>, code = "io"): Promise<string> {
  const error: unknown = await run().then(
    () => assert.fail("it should have failed"),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof SenetError, `${error}`);
  assert.equal(error.code, code);
  return error.message;
}
