/** Serves the page over HTTP to this machine's browser. The files do not change while the server runs. */

import { createHash } from "node:crypto";
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { listenAt, type Port } from "../serve/port.node.ts";
import { type Content, type OfferedNetwork, plainBytes } from "./content.node.ts";
import type { PageFile } from "./page.node.ts";

export interface AppServer {
  /** `http://127.0.0.1:8090` */
  readonly origin: string;
  /** Stops at once, closing open connections. */
  stop(): Promise<void>;
}

/** Content security policy: only its own files and scripts, and no other host. Charts set styles of their elements. */
const policy = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "worker-src 'self'",
  "style-src 'self'",
  "style-src-attr 'unsafe-inline'",
  "img-src 'self' blob: data:",
  "media-src 'self' blob:",
  "connect-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const headers: Readonly<Record<string, string>> = {
  "content-security-policy": policy,
  // Isolates the page from other origins, which allows shared memory and so threads.
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(self), microphone=(), geolocation=()",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
};

/** Caching of content that never changes at its address. */
const lasting = "public, max-age=31536000, immutable";

/** Starts the server. @throws SenetError `io` where it cannot listen */
export async function serveApp(content: Content, port: Port): Promise<AppServer> {
  const files = new Map([...content.files].map(([path, file]) => [path, new Answer(file)]));
  const server = createServer((request, response) => {
    answer(request, response, { files, networks: content.networks }).catch(() => response.destroy());
  });
  const listen = async () => {
    server.listen(port.port, port.host);
    await once(server, "listening");
  };
  const origin = await listenAt(port, listen, () => server.address() as AddressInfo);
  return {
    origin,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

interface Answers {
  readonly files: ReadonlyMap<string, Answer>;
  readonly networks: ReadonlyMap<string, OfferedNetwork>;
}

async function answer(request: IncomingMessage, response: ServerResponse, { files, networks }: Answers): Promise<void> {
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  const { method = "GET", url = "/" } = request;
  if (method !== "GET" && method !== "HEAD") {
    response.writeHead(405, { allow: "GET, HEAD" }).end();
    return;
  }
  const path = url.replace(/[?#].*$/s, "").replace(/^\/+/, "");
  const file = files.get(path === "" ? "index.html" : path);
  if (file !== undefined) return file.to(request, response);
  const network = networks.get(path);
  if (network !== undefined) return sendNetwork(network, request, response);
  response.writeHead(404, { "content-type": "text/plain; charset=utf-8" }).end("There is nothing here.\n");
}

async function sendNetwork(network: OfferedNetwork, { method }: IncomingMessage, response: ServerResponse) {
  const { file, path, bytes } = network;
  response.writeHead(200, {
    "content-type": "application/octet-stream",
    "content-length": bytes,
    "cache-control": lasting,
    etag: `"${createHash("sha256").update(path).digest("base64url").slice(0, 22)}"`,
  });
  // Sends as many bytes as announced: of a file that has grown, no more; for a file that was truncated, the response
  // breaks off.
  if (method === "HEAD") response.end();
  else await pipeline(createReadStream(file, { end: Math.max(0, bytes - 1) }), response);
}

type Coding = "br" | "gzip" | "identity";

/** A file of the page in the encodings that browsers request, each computed once. */
class Answer {
  readonly #file: PageFile;
  readonly #tag: string;
  readonly #coded = new Map<Coding, Promise<Uint8Array>>();

  constructor(file: PageFile) {
    this.#file = file;
    this.#tag = createHash("sha256").update(file.bytes).digest("base64url").slice(0, 22);
  }

  async to({ method, headers: asked }: IncomingMessage, response: ServerResponse): Promise<void> {
    const { isCompressed, isLasting, type } = this.#file;
    const coding = isCompressed ? codingFor(asked["accept-encoding"]) : "identity";
    const tag = `"${this.#tag}-${coding}"`;
    response.setHeader("etag", tag);
    response.setHeader("cache-control", isLasting ? lasting : "no-cache");
    if (isCompressed) response.setHeader("vary", "accept-encoding");
    if (asked["if-none-match"] === tag) {
      response.writeHead(304).end();
      return;
    }
    const bytes = await this.#in(coding);
    if (coding !== "identity") response.setHeader("content-encoding", coding);
    response.writeHead(200, { "content-type": type, "content-length": bytes.length });
    response.end(method === "HEAD" ? undefined : bytes);
  }

  #in(coding: Coding): Promise<Uint8Array> {
    const made = this.#coded.get(coding) ?? this.#made(coding);
    this.#coded.set(coding, made);
    return made;
  }

  async #made(coding: Coding): Promise<Uint8Array> {
    if (coding === "br") return this.#file.bytes;
    const bytes = plainBytes(this.#file);
    return coding === "gzip" ? promisify(gzip)(bytes) : bytes;
  }
}

/** Browsers accept brotli from localhost and over HTTPS; over plain HTTP only gzip. */
function codingFor(accepted: string | string[] | undefined): Coding {
  const names = `${accepted ?? ""}`
    .split(",")
    .filter((each) => !/;\s*q=0(\.0*)?\s*$/.test(each))
    .map((each) => each.replace(/;.*$/s, "").trim().toLowerCase());
  return (["br", "gzip"] as const).find((coding) => names.includes(coding)) ?? "identity";
}
