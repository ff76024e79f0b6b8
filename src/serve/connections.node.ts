/** Connections of the server: what arrives on them that no route sees. */

import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
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

/** Keeps track of what was asked and answered on each connection, for `refuseClient`. */
export function watchConnections(server: Server): void {
  // By default, Node tells the client to send its body before the headers have been checked.
  server.on("checkContinue", (request, response) => server.emit("request", request, response));
  server.prependListener("request", ({ socket, url }: IncomingMessage, response: ServerResponse) => {
    lastAsked.set(socket, url!);
    response.once("prefinish", () => {
      if (!response.shouldKeepAlive || response.getHeader("connection") === "close") lastAnswered.add(socket);
    });
  });
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
  const [status, ...said] = clientErrors[code] ?? ["400 Bad Request", "bad_request", "this is not an HTTP request"];
  const body = JSON.stringify(faultBody(lastAsked.get(socket) ?? "", { code: said[0], message: said[1] }));
  const headers = `content-type: application/json\r\ncontent-length: ${body.length}\r\nconnection: close`;
  socket.end(`HTTP/1.1 ${status}\r\n${headers}\r\n\r\n${body}`);
}
