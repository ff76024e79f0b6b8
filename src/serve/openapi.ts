/** The OpenAPI document, made from what checks requests. */

import * as z from "../schema.ts";
import { jsonSchema } from "./json-schema.ts";
import { type Route, routes } from "./routes.ts";
import { faultSchema, inferRequest, pictureList } from "./schemas.ts";

const jsonBody = (schema: z.Schema) => ({ "application/json": { schema: jsonSchema(schema) } });
const bytes = { schema: { type: "string", format: "binary" } };

const errors: Readonly<Record<string, string>> = {
  400: "The request is not as it has to be",
  404: "There is no such address or model",
  413: "Too many bytes, pictures or tensors",
  415: "Pictures are not sent as this type",
  422: "A picture cannot be used",
  503: "Too much waits, the time is over, or the server stops; Retry-After says when to try again",
};

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
    ...{ "image/*": bytes, "application/octet-stream": bytes },
    "multipart/form-data": { schema: { type: "object", properties: form } },
    ...jsonBody(z.extend(route.query ?? z.strictObject({}), { pictures: pictureList })),
  };
}

function parametersOf({ url, query }: Route) {
  const inPath = [...url.matchAll(/:(\w+)/g)].map(([, name]) => ({
    ...{ name, in: "path", required: true, schema: { type: "string" } },
  }));
  const properties =
    query === undefined ? {} : (jsonSchema(query).properties as Record<string, { description?: string }>);
  const inQuery = Object.entries(properties).map(([name, { description, ...schema }]) => ({
    ...{ name, in: "query", required: false, description, schema },
  }));
  return [...inPath, ...inQuery];
}

function answerOf({ answer }: Route) {
  if (answer === "text") return { "text/plain": { schema: { type: "string" } } };
  if (answer === "document") return { "application/json": { schema: { type: "object" } } };
  return jsonBody(answer);
}

export function openApiDocument(version: string): object {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const [name, route] of Object.entries<Route>(routes)) {
    const path = route.url.replace(/:(\w+)/g, "{$1}");
    const refused = route.body === undefined ? [] : Object.entries(errors);
    paths[path] = {
      ...paths[path],
      [route.method.toLowerCase()]: {
        operationId: name,
        summary: route.summary,
        parameters: parametersOf(route),
        ...(route.body !== undefined && { requestBody: { required: true, content: bodyOf(route) } }),
        responses: {
          200: { description: "The answer", content: answerOf(route) },
          ...Object.fromEntries(
            refused.map(([status, description]) => [status, { description, content: jsonBody(faultSchema) }]),
          ),
        },
      },
    };
  }
  return { openapi: "3.1.0", info: { title: "senet serve", version }, paths };
}
