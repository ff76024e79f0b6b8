/** Schemas of requests and responses, also used for the OpenAPI document. */

import { explainMethods } from "../explain/explainer.ts";
import * as z from "../schema.ts";

/** A whole number given as text, as in query parameters and form fields. */
const whole = (least: number, most: number) =>
  z.readFrom((value) => (isNumeral(value) ? Number(value) : value), z.int().check(z.gte(least), z.lte(most)));
const isNumeral = (value: unknown): value is string =>
  typeof value === "string" && value.trim() !== "" && Number.isFinite(Number(value));
const flag = z.readFrom((value) => (value === "true" || value === "false" ? value === "true" : value), z.boolean());

const model = z.optional(z.string().check(z.maxLength(200))).check(z.describe("which network; default: the first"));
const top = z.optional(whole(1, 100_000)).check(z.describe("classes to name, most probable first; default 5"));

export const classifyOptions = z.strictObject({ model, top });
export const featuresOptions = z.strictObject({ model });
export const explainOptions = z.strictObject({
  model,
  top,
  class: z
    .optional(z.string().check(z.maxLength(1000)))
    .check(z.describe("the class that is asked about, by label or index; default: the answer")),
  method: z.optional(z.enum(explainMethods)).check(z.describe("how the map is made; default: grad-cam")),
  stage: z.optional(whole(1, 100)).check(z.describe("grad-cam: after which stage; default: the last")),
  overlay: z.optional(flag).check(z.describe("answer with a PNG of the picture under its map, too")),
});

const name = z.nullish(z.string().check(z.maxLength(1000))).check(z.describe("what the answer calls it"));
export const sentPicture = z.union([
  z.strictObject({ base64: z.string().check(z.describe("the file's bytes; a data: address will do")), name }),
  z.strictObject({
    url: z.string().check(z.maxLength(8000), z.describe("where it is; only if the server allows it")),
    name,
  }),
]);

export const pictureList = z.array(sentPicture).check(z.minLength(1));

export const faultSchema = z.object({
  error: z.object({
    code: z.string().check(z.describe("for programs")),
    message: z.string(),
    expected: z.optional(z.string()),
    found: z.optional(z.string()),
    hint: z.optional(z.string()),
  }),
});

/** KServe's protocol, whose clients expect a text. */
export const kserveFaultSchema = z.object({
  error: z.string(),
  code: z.string().check(z.describe("for programs")),
});

const prediction = z.object({ label: z.string(), index: z.int(), probability: z.number() });
const pictureName = z.string().check(z.describe("as its sender calls it"));
const unusable = z.extend(faultSchema, { name: pictureName });
const answerOf = (result: z.Schema) =>
  z.object({
    model: z.string(),
    version: z.string().check(z.describe("the beginning of its files' SHA-256")),
    results: z
      .array(z.union([result, unusable]))
      .check(
        z.describe("one for each picture, in their order; of several pictures those that cannot be used have an error"),
      ),
  });

export const classifyAnswer = answerOf(z.object({ name: pictureName, predictions: z.array(prediction) }));
export const featuresAnswer = answerOf(z.object({ name: pictureName, features: z.array(z.number()) }));
export const explainAnswer = answerOf(
  z.object({
    name: pictureName,
    predictions: z.array(prediction),
    target: prediction,
    heat: z.object({ width: z.int(), height: z.int(), values: z.array(z.number()).check(z.describe("row by row")) }),
    region: z
      .object({ left: z.number(), top: z.number(), width: z.number(), height: z.number() })
      .check(z.describe("the region of the picture that the map covers, in its pixels")),
    overlay: z.optional(z.string()).check(z.describe("a PNG, in base64")),
  }),
);

export const modelsAnswer = z.object({
  models: z.array(
    z.object({
      name: z.string(),
      version: z.string(),
      network: z.string(),
      executor: z.string(),
      input: z.array(z.int()).check(z.describe("[channels, height, width]")),
      labels: z.array(z.string()),
    }),
  ),
});

/** KServe's protocol, version 2. Some of its clients send null for omitted values. */
const parameters = z.record(z.string().check(z.maxLength(200)), z.union([z.string(), z.number(), z.boolean()]));
const tensorName = z.string().check(z.maxLength(200));

export const inferRequest = z.object({
  id: z.nullish(z.string().check(z.maxLength(1000))),
  parameters: z.nullish(parameters),
  inputs: z
    .array(
      z.object({
        name: tensorName,
        shape: z.array(z.int().check(z.gte(0))).check(z.maxLength(8)),
        datatype: z.string().check(z.maxLength(20)),
        parameters: z.nullish(parameters),
        data: z
          .nullish(z.array(z.unknown()))
          .check(z.describe("numbers, nested or not; absent where they follow in binary")),
      }),
    )
    .check(z.minLength(1)),
  outputs: z.nullish(z.array(z.object({ name: tensorName, parameters: z.nullish(parameters) }))),
});
export type InferRequest = z.output<typeof inferRequest>;

export const inferAnswer = z.object({
  model_name: z.string(),
  model_version: z.string(),
  id: z.optional(z.string()),
  outputs: z.array(
    z.object({
      name: tensorName,
      shape: z.array(z.int()),
      datatype: z.string(),
      parameters: z.optional(parameters),
      data: z
        .optional(z.array(z.union([z.number(), z.string()])))
        .check(z.describe("row by row; texts where classes are asked for")),
    }),
  ),
});
export type InferAnswer = z.output<typeof inferAnswer>;

const tensorMetadata = z.object({ name: tensorName, datatype: z.string(), shape: z.array(z.int()) });
export const modelMetadata = z.object({
  name: z.string(),
  versions: z.array(z.string()),
  platform: z.string(),
  inputs: z.array(tensorMetadata),
  outputs: z.array(tensorMetadata),
});
const tensorConfig = z.object({ name: tensorName, data_type: z.string(), dims: z.array(z.int()) });
/** Of Triton. */
export const modelConfig = z.object({
  name: z.string(),
  platform: z.string(),
  backend: z.string(),
  max_batch_size: z.int(),
  input: z.array(tensorConfig),
  output: z.array(tensorConfig),
});
/** Of Triton. */
export const repositoryIndex = z.array(z.object({ name: z.string(), version: z.string(), state: z.string() }));
export const serverMetadata = z.object({ name: z.string(), version: z.string(), extensions: z.array(z.string()) });
export const liveAnswer = z.object({ live: z.boolean() });
export const readyAnswer = z.object({ ready: z.boolean() });
export const modelReadyAnswer = z.object({ name: z.string(), ready: z.boolean() });
