import assert from "node:assert/strict";
import { test } from "node:test";
import { GraphBuilder } from "../ir/builder.ts";
import { conv2d } from "../nn/layers.ts";
import { Scope } from "../nn/scope.ts";
import * as z from "../schema.ts";
import { families, familyOf, type ModelConfig } from "./families.ts";
import type { Family } from "./family.ts";
import { configSchema, model, parametersOf, zoo } from "./index.ts";
import { head } from "./parts.ts";

test("a row stands under the name that its configurations bear, and there is a row for each of them", () => {
  const named: { readonly [F in ModelConfig["family"]]: { readonly schema: z.Schema<{ readonly family: F }> } } =
    families;
  for (const [name, { schema }] of Object.entries(named)) {
    const { family } = (schema as unknown as z.ObjectSchema<{ readonly family: z.Literal<string> }>).shape;
    assert.equal(family.value, name);
  }
});

test("every network of the zoo is what its family's schema lets through, and nothing is added to it", () => {
  for (const [name, { config }] of zoo) {
    assert.deepEqual(configSchema.parse(JSON.parse(JSON.stringify(config))), config, name);
    assert.throws(() => configSchema.parse({ ...config, more: 1 }), name);
  }
});

test("no network has fewer tensors than its family says", () => {
  const seen = new Set<string>();
  for (const [name, { config, port }] of zoo) {
    // One of each port, and family: the others are more of the same.
    const kind = port === undefined ? name : `${port.source}, ${config.family}`;
    if (seen.has(kind)) continue;
    seen.add(kind);
    const fewest = familyOf(config).fewestTensors(config);
    assert.ok(fewest > 0 && parametersOf(model(name)).length >= fewest, name);
  }
});

// All that a new family has to say: this object is its file, but for the picture of its layers.
const schema = z.strictObject({ family: z.literal("strips"), width: z.int().check(z.gte(1), z.lte(64)) });
const strips: Family<typeof schema> = {
  schema,
  networks: { "strips-8": { config: { family: "strips", width: 8 }, imageSize: 16, classes: 4 } },
  build: (scope, image, { width }, classes) =>
    head(scope, conv2d(scope.at("conv"), image, { out: width, kernel: 3 }), 0, classes),
  imageSize: () => 16,
  fewestTensors: () => 3,
  hasOurNames: true,
  isIn: (_, has) => has("conv"),
  withStructure: (config) => config,
  changes: () => [],
};

test("a family is a row, from its schema to its graph", () => {
  const { config, imageSize, classes } = strips.networks["strips-8"]!;
  assert.deepEqual(strips.schema.parse(config), config);
  const builder = new GraphBuilder("strips-8");
  const image = builder.input("image", [2, 3, imageSize, imageSize]);
  const logits = strips.build(new Scope(builder, { training: false, dtype: "float32" }), image, config, classes);
  assert.deepEqual(logits.type.shape, [2, classes]);
});
