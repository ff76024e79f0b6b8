/** All routes of the server: purpose, input and output. */

import type * as z from "../schema.ts";
import { type Fault, faultText } from "./refusal.ts";
import * as schemas from "./schemas.ts";

export interface Route {
  readonly method: "GET" | "POST";
  /** `:name` is a variable part. */
  readonly url: string;
  readonly summary: string;
  /** Parameters; with pictures also accepted in the form or JSON. */
  readonly query?: z.ObjectSchema;
  /** Kind of body; undefined: none. */
  readonly body?: "pictures" | "inference";
  /** Schema of the JSON response, or a text. */
  readonly answer: z.Schema | "text" | "document";
}

const model = "/v2/models/:model";

export const routes = {
  classify: {
    method: "POST",
    url: "/v1/classify",
    summary: "The most probable classes of pictures",
    query: schemas.classifyOptions,
    body: "pictures",
    answer: schemas.classifyAnswer,
  },
  features: {
    method: "POST",
    url: "/v1/features",
    summary: "What the classifier sees of pictures: their embeddings",
    query: schemas.featuresOptions,
    body: "pictures",
    answer: schemas.featuresAnswer,
  },
  explain: {
    method: "POST",
    url: "/v1/explain",
    summary: "Maps of the parts of pictures that support a class",
    query: schemas.explainOptions,
    body: "pictures",
    answer: schemas.explainAnswer,
  },
  models: { method: "GET", url: "/v1/models", summary: "The networks that are served", answer: schemas.modelsAnswer },
  live: { method: "GET", url: "/v2/health/live", summary: "Whether the server runs", answer: schemas.liveAnswer },
  ready: {
    method: "GET",
    url: "/v2/health/ready",
    answer: schemas.readyAnswer,
    summary: "Whether it takes requests: 503 while it stops",
  },
  repository: {
    method: "POST",
    url: "/v2/repository/index",
    answer: schemas.repositoryIndex,
    summary: "The networks that are served, as Triton lists them",
  },
  server: { method: "GET", url: "/v2", summary: "The server's name and extensions", answer: schemas.serverMetadata },
  metadata: { method: "GET", url: model, summary: "A network's inputs and outputs", answer: schemas.modelMetadata },
  config: { method: "GET", url: `${model}/config`, summary: "The same as Triton has it", answer: schemas.modelConfig },
  modelReady: {
    method: "GET",
    url: `${model}/ready`,
    answer: schemas.modelReadyAnswer,
    summary: "Whether a network takes requests",
  },
  infer: {
    method: "POST",
    url: `${model}/infer`,
    body: "inference",
    answer: schemas.inferAnswer,
    summary: "Logits and probabilities of tensors that are prepared already (KServe V2)",
  },
  versionMetadata: {
    method: "GET",
    url: `${model}/versions/:version`,
    answer: schemas.modelMetadata,
    summary: "A network's inputs and outputs, if it is of this version",
  },
  versionReady: {
    method: "GET",
    url: `${model}/versions/:version/ready`,
    answer: schemas.modelReadyAnswer,
    summary: "Whether a network of this version takes requests",
  },
  versionInfer: {
    method: "POST",
    url: `${model}/versions/:version/infer`,
    body: "inference",
    answer: schemas.inferAnswer,
    summary: "As infer, if the network is of this version",
  },
  metrics: { method: "GET", url: "/metrics", summary: "Numbers for Prometheus", answer: "text" },
  openapi: { method: "GET", url: "/openapi.json", summary: "This document", answer: "document" },
} as const satisfies Readonly<Record<string, Route>>;

/** Whether an address belongs to KServe's protocol, which has its own form of errors. */
export const isOfProtocol = (url: string): boolean => /^\/v2(?![^/?])/.test(url);

/** The body of an error response. */
export const faultBody = (url: string, fault: Fault) =>
  isOfProtocol(url) ? { error: faultText(fault), code: fault.code } : { error: fault };

export type RouteName = keyof typeof routes;
