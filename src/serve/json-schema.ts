/** Converts the schemas that check requests to JSON Schema (draft 2020-12). */

import type * as z from "../schema.ts";

type Json = Record<string, unknown>;

/** The JSON Schema of the input of a schema, except for texts in addresses and forms. */
export function jsonSchema(schema: z.Schema): Json {
  const checks: Json = Object.assign({}, ...schema.checks.map(({ json }) => json));
  if (schema.kind !== "array") return { ...kindOf(schema), ...checks };
  const { minLength, maxLength, ...others } = checks;
  return {
    ...kindOf(schema),
    ...(minLength !== undefined && { minItems: minLength }),
    ...(maxLength !== undefined && { maxItems: maxLength }),
    ...others,
  };
}

const innerOf = (schema: z.Schema) => jsonSchema((schema as z.Wrapping<unknown, unknown>).inner);

function kindOf(schema: z.Schema): Json {
  switch (schema.kind) {
    case "string":
    case "number":
    case "boolean":
      return { type: schema.kind };
    case "int":
      return { type: "integer" };
    case "enum":
      return { type: "string", enum: (schema as z.Enum<string>).options };
    case "array":
      return { type: "array", items: innerOf(schema) };
    case "record":
      return { type: "object", additionalProperties: innerOf(schema) };
    case "union":
      return { anyOf: (schema as z.Union<unknown, unknown>).options.map(jsonSchema) };
    case "object":
      return objectOf(schema as z.ObjectSchema);
    case "nullable":
      return { anyOf: [innerOf(schema), { type: "null" }] };
    case "optional":
    case "readFrom":
      return innerOf(schema);
    default:
      // Any value.
      return {};
  }
}

function objectOf({ shape, others }: z.ObjectSchema): Json {
  const keys = Object.entries<z.Schema>(shape);
  const required = keys.filter(([, { isOptional }]) => !isOptional).map(([key]) => key);
  return {
    type: "object",
    properties: Object.fromEntries(keys.map(([key, part]) => [key, jsonSchema(part)])),
    ...(required.length > 0 && { required }),
    ...(others === "refused" && { additionalProperties: false }),
  };
}
