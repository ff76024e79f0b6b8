/** The handlers of the routes. */

import type { FastifyReply, FastifyRequest } from "fastify";
import type { Fetcher } from "../pull/bytes.node.ts";
import type * as z from "../schema.ts";
import { configOf, encodeInference, extensions, metadataOf } from "./kserve.ts";
import type { Metrics } from "./metrics.ts";
import type { Models, Served } from "./models.node.ts";
import { openApiDocument } from "./openapi.ts";
import { parsed } from "./parse.ts";
import { picturesOf } from "./pictures.node.ts";
import type { Pool, Wish } from "./pool.node.ts";
import type { BodyReader } from "./reader.node.ts";
import { Refusal } from "./refusal.ts";
import type { RouteName } from "./routes.ts";
import { classifyOptions, explainOptions, featuresOptions } from "./schemas.ts";
import type { Answers, Outcome, SentPicture, WorkOf } from "./work.node.ts";

/** Time limits in milliseconds for receiving a request. */
export interface Receiving {
  readonly headersMs: number;
  readonly allMs: number;
}

export interface AppSettings {
  /** Version of the package. */
  readonly version: string;
  /** Most bytes of one request's body. */
  readonly bodyBytes: number;
  /** Most bytes of all bodies in memory. */
  readonly allBytes: number;
  /** Most pictures or tensors in one request. */
  readonly mostPictures: number;
  /** Time limit for an answer in milliseconds; a client may set a shorter one. */
  readonly timeoutMs: number;
  readonly receiving: Receiving;
  /** Origins of pages that may read responses; `*`: all. */
  readonly allowedOrigins: readonly string[];
  readonly fetcher: Fetcher | undefined;
  readonly reader: BodyReader;
  /** Is told of the server's own faults. */
  readonly say: (line: string) => void;
  /** Is told of each answered request. */
  readonly log: ((line: string) => void) | undefined;
}

export interface Service {
  readonly pool: Pool;
  readonly models: Models;
  readonly settings: AppSettings;
}

export type Handler = (request: FastifyRequest, wish: Wish, reply: FastifyReply) => Promise<unknown> | unknown;

/** State of the server. */
export interface State {
  readonly metrics: Metrics;
  readonly isStopping: () => boolean;
  /** Number of unanswered requests. */
  readonly open: () => number;
}

/** Default number of classes to return. */
const usualTop = 5;

const bodyOf = ({ body }: FastifyRequest): Uint8Array => (body as Uint8Array | undefined) ?? new Uint8Array();

/** Resources used by the process. */
function spent() {
  const { user, system } = process.cpuUsage();
  const startSeconds = Date.now() / 1000 - process.uptime();
  return { cpuSeconds: (user + system) / 1e6, residentBytes: process.memoryUsage.rss(), startSeconds };
}

const platformOf = ({ executor }: Served): string => `senet_${executor}`;

export function createHandlers(
  { pool, models, settings }: Service,
  { metrics, isStopping, open }: State,
): Readonly<Record<RouteName, Handler>> {
  const document = openApiDocument(settings.version);

  /**
   * Each picture of a request gets its own answer or error; if the only one cannot be used, the request is refused.
   * @param options the request's parameters
   */
  const onPictures =
    <K extends "classify" | "features" | "explain", O extends { readonly model?: string | undefined }>(
      options: z.Schema<O>,
      work: (picture: SentPicture, options: O) => WorkOf<K>,
      shown: (answer: Answers[K]) => object,
    ): Handler =>
    async (request, wish) => {
      const { headers, query } = request;
      const pictures = { contentType: headers["content-type"], body: bodyOf(request), query };
      const sent = await picturesOf(pictures, settings, wish);
      const wanted = parsed(options, sent.options, "the request");
      return models.use(wanted.model, async ({ key, name, version }) => {
        const works = sent.pictures.map((picture) => work(picture, wanted));
        const outcomes = await pool.submit<K>(key, works, wish);
        metrics.pictures.add({ model: name }, outcomes.length);
        const [first] = outcomes;
        if (outcomes.length === 1 && "refusal" in first!) throw first.refusal;
        const results = outcomes.map((outcome, i) => ({ name: sent.pictures[i]!.name, ...resultOf(outcome, shown) }));
        return { model: name, version, results };
      });
    };

  function resultOf<A>(outcome: Outcome<A>, shown: (answer: A) => object): object {
    if ("answer" in outcome) return shown(outcome.answer);
    metrics.refused.add({ code: outcome.refusal.fault.code });
    return { error: outcome.refusal.fault };
  }

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
    return { name: model.name, versions: [model.version], platform: platformOf(model), ...metadataOf(model) };
  };
  const modelReady: Handler = (request, _wish, reply) => {
    const { name, key } = modelOf(request);
    const ready = !isStopping() && pool.has(key);
    if (!ready) reply.code(503);
    return { name, ready };
  };
  const infer: Handler = (request, wish, reply) => {
    const { name } = modelOf(request);
    return models.use(name, async (model) => {
      const header = request.headers["inference-header-content-length"];
      const { input } = model;
      const sent = { body: bodyOf(request), headerLength: header === undefined ? undefined : `${header}` };
      const wanted = await settings.reader.inference({ ...sent, model: { input }, most: settings.mostPictures }, wish);
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

  return {
    classify: onPictures<"classify", z.output<typeof classifyOptions>>(
      classifyOptions,
      (picture, { top = usualTop }) => ({ kind: "classify", picture, top }),
      (predictions) => ({ predictions }),
    ),
    features: onPictures<"features", z.output<typeof featuresOptions>>(
      featuresOptions,
      (picture) => ({ kind: "features", picture }),
      (features) => ({ features: Array.from(features) }),
    ),
    explain: onPictures<"explain", z.output<typeof explainOptions>>(
      explainOptions,
      (picture, { top = usualTop, class: target, method, stage, overlay = false }) => ({
        ...{ kind: "explain", picture, top, target, method, stage, overlay },
      }),
      ({ heat, overlay, ...rest }) => ({
        ...rest,
        heat: { ...heat, values: Array.from(heat.values) },
        ...(overlay !== undefined && { overlay: Buffer.from(overlay).toString("base64") }),
      }),
    ),
    models: () => ({
      models: models.all.map(({ name, version, network, executor, input, labels }) => ({
        ...{ name, version, network, executor, input, labels },
      })),
    }),
    live: () => ({ live: true }),
    ready: (_request, _wish, reply) => {
      const ready = !isStopping() && pool.isManned;
      if (!ready) reply.code(503);
      return { ready };
    },
    server: () => ({ name: "senet", version: settings.version, extensions }),
    repository: () => models.all.map(({ name, version }) => ({ name, version, state: "READY" })),
    metadata,
    config: (request) => {
      const model = modelOf(request);
      return { name: model.name, platform: platformOf(model), ...configOf(model, settings.mostPictures) };
    },
    modelReady,
    infer,
    versionMetadata: metadata,
    versionReady: modelReady,
    versionInfer: infer,
    metrics: (_request, _wish, reply) => {
      const { waiting, inHand } = pool;
      const shown = models.all.map(({ name, version, network }) => ({ name, version, network }));
      const gauges = { waiting, inHand, requests: open(), reloads: models.reloads, models: shown, process: spent() };
      return reply.type("text/plain; version=0.0.4; charset=utf-8").send(metrics.text(gauges));
    },
    openapi: () => document,
  };
}
