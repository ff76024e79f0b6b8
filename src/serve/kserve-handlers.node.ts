/** Handlers of the routes of KServe's protocol and of Triton's extensions (kserve.ts). */

import type { FastifyRequest } from "fastify";
import { configOf, encodeInference, extensions, metadataOf } from "./kserve.ts";
import type { Metrics } from "./metrics.ts";
import type { Models, Served } from "./models.node.ts";
import { Refusal } from "./refusal.ts";
import type { RouteName } from "./routes.ts";
import { bodyOf, type Handler, type Service } from "./service.node.ts";
import type { Visits } from "./visits.node.ts";

export function kserveHandlers(service: Service, metrics: Metrics, visits: Visits) {
  const { pool, models, settings } = service;
  const metadata: Handler = (request) => {
    const model = modelOf(models, request);
    return { name: model.name, versions: [model.version], platform: platformOf(model), ...metadataOf(model) };
  };
  const modelReady: Handler = (request, _wish, reply) => {
    const { name, key } = modelOf(models, request);
    const ready = !visits.isStopping && pool.has(key);
    if (!ready) reply.code(503);
    return { name, ready };
  };
  const infer = inference(service, metrics);
  return {
    live: () => ({ live: true }),
    ready: (_request, _wish, reply) => {
      const ready = !visits.isStopping && pool.isManned;
      if (!ready) reply.code(503);
      return { ready };
    },
    server: () => ({ name: "senet", version: settings.version, extensions }),
    repository: () => models.all.map(({ name, version }) => ({ name, version, state: "READY" })),
    metadata,
    config: (request) => {
      const model = modelOf(models, request);
      return { name: model.name, platform: platformOf(model), ...configOf(model, settings.mostPictures) };
    },
    modelReady,
    infer,
    versionMetadata: metadata,
    versionReady: modelReady,
    versionInfer: infer,
  } satisfies Partial<Readonly<Record<RouteName, Handler>>>;
}

const platformOf = ({ executor }: Served): string => `senet_${executor}`;

/** The network that an address names. @throws Refusal 404 */
function modelOf(models: Models, request: FastifyRequest): Served {
  const { model: name, version } = request.params as { readonly model: string; readonly version?: string };
  const model = models.get(name);
  if (version === undefined || version === model.version) return model;
  const found = version.slice(0, 100);
  throw new Refusal(404, "unknown_version", "the model is of another version", { expected: model.version, found });
}

/** Logits and probabilities of tensors, as JSON or, if the client wants them so, with bytes after it. */
function inference({ pool, models, settings }: Service, metrics: Metrics): Handler {
  return (request, wish, reply) => {
    const { name } = modelOf(models, request);
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
}
