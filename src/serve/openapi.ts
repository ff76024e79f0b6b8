/** The OpenAPI document, generated from the schemas that check requests. */

import * as z from "../schema.ts";
import { jsonSchema } from "./json-schema.ts";
import { isOfProtocol, type Route, routes } from "./routes.ts";
import { faultSchema, inferRequest, kserveFaultSchema, pictureList } from "./schemas.ts";

const jsonBody = (schema: z.Schema) => ({ "application/json": { schema: jsonSchema(schema) } });
const bytes = { schema: { type: "string", format: "binary" } };

/** Descriptions of error statuses. */
const errors = {
  400: "The request is not as it has to be",
  404: "There is no such model",
  408: "The request came too slowly",
  413: "Too many bytes, pictures or tensors",
  415: "Pictures are not sent as this type, or the body is compressed in another way than gzip, deflate or br",
  422: "A picture cannot be used",
  503: "Too much waits, the time is over, or the server stops; Retry-After says when to try again",
} as const;

type ErrorStatus = keyof typeof errors;

function errorsOf({ url, body }: Route): readonly ErrorStatus[] {
  if (body === "pictures") return [400, 404, 408, 413, 415, 422, 503];
  if (body === "inference") return [400, 404, 408, 413, 415, 503];
  return url.includes(":model") ? [404] : [];
}

function bodyOf(route: Route) {
  if (route.body === "inference") {
    const header = "a JSON header, whose length Inference-Header-Content-Length says, and the tensors' bytes";
    return {
      ...jsonBody(inferRequest),
      "application/octet-stream": { schema: { ...bytes.schema, description: header } },
    };
  }
  const parameters = route.query === undefined ? {} : (jsonSchema(route.query).properties as object);
  const form = { ...parameters, picture: { type: "array", items: bytes.schema } };
  return {
    "image/*": bytes,
    "application/octet-stream": bytes,
    "multipart/form-data": { schema: { type: "object", properties: form } },
    ...jsonBody(z.extend(route.query ?? z.strictObject({}), { pictures: pictureList })),
  };
}

const headers = {
  timeout: {
    name: "X-Request-Timeout",
    description: "how many seconds the client waits for its answer",
    schema: { type: "number", exclusiveMinimum: 0 },
  },
  inference: {
    name: "Inference-Header-Content-Length",
    description: "bytes of the JSON header; absent: all of the body",
    schema: { type: "integer", minimum: 0 },
  },
};

function parametersOf({ url, query, body }: Route) {
  const inPath = [...url.matchAll(/:(\w+)/g)].map(([, name]) => ({
    name,
    in: "path",
    required: true,
    schema: { type: "string" },
  }));
  const properties =
    query === undefined ? {} : (jsonSchema(query).properties as Record<string, { description?: string }>);
  const inQuery = Object.entries(properties).map(([name, { description, ...schema }]) => ({
    name,
    in: "query",
    required: false,
    description,
    schema,
  }));
  const inHeaders = [
    ...(body === undefined ? [] : [headers.timeout]),
    ...(body === "inference" ? [headers.inference] : []),
  ].map((header) => ({ ...header, in: "header", required: false }));
  return [...inPath, ...inQuery, ...inHeaders];
}

function answerOf({ answer, body }: Route) {
  if (answer === "text") return { "text/plain": { schema: { type: "string" } } };
  if (answer === "document") return { "application/json": { schema: { type: "object" } } };
  // With binary_data: a header in JSON, followed by bytes.
  return { ...jsonBody(answer), ...(body === "inference" && { "application/octet-stream": bytes }) };
}

/** Error responses by status. Readiness responses of networks and server have the same form. */
function refusalsOf(route: Route) {
  const fault = jsonBody(isOfProtocol(route.url) ? kserveFaultSchema : faultSchema);
  const refusals = errorsOf(route).map((status) => [status, { description: errors[status], content: fault }] as const);
  const notReady = { description: "It is not ready", content: answerOf(route) };
  return Object.fromEntries<object>([...refusals, ...(route.url.endsWith("/ready") ? [[503, notReady] as const] : [])]);
}

export function openApiDocument(version: string): object {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const [name, route] of Object.entries<Route>(routes)) {
    const path = route.url.replace(/:(\w+)/g, "{$1}");
    paths[path] = {
      ...paths[path],
      [route.method.toLowerCase()]: {
        operationId: name,
        summary: route.summary,
        parameters: parametersOf(route),
        ...(route.body !== undefined && { requestBody: { required: true, content: bodyOf(route) } }),
        responses: {
          200: { description: "The answer", content: answerOf(route) },
          ...refusalsOf(route),
        },
      },
    };
  }
  return { openapi: "3.1.0", info: { title: "senet serve", version }, paths };
}
