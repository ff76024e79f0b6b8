/** An HTTP server of this machine that serves well or badly, as a test wants it. */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { after } from "node:test";

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

export interface TestServer {
  /** `http://127.0.0.1:PORT` */
  readonly origin: string;
  /** What it was asked, in order. */
  readonly requests: IncomingMessage[];
  readonly server: Server;
}

/** Ends with the test that asked for it, or with the file's tests. */
export async function serve(handler: Handler): Promise<TestServer> {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    handler(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests, server };
}

/** As a good server does: the whole file, or the range that is asked for, if `If-Range` still fits. */
export function fileHandler(bytes: Uint8Array, etag?: string): Handler {
  return ({ headers }, response) => {
    if (etag !== undefined) response.setHeader("etag", etag);
    const start = rangeStart(headers.range);
    const fits = headers["if-range"] === undefined || headers["if-range"] === etag;
    if (start === undefined || !fits) {
      response.writeHead(200, { "content-length": bytes.length }).end(bytes);
    } else if (start >= bytes.length) {
      response.writeHead(416, { "content-range": `bytes */${bytes.length}` }).end();
    } else {
      const range = `bytes ${start}-${bytes.length - 1}/${bytes.length}`;
      response
        .writeHead(206, { "content-range": range, "content-length": bytes.length - start })
        .end(bytes.subarray(start));
    }
  };
}

export function rangeStart(range: string | undefined): number | undefined {
  const start = /^bytes=(\d+)-$/.exec(range ?? "")?.[1];
  return start === undefined ? undefined : Number(start);
}

/** Each request to the next handler; all further ones to the last. */
export function inTurn(...handlers: readonly Handler[]): Handler {
  let turn = 0;
  return (request, response) => handlers[Math.min(turn++, handlers.length - 1)]!(request, response);
}

export const status =
  (code: number, headers = {}): Handler =>
  (_, response) => {
    response.writeHead(code, headers).end();
  };

export const text =
  (body: string, type = "text/plain"): Handler =>
  (_, response) => {
    response.writeHead(200, { "content-type": type, "content-length": Buffer.byteLength(body) }).end(body);
  };
