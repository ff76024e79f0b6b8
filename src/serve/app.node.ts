/** The server's routes and responses, without a socket: `listen.node.ts` opens one, tests do not need it. */

import type { Socket } from "node:net";
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { answerHeaders, preflightHeaders } from "./cors.ts";
import { createHandlers, type Service } from "./handlers.node.ts";
import { Metrics } from "./metrics.ts";
import { overloaded, stopping, type Wish } from "./pool.node.ts";
import { type Fault, faultText, internalFault, Refusal, refusalOf, tooLargeBody } from "./refusal.ts";
import { isOfProtocol, type Route, type RouteName, routes } from "./routes.ts";
import { acceptedCodings, type Coding, codingOf, unpacked } from "./unpack.node.ts";

export interface App {
  readonly server: FastifyInstance;
  /** Stops accepting requests, and reports that the server is not ready. */
  stop(): void;
}

/** Facts about a request while it is being handled. */
interface Visit {
  readonly since: number;
  readonly gone: AbortController;
  /** Memory that its body may take. */
  bytes: number;
  /** How its body is compressed. */
  coding?: Coding;
  isAnswered: boolean;
}

export function createApp({ pool, models, settings }: Service): App {
  const metrics = new Metrics();
  const visits = new Map<FastifyRequest, Visit>();
  let held = 0;
  let isStopping = false;

  const server = fastify({
    bodyLimit: settings.bodyBytes,
    requestTimeout: settings.receiving.allMs,
    // By default Node only checks connections every 30 seconds.
    http: {
      headersTimeout: settings.receiving.headersMs,
      connectionsCheckingInterval: settings.receiving.headersMs / 4,
    },
    // Done by `enter` instead, with our own form of errors.
    return503OnClosing: false,
    exposeHeadRoutes: true,
    clientErrorHandler: refuseClient,
    frameworkErrors: (error, request, reply) => void fail(error, request, reply),
    routerOptions: { maxParamLength: 300, ignoreTrailingSlash: true },
  });
  server.removeAllContentTypeParsers();
  server.addContentTypeParser("*", { parseAs: "buffer" }, async (request: FastifyRequest, body: Buffer) => {
    const { coding } = visits.get(request)!;
    return coding === undefined ? body : unpacked(body, coding, settings.bodyBytes);
  });

  server.addHook("onRequest", async (request, reply) => {
    const visit: Visit = { since: performance.now(), gone: new AbortController(), bytes: 0, isAnswered: false };
    visits.set(request, visit);
    reply.raw.once("finish", () => {
      visit.isAnswered = true;
    });
    reply.raw.once("close", () => leave(request, reply, visit));
    const preflight = preflightHeaders(settings.allowedOrigins, request.method, request.headers);
    if (preflight !== undefined) return reply.code(204).headers(preflight).send();
    forPages(request, reply);
    const { allow } = request.routeOptions.config as RouteConfig;
    if (allow !== undefined) {
      reply.header("allow", allow);
      throw otherMethod(request, allow);
    }
    enter(request, visit);
    if (request.headers.expect !== undefined) reply.raw.writeContinue();
    return undefined;
  });
  // By default, Node tells the client to send its body before the headers have been checked.
  server.server.on("checkContinue", (request, response) => server.server.emit("request", request, response));
  server.server.prependListener("request", ({ socket, url }, response) => {
    lastAsked.set(socket, url!);
    response.once("prefinish", () => {
      if (!response.shouldKeepAlive || response.getHeader("connection") === "close") lastAnswered.add(socket);
    });
  });
  server.addHook("onSend", async (_request, reply) => {
    if (isStopping) reply.header("connection", "close");
  });
  server.setErrorHandler(fail);
  server.setNotFoundHandler((request) => {
    throw new Refusal(404, "not_found", "there is nothing at this address", {
      found: `${request.method} ${request.url}`.slice(0, 200),
      hint: "/openapi.json lists all addresses",
    });
  });

  const forPages = (request: FastifyRequest, reply: FastifyReply) =>
    reply.headers(answerHeaders(settings.allowedOrigins, request.headers.origin));

  /** @throws Refusal before the body is read */
  function enter(request: FastifyRequest, visit: Visit): void {
    if ((request.routeOptions.config as RouteConfig).isWork !== true) return;
    const coding = codingOf(request.headers["content-encoding"]);
    if (isStopping) throw stopping();
    if (pool.room === 0) throw overloaded(pool.retryAfter);
    const said = request.headers["content-length"];
    // A body of unknown length may have any.
    const sent = said === undefined ? settings.bodyBytes : Number(said);
    if (sent > settings.bodyBytes) throw tooLargeBody(settings.bodyBytes, said);
    const length = coding === undefined ? sent : sent + settings.bodyBytes;
    if (held + length > settings.allBytes) throw overloaded(pool.retryAfter);
    held += length;
    visit.bytes = length;
    if (coding !== undefined) visit.coding = coding;
  }

  function leave(request: FastifyRequest, reply: FastifyReply, visit: Visit): void {
    held -= visit.bytes;
    visits.delete(request);
    const { isAnswered } = visit;
    if (!isAnswered) visit.gone.abort(new ClientGone());
    const seconds = (performance.now() - visit.since) / 1000;
    const route = request.routeOptions.url ?? "none";
    // nginx's status for a client that has closed the connection.
    const status = isAnswered ? reply.statusCode : 499;
    metrics.requests.add({ route, method: request.method, status });
    metrics.seconds.observe({ route }, seconds);
    settings.log?.(
      `${request.ip} ${request.method} ${request.url.slice(0, 500)} ${status} ${(1000 * seconds).toFixed(1)} ms`,
    );
  }

  function fail(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
    const refusal = refusalOf(error) ?? refusalOfServer(error, settings.bodyBytes);
    if (error instanceof ClientGone) return reply.code(499).send();
    const fault = refusal?.fault ?? internalFault;
    metrics.refused.add({ code: fault.code });
    if (refusal === undefined) settings.say(error instanceof Error ? (error.stack ?? error.message) : `${error}`);
    // Not done elsewhere for an unreadable address.
    forPages(request, reply);
    if (refusal?.retryAfter !== undefined) reply.header("retry-after", `${refusal.retryAfter}`);
    if (refusal?.status === 415) reply.header("accept-encoding", acceptedCodings);
    if (refusal?.status === 413) {
      // The rest of the body is read and discarded, since many clients only look for an answer after it; Fastify would
      // close the connection.
      reply.removeHeader("connection");
      lastAnswered.add(request.raw.socket);
    }
    // A client that was not told to continue may send its body or not, so the start of its next request would be
    // unknown.
    if (request.headers.expect !== undefined) reply.header("connection", "close");
    return reply.code(refusal?.status ?? 500).send(bodyOf(request.url, fault));
  }

  const wishOf = (request: FastifyRequest): Wish => {
    const { since, gone } = visits.get(request)!;
    return { signal: gone.signal, deadline: since + allowedMs(request, settings.timeoutMs) };
  };

  const handlers = createHandlers(
    { pool, models, settings },
    { metrics, isStopping: () => isStopping, open: () => visits.size },
  );
  for (const [name, { method, url, body }] of Object.entries<Route>(routes)) {
    const handler = handlers[name as RouteName];
    const config: RouteConfig = { isWork: body !== undefined };
    server.route({ method, url, config, handler: async (request, reply) => handler(request, wishOf(request), reply) });
    // Adds the address with other methods, to refuse them before the body is read.
    const allow = method === "GET" ? "GET, HEAD" : method;
    const others = methods.filter((other) => !allow.split(", ").includes(other));
    server.route({ method: others, url, config: { allow } satisfies RouteConfig, handler: () => undefined });
  }
  return {
    server,
    stop: () => {
      isStopping = true;
    },
  };
}

const methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

interface RouteConfig {
  /** Whether it needs a network. */
  readonly isWork?: boolean;
  /** Set on routes that only refuse: the allowed methods. */
  readonly allow?: string;
}

const otherMethod = ({ method, url }: FastifyRequest, expected: string): Refusal =>
  new Refusal(405, "method_not_allowed", "this address does not accept this method", {
    expected,
    found: `${method} ${url}`.slice(0, 200),
  });

/** The client has closed the connection; nothing is sent. */
class ClientGone extends Error {}

/** Time limit in milliseconds, from the arrival of the headers. @throws Refusal 400 */
function allowedMs({ headers }: FastifyRequest, most: number): number {
  const said = headers["x-request-timeout"];
  if (said === undefined) return most;
  const seconds = Number(said);
  if (said !== "" && seconds > 0) return Math.min(most, 1000 * seconds);
  const found = `${said}`.slice(0, 40);
  throw new Refusal(400, "bad_request", "X-Request-Timeout is not a time", { expected: "seconds, above 0", found });
}

/** Converts Fastify's own errors. */
function refusalOfServer(error: unknown, bodyBytes: number): Refusal | undefined {
  const { code = "", statusCode = 500, message } = error as Partial<Error & { code: string; statusCode: number }>;
  if (code === "FST_ERR_CTP_BODY_TOO_LARGE") return tooLargeBody(bodyBytes, undefined);
  if (statusCode < 400 || statusCode >= 500) return undefined;
  return new Refusal(statusCode, "bad_request", "the request cannot be read", { found: `${message}`.slice(0, 200) });
}

/** The body of an error response. */
const bodyOf = (url: string, fault: Fault) =>
  isOfProtocol(url) ? { error: faultText(fault), code: fault.code } : { error: fault };

/** Responses to clients whose bytes are not a request, which routes never see. */
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

function refuseClient({ code = "" }: Error & { readonly code?: string }, socket: Socket): void {
  if (lastAnswered.has(socket)) {
    socket.end();
    return;
  }
  if (code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const [status, ...said] = clientErrors[code] ?? ["400 Bad Request", "bad_request", "this is not an HTTP request"];
  const body = JSON.stringify(bodyOf(lastAsked.get(socket) ?? "", { code: said[0], message: said[1] }));
  const headers = `content-type: application/json\r\ncontent-length: ${body.length}\r\nconnection: close`;
  socket.end(`HTTP/1.1 ${status}\r\n${headers}\r\n\r\n${body}`);
}
