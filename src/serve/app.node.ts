/** The server's answers, address by address. No socket: `listen.node.ts` opens one, tests ask without. */

import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import type { Fetcher } from "../pull/bytes.node.ts";
import { encodeInference, extensions, metadataOf, parseInference } from "./kserve.ts";
import { Metrics } from "./metrics.ts";
import type { Models, Served } from "./models.node.ts";
import { openApiDocument } from "./openapi.ts";
import { parsed } from "./parse.ts";
import { picturesOf } from "./pictures.node.ts";
import { overloaded, type Pool, stopping, type Wish } from "./pool.node.ts";
import { type Fault, internalFault, Refusal, refusalOf, tooLarge } from "./refusal.ts";
import { type Route, type RouteName, routes } from "./routes.ts";
import { classifyOptions, explainOptions, featuresOptions } from "./schemas.ts";
import type { Answers, Outcome, SentPicture, WorkOf } from "./work.node.ts";

export interface AppSettings {
  /** Of the package. */
  readonly version: string;
  /** Bytes of one request's body. */
  readonly bodyBytes: number;
  /** Bytes of all bodies that are here at once. */
  readonly allBytes: number;
  /** Pictures, or tensors, in one request. */
  readonly mostPictures: number;
  /** Milliseconds for an answer, where the client allows no less. */
  readonly timeoutMs: number;
  readonly fetcher: Fetcher | undefined;
  /** Told what went wrong here. */
  readonly say: (line: string) => void;
  /** Told of each request that was answered. */
  readonly log: ((line: string) => void) | undefined;
}

export interface Service {
  readonly pool: Pool;
  readonly models: Models;
  readonly settings: AppSettings;
}

export interface App {
  readonly server: FastifyInstance;
  /** From now on nothing new is taken, and the server says that it is not ready. */
  stop(): void;
}

/** What is known of a request while it is here. */
interface Visit {
  readonly since: number;
  readonly gone: AbortController;
  bytes: number;
  isAnswered: boolean;
}

type Handler = (request: FastifyRequest, wish: Wish, reply: FastifyReply) => Promise<unknown> | unknown;

