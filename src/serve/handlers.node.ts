/** The handlers of the routes. */

import { kserveHandlers } from "./kserve-handlers.node.ts";
import type { Metrics } from "./metrics.ts";
import { openApiDocument } from "./openapi.ts";
import { pictureHandlers } from "./picture-handlers.node.ts";
import type { RouteName } from "./routes.ts";
import type { Handler, Service } from "./service.node.ts";
import type { Visits } from "./visits.node.ts";

export function createHandlers(
  service: Service,
  metrics: Metrics,
  visits: Visits,
): Readonly<Record<RouteName, Handler>> {
  const { models, settings } = service;
  const document = openApiDocument(settings.version);
  return {
    ...pictureHandlers(service, metrics),
    ...kserveHandlers(service, metrics, visits),
    models: () => ({
      models: models.all.map(({ name, version, network, executor, input, labels }) => {
        return { name, version, network, executor, input, labels };
      }),
    }),
    metrics: (_request, _wish, reply) =>
      reply.type("text/plain; version=0.0.4; charset=utf-8").send(metrics.text(gaugesOf(service, visits))),
    openapi: () => document,
  };
}

/** What the metrics show besides what they count. */
function gaugesOf({ pool: { waiting, inHand }, models }: Service, visits: Visits) {
  const shown = models.all.map(({ name, version, network }) => ({ name, version, network }));
  return { waiting, inHand, requests: visits.size, reloads: models.reloads, models: shown, process: spent() };
}

/** Resources used by the process. */
function spent() {
  const { user, system } = process.cpuUsage();
  const startSeconds = Date.now() / 1000 - process.uptime();
  return { cpuSeconds: (user + system) / 1e6, residentBytes: process.memoryUsage.rss(), startSeconds };
}
