/** What requests and answers hold: checked by these, and told to clients in the OpenAPI document. */

import * as z from "zod";
import { explainMethods } from "../explain/explainer.ts";

/** Query parameters and fields of forms are texts. */
const whole = (least: number, most: number) => z.coerce.number().int().min(least).max(most);

const model = z.string().max(200).optional().describe("which network; default: the first");
const top = whole(1, 100_000).optional().describe("classes to name, most probable first; default 5");

export const classifyOptions = z.strictObject({ model, top });
export const featuresOptions = z.strictObject({ model });
export const explainOptions = z.strictObject({
  model,
  top,
  class: z
    .string()
    .max(1000)
    .optional()
    .describe("the class that is asked about, by label or index; default: the answer"),
  method: z.enum(explainMethods).optional().describe("how the map is made; default: grad-cam"),
  stage: whole(1, 100).optional().describe("of grad-cam: look after this stage; default: the last"),
  overlay: z
    .union([z.boolean(), z.enum(["true", "false"]).transform((text) => text === "true")])
    .optional()
    .describe("answer with a PNG of the picture under its map, too"),
});

const name = z.string().max(1000).optional().describe("what the answer calls it");
export const sentPicture = z.union([
  z.strictObject({ base64: z.string().describe("the file's bytes; a data: address will do"), name }),
  z.strictObject({ url: z.string().max(8000).describe("where it is; only if the server allows it"), name }),
]);

export const pictureList = z.array(sentPicture).min(1);

export const faultSchema = z.object({
  error: z.object({
    code: z.string().describe("for programs"),
    message: z.string(),
    expected: z.string().optional(),
    found: z.string().optional(),
    hint: z.string().optional(),
  }),
});

const prediction = z.object({ label: z.string(), index: z.int(), probability: z.number() });
const pictureName = z.string().describe("as its sender calls it");
const unusable = faultSchema.extend({ name: pictureName });
const answerOf = (result: z.ZodType) =>
  z.object({
    model: z.string(),
    version: z.string().describe("the beginning of its files' SHA-256"),
    results: z
      .array(z.union([result, unusable]))
      .describe("one for each picture, in their order; of several pictures those that cannot be used have an error"),
  });

export const classifyAnswer = answerOf(z.object({ name: pictureName, predictions: z.array(prediction) }));
export const featuresAnswer = answerOf(z.object({ name: pictureName, features: z.array(z.number()) }));
export const explainAnswer = answerOf(
  z.object({
    name: pictureName,
    predictions: z.array(prediction),
    target: prediction,
    heat: z.object({ width: z.int(), height: z.int(), values: z.array(z.number()).describe("row by row") }),
    overlay: z.string().optional().describe("a PNG, in base64"),
  }),
);

export const modelsAnswer = z.object({
  models: z.array(
    z.object({
      name: z.string(),
      version: z.string(),
      network: z.string(),
      executor: z.string(),
      input: z.array(z.int()).describe("[channels, height, width]"),
      labels: z.array(z.string()),
    }),
  ),
});

/** Of KServe's protocol, version 2. */
const parameters = z.record(z.string().max(200), z.union([z.string(), z.number(), z.boolean()]));
const tensorName = z.string().max(200);

export const inferRequest = z.object({
  id: z.string().max(1000).optional(),
  parameters: parameters.optional(),
  inputs: z
    .array(
      z.object({
        name: tensorName,
        shape: z.array(z.int().min(0)).max(8),
        datatype: z.string().max(20),
        parameters: parameters.optional(),
        data: z.array(z.unknown()).optional().describe("numbers, nested or not; absent where they follow in binary"),
      }),
    )
    .min(1),
  outputs: z.array(z.object({ name: tensorName, parameters: parameters.optional() })).optional(),
});
export type InferRequest = z.infer<typeof inferRequest>;

export const inferAnswer = z.object({
  model_name: z.string(),
  model_version: z.string(),
  id: z.string().optional(),
  outputs: z.array(
    z.object({
      name: tensorName,
      shape: z.array(z.int()),
      datatype: z.string(),
      parameters: parameters.optional(),
      data: z.array(z.number()).optional(),
    }),
  ),
});
export type InferAnswer = z.infer<typeof inferAnswer>;

const tensorMetadata = z.object({ name: tensorName, datatype: z.string(), shape: z.array(z.int()) });
export const modelMetadata = z.object({
  name: z.string(),
  versions: z.array(z.string()),
  platform: z.string(),
  inputs: z.array(tensorMetadata),
  outputs: z.array(tensorMetadata),
});
export const serverMetadata = z.object({ name: z.string(), version: z.string(), extensions: z.array(z.string()) });
export const liveAnswer = z.object({ live: z.boolean() });
export const readyAnswer = z.object({ ready: z.boolean() });
export const modelReadyAnswer = z.object({ name: z.string(), ready: z.boolean() });