export function createApp({ pool, models, settings }: Service): App {
  const metrics = new Metrics();
  const visits = new Map<FastifyRequest, Visit>();
  let held = 0;
  let isStopping = false;

  const server = fastify({
    bodyLimit: settings.bodyBytes,
    // In its place stands `enter`, which answers as everything else does.
    return503OnClosing: false,
    exposeHeadRoutes: true,
    frameworkErrors: (error, request, reply) => void fail(error, request, reply),
    routerOptions: { maxParamLength: 300 },
  });
  server.removeAllContentTypeParsers();
  server.addContentTypeParser("*", { parseAs: "buffer" }, (_request, body, done) => done(null, body));

  server.addHook("onRequest", async (request, reply) => {
    const visit: Visit = { since: performance.now(), gone: new AbortController(), bytes: 0, isAnswered: false };
    visits.set(request, visit);
    reply.raw.once("finish", () => {
      visit.isAnswered = true;
    });
    reply.raw.once("close", () => leave(request, reply, visit));
    enter(request, visit);
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

  /** @throws Refusal where it is not worth while to read the body */
  function enter(request: FastifyRequest, visit: Visit): void {
    if (request.method !== "POST" || request.is404) return;
    if (isStopping) throw stopping();
    if (pool.room === 0) throw overloaded(pool.retryAfter);
    const said = request.headers["content-length"];
    // One that does not say its length may have any.
    const length = said === undefined ? settings.bodyBytes : Number(said);
    if (length > settings.bodyBytes) throw tooLargeBody(settings.bodyBytes, said);
    if (held + length > settings.allBytes) throw overloaded(pool.retryAfter);
    held += length;
    visit.bytes = length;
  }

  function leave(request: FastifyRequest, reply: FastifyReply, visit: Visit): void {
    held -= visit.bytes;
    visits.delete(request);
    const { isAnswered } = visit;
    if (!isAnswered) visit.gone.abort(new ClientGone());
    const seconds = (performance.now() - visit.since) / 1000;
    const route = request.routeOptions.url ?? "none";
    // What nginx calls a client that has closed the connection.
    const status = isAnswered ? reply.statusCode : 499;
    metrics.requests.add({ route, method: request.method, status });
    metrics.seconds.observe({ route }, seconds);
    settings.log?.(
      `${request.ip} ${request.method} ${request.url.slice(0, 500)} ${status} ${(1000 * seconds).toFixed(1)} ms`,
    );
  }

  function fail(error: unknown, _request: FastifyRequest, reply: FastifyReply): FastifyReply {
    const refusal = refusalOf(error) ?? refusalOfServer(error, settings.bodyBytes);
    if (error instanceof ClientGone) return reply.code(499).send();
    const fault = refusal?.fault ?? internalFault;
    metrics.refused.add({ code: fault.code });
    if (refusal === undefined) settings.say(error instanceof Error ? (error.stack ?? error.message) : `${error}`);
    if (refusal?.retryAfter !== undefined) reply.header("retry-after", `${refusal.retryAfter}`);
    // The rest of a body that nobody reads must not be taken for another request.
    if (refusal?.status === 413) reply.header("connection", "close");
    return reply.code(refusal?.status ?? 500).send({ error: fault });
  }

  const wishOf = (request: FastifyRequest): Wish => {
    const { since, gone } = visits.get(request)!;
    return { signal: gone.signal, deadline: since + allowedMs(request, settings.timeoutMs) };
  };

  /** Each picture's answer; where the only one cannot be used, the whole request is refused. */
  async function each<K extends keyof Answers, R extends object>(
    model: Served,
    pictures: readonly SentPicture[],
    wish: Wish,
    work: (picture: SentPicture) => WorkOf<K>,
    shown: (answer: Answers[K]) => R,
  ) {
    const outcomes = await pool.submit<K>(model.key, pictures.map(work), wish);
    metrics.pictures.add({ model: model.name }, outcomes.length);
    const [first] = outcomes;
    if (outcomes.length === 1 && "refusal" in first!) throw first.refusal;
    const results = outcomes.map((outcome, i) => ({ name: pictures[i]!.name, ...resultOf(outcome, shown) }));
    return { model: model.name, version: model.version, results };
  }

  function resultOf<A, R extends object>(outcome: Outcome<A>, shown: (answer: A) => R): R | { readonly error: Fault } {
    if ("answer" in outcome) return shown(outcome.answer);
    metrics.refused.add({ code: outcome.refusal.fault.code });
    return { error: outcome.refusal.fault };
  }

  const sentBy = (request: FastifyRequest) =>
    picturesOf(
      {
        contentType: request.headers["content-type"],
        body: (request.body as Uint8Array | undefined) ?? new Uint8Array(),
        query: request.query as Record<string, unknown>,
      },
      settings,
    );

  const modelOf = (request: FastifyRequest): Served => {
    const { model: name, version } = request.params as { readonly model: string; readonly version?: string };
    const model = models.get(name);
    if (version === undefined || version === model.version) return model;
    throw new Refusal(404, "unknown_version", "the model is of another version", {
      ...{ expected: model.version, found: version.slice(0, 100) },
    });
  };

  const metadata: Handler = (request) => {
    const model = modelOf(request);
    const platform = `senet_${model.executor}`;
    return { name: model.name, versions: [model.version], platform, ...metadataOf(model) };
  };
  const modelReady: Handler = (request, _wish, reply) => {
    const { name } = modelOf(request);
    if (isStopping) reply.code(503);
    return { name, ready: !isStopping };
  };
  const infer: Handler = (request, wish, reply) => {
    const { name } = modelOf(request);
    return models.use(name, async (model) => {
      const body = (request.body as Uint8Array | undefined) ?? new Uint8Array();
      const header = request.headers["inference-header-content-length"];
      const wanted = parseInference(body, header === undefined ? undefined : `${header}`, model, settings.mostPictures);
      const works = wanted.images.map((image) => ({ kind: "infer" as const, image }));
      const outcomes = await pool.submit<"infer">(model.key, works, wish);
      metrics.pictures.add({ model: model.name }, outcomes.length);
      const logits = outcomes.map((outcome) => {
        if ("refusal" in outcome) throw outcome.refusal;
        return outcome.answer;
      });
      const { header: text, binary } = encodeInference(wanted, logits, model);
      if (binary.length === 0) return reply.type("application/json").send(text);
      const start = Buffer.from(text);
      reply.header("inference-header-content-length", `${start.length}`);
      return reply.type("application/octet-stream").send(Buffer.concat([start, ...binary]));
    });
  };

  const handlers: Readonly<Record<RouteName, Handler>> = {
    classify: async (request, wish) => {
      const { pictures, options } = await sentBy(request);
      const { model: name, top = 5 } = parsed(classifyOptions, options, "the request");
      return models.use(name, (model) =>
        each<"classify", object>(
          ...([model, pictures, wish] as const),
          (picture) => ({ kind: "classify", picture, top }),
          (predictions) => ({ predictions }),
        ),
      );
    },
    features: async (request, wish) => {
      const { pictures, options } = await sentBy(request);
      const { model: name } = parsed(featuresOptions, options, "the request");
      return models.use(name, (model) =>
        each<"features", object>(
          ...([model, pictures, wish] as const),
          (picture) => ({ kind: "features", picture }),
          (features) => ({ features: Array.from(features) }),
        ),
      );
    },
    explain: async (request, wish) => {
      const { pictures, options } = await sentBy(request);
      const wanted = parsed(explainOptions, options, "the request");
      const { model: name, top = 5, class: target, method, stage, overlay = false } = wanted;
      return models.use(name, (model) =>
        each<"explain", object>(
          ...([model, pictures, wish] as const),
          (picture) => ({ kind: "explain", picture, top, target, method, stage, overlay }),
          ({ heat, overlay, ...rest }) => ({
            ...rest,
            heat: { ...heat, values: Array.from(heat.values) },
            ...(overlay !== undefined && { overlay: Buffer.from(overlay).toString("base64") }),
          }),
        ),
      );
    },
    models: () => ({
      models: models.all.map(({ name, version, network, executor, input, labels }) => ({
        ...{ name, version, network, executor, input, labels },
      })),
    }),
    live: () => ({ live: true }),
    ready: (_request, _wish, reply) => {
      if (isStopping) reply.code(503);
      return { ready: !isStopping };
    },
    server: () => ({ name: "senet", version: settings.version, extensions }),
    metadata,
    modelReady,
    infer,
    versionMetadata: metadata,
    versionReady: modelReady,
    versionInfer: infer,
    metrics: (_request, _wish, reply) => {
      const { waiting, inHand } = pool;
      const shown = models.all.map(({ name, version, network }) => ({ name, version, network }));
      const gauges = { waiting, inHand, requests: visits.size, reloads: models.reloads, models: shown };
      return reply.type("text/plain; version=0.0.4; charset=utf-8").send(metrics.text(gauges));
    },
    openapi: () => document,
  };
  const document = openApiDocument(settings.version);

  for (const [name, { method, url }] of Object.entries<Route>(routes)) {
    const handler = handlers[name as RouteName];
    server.route({ method, url, handler: async (request, reply) => handler(request, wishOf(request), reply) });
  }
  return {
    server,
    stop: () => {
      isStopping = true;
    },
  };
}

/** The client has closed the connection: nobody is told anything. */
class ClientGone extends Error {}

const tooLargeBody = (most: number, found: string | undefined): Refusal =>
  tooLarge("the body is too large", {
    expected: `at most ${most} bytes`,
    ...(found !== undefined && { found: `${found.slice(0, 40)} bytes` }),
    hint: "send smaller pictures, or fewer at once",
  });

/** Milliseconds from the request's headers on. @throws Refusal 400 */
function allowedMs({ headers }: FastifyRequest, most: number): number {
  const said = headers["x-request-timeout"];
  if (said === undefined) return most;
  const seconds = Number(said);
  if (said !== "" && seconds > 0) return Math.min(most, 1000 * seconds);
  const found = `${said}`.slice(0, 40);
  throw new Refusal(400, "bad_request", "X-Request-Timeout is no time", { expected: "seconds, above 0", found });
}

/** What Fastify refuses by itself. */
function refusalOfServer(error: unknown, bodyBytes: number): Refusal | undefined {
  const { code = "", statusCode = 500, message } = error as Partial<Error & { code: string; statusCode: number }>;
  if (code === "FST_ERR_CTP_BODY_TOO_LARGE") return tooLargeBody(bodyBytes, undefined);
  if (statusCode < 400 || statusCode >= 500) return undefined;
  return new Refusal(statusCode, "bad_request", "the request cannot be read", { found: `${message}`.slice(0, 200) });
}
