/** The server's routes and responses, without a socket: `listen.node.ts` opens one, tests do not need it. */

import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { answersLast, Connections, refuseClient } from "./connections.node.ts";
import { answerHeaders, preflightHeaders } from "./cors.ts";
import { createHandlers } from "./handlers.node.ts";
import { Metrics } from "./metrics.ts";
import { internalFault, Refusal, refusalOf, tooLargeBody } from "./refusal.ts";
import { faultBody, type Route, type RouteName, routes } from "./routes.ts";
import type { AppSettings, Service } from "./service.node.ts";
import { acceptedCodings, unpacked } from "./unpack.node.ts";
import { ClientGone, Visits } from "./visits.node.ts";

export interface App {
  readonly server: FastifyInstance;
  /** Stops accepting requests, and reports that the server is not ready. */
  stop(): void;
  /** Ends the connections of requests that have not been received completely. */
  refuseUnreceived(): void;
}

/** What each address of the server knows about itself. */
interface RouteConfig {
  /** Whether it needs a network. */
  readonly isWork?: boolean;
  /** Set on routes that only refuse: the allowed methods. */
  readonly allow?: string;
}

export function createApp(service: Service): App {
  const { settings } = service;
  const metrics = new Metrics();
  const visits = new Visits(service, metrics);
  const fail = failing(settings, metrics);
  const server = bareServer(settings, fail);
  const connections = new Connections(server.server);
  server.addContentTypeParser("*", { parseAs: "buffer" }, async (request: FastifyRequest, body: Buffer) => {
    const coding = visits.codingOf(request);
    return coding === undefined ? body : unpacked(body, coding, settings.bodyBytes);
  });
  receive(server, settings, visits);
  addRoutes(server, service, metrics, visits);
  return {
    server,
    stop: () => {
      visits.isStopping = true;
    },
    refuseUnreceived: () => connections.refuseUnreceived(),
  };
}

type Fail = (error: unknown, request: FastifyRequest, reply: FastifyReply) => FastifyReply;

/** A server with our limits and our form of errors, and without routes. */
function bareServer(settings: AppSettings, fail: Fail): FastifyInstance {
  const server = fastify({
    bodyLimit: settings.bodyBytes,
    requestTimeout: settings.receiving.allMs,
    // By default Node only checks connections every 30 seconds.
    http: {
      headersTimeout: settings.receiving.headersMs,
      connectionsCheckingInterval: settings.receiving.headersMs / 4,
    },
    // Done by `Visits.admit` instead, with our own form of errors.
    return503OnClosing: false,
    exposeHeadRoutes: true,
    clientErrorHandler: refuseClient,
    frameworkErrors: (error, request, reply) => void fail(error, request, reply),
    routerOptions: { maxParamLength: 300, ignoreTrailingSlash: true },
  });
  server.removeAllContentTypeParsers();
  server.setErrorHandler(fail);
  server.setNotFoundHandler((request) => {
    throw new Refusal(404, "not_found", "there is nothing at this address", {
      found: `${request.method} ${request.url}`.slice(0, 200),
      hint: "/openapi.json lists all addresses",
    });
  });
  return server;
}

/** What happens to each request before its body is read, and to each response before it is sent. */
function receive(server: FastifyInstance, settings: AppSettings, visits: Visits): void {
  server.addHook("onRequest", async (request, reply) => {
    visits.begin(request, reply);
    const preflight = preflightHeaders(settings.allowedOrigins, request.method, request.headers);
    if (preflight !== undefined) return reply.code(204).headers(preflight).send();
    forPages(settings, request, reply);
    const { allow, isWork } = request.routeOptions.config as RouteConfig;
    if (allow !== undefined) {
      reply.header("allow", allow);
      throw otherMethod(request, allow);
    }
    if (isWork === true) visits.admit(request);
    if (request.headers.expect !== undefined) reply.raw.writeContinue();
    return undefined;
  });
  server.addHook("onSend", async (_request, reply) => {
    if (visits.isStopping) reply.header("connection", "close");
  });
}

/** Lets pages of the allowed origins read the response. */
const forPages = (settings: AppSettings, request: FastifyRequest, reply: FastifyReply): FastifyReply =>
  reply.headers(answerHeaders(settings.allowedOrigins, request.headers.origin));

/** Answers a request that fails. */
function failing(settings: AppSettings, metrics: Metrics): Fail {
  return (error, request, reply) => {
    const refusal = refusalOf(error) ?? refusalOfServer(error, settings.bodyBytes);
    if (error instanceof ClientGone) return reply.code(499).send();
    const fault = refusal?.fault ?? internalFault;
    metrics.refused.add({ code: fault.code });
    if (refusal === undefined) settings.say(error instanceof Error ? (error.stack ?? error.message) : `${error}`);
    // Not done elsewhere for an unreadable address.
    forPages(settings, request, reply);
    if (refusal?.retryAfter !== undefined) reply.header("retry-after", `${refusal.retryAfter}`);
    if (refusal?.status === 415) reply.header("accept-encoding", acceptedCodings);
    if (refusal?.status === 413) {
      // The rest of the body is read and discarded, since many clients only look for an answer after it; Fastify would
      // close the connection.
      reply.removeHeader("connection");
      answersLast(request.raw.socket);
    }
    // A client that was not told to continue may send its body or not, so the start of its next request would be
    // unknown.
    if (request.headers.expect !== undefined) reply.header("connection", "close");
    return reply.code(refusal?.status ?? 500).send(faultBody(request.url, fault));
  };
}

const methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

function addRoutes(server: FastifyInstance, service: Service, metrics: Metrics, visits: Visits): void {
  const handlers = createHandlers(service, metrics, visits);
  for (const [name, { method, url, body }] of Object.entries<Route>(routes)) {
    const handle = handlers[name as RouteName];
    const config: RouteConfig = { isWork: body !== undefined };
    const handler = async (request: FastifyRequest, reply: FastifyReply) =>
      handle(request, visits.wishOf(request), reply);
    server.route({ method, url, config, handler });
    // Adds the address with other methods, to refuse them before the body is read.
    const allow = method === "GET" ? "GET, HEAD" : method;
    const others = methods.filter((other) => !allow.split(", ").includes(other));
    server.route({ method: others, url, config: { allow } satisfies RouteConfig, handler: () => undefined });
  }
}

const otherMethod = ({ method, url }: FastifyRequest, expected: string): Refusal =>
  new Refusal(405, "method_not_allowed", "this address does not accept this method", {
    expected,
    found: `${method} ${url}`.slice(0, 200),
  });

/** Converts Fastify's own errors. */
function refusalOfServer(error: unknown, bodyBytes: number): Refusal | undefined {
  const { code = "", statusCode = 500, message } = error as Partial<Error & { code: string; statusCode: number }>;
  if (code === "FST_ERR_CTP_BODY_TOO_LARGE") return tooLargeBody(bodyBytes, undefined);
  if (statusCode < 400 || statusCode >= 500) return undefined;
  return new Refusal(statusCode, "bad_request", "the request cannot be read", { found: `${message}`.slice(0, 200) });
}
