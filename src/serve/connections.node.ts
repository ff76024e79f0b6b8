/** Connections of the server: what arrives on them that no route sees. */

import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { stopping } from "./pool.node.ts";
import { faultBody } from "./routes.ts";

/** Responses to clients whose bytes are not a request. */
const clientErrors: Readonly<Record<string, readonly [status: string, code: string, message: string]>> = {
  HPE_HEADER_OVERFLOW: ["431 Request Header Fields Too Large", "too_large", "the headers are too large"],
  ERR_HTTP_REQUEST_TIMEOUT: ["408 Request Timeout", "too_slow", "the request came too slowly"],
};

/**
 * Connections that have got their last response: anything else on them, such as the rest of a body that is too long,
 * gets none.
 */
const lastAnswered = new WeakSet<Socket>();
/** The address of a connection's last request. */
const lastAsked = new WeakMap<Socket, string>();

/** How long a client may read its refusal: what it still sends would otherwise reset the connection. */
const lingerMilliseconds = 500;

/** Keeps track of what was asked and answered on each connection. */
export class Connections {
  /** The unanswered request of each, if it has one. */
  readonly #open = new Map<Socket, IncomingMessage | undefined>();

  constructor(server: Server) {
    server.on("connection", (socket) => {
      this.#open.set(socket, undefined);
      socket.once("close", () => this.#open.delete(socket));
    });
    // By default, Node tells the client to send its body before the headers have been checked.
    server.on("checkContinue", (request, response) => server.emit("request", request, response));
    server.prependListener("request", (request: IncomingMessage, response: ServerResponse) => {
      const { socket } = request;
      lastAsked.set(socket, request.url!);
      this.#open.set(socket, request);
      response.once("prefinish", () => {
        if (!response.shouldKeepAlive || response.getHeader("connection") === "close") lastAnswered.add(socket);
      });
      response.once("close", () => {
        if (this.#open.get(socket) === request) this.#open.set(socket, undefined);
      });
    });
  }

  /** For a server that stops: ends all connections but those whose request has been received completely. */
  refuseUnreceived(): void {
    for (const [socket, request] of this.#open) {
      if (request?.complete === true) continue;
      const { status, fault } = stopping();
      if (!lastAnswered.has(socket)) refuse(socket, `${status} Service Unavailable`, fault.code, fault.message);
      lastAnswered.add(socket);
      setTimeout(() => socket.destroy(), lingerMilliseconds).unref();
    }
  }
}

/** Says that the connection's next response is its last. */
export const answersLast = (socket: Socket): void => void lastAnswered.add(socket);

/** Answers bytes that are not a request (Node's `clientError`), and closes the connection. */
export function refuseClient({ code = "" }: Error & { readonly code?: string }, socket: Socket): void {
  if (lastAnswered.has(socket)) {
    socket.end();
    return;
  }
  if (code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  refuse(socket, ...(clientErrors[code] ?? ["400 Bad Request", "bad_request", "this is not an HTTP request"]));
}

/** Answers without a route, and closes the connection. */
function refuse(socket: Socket, status: string, code: string, message: string): void {
  const body = JSON.stringify(faultBody(lastAsked.get(socket) ?? "", { code, message }));
  const headers = `content-type: application/json\r\ncontent-length: ${body.length}\r\nconnection: close`;
  socket.end(`HTTP/1.1 ${status}\r\n${headers}\r\n\r\n${body}`);
}
