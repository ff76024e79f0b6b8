/** BN-Inception with squeeze and excitation: the smallest of the released networks (docs/networks.md, 1.4). */

import type { Value } from "../ir/graph.ts";
import type { Scope } from "../nn/scope.ts";
import { scaleChannels } from "../nn/se.ts";
import * as z from "../schema.ts";
import type { ConfigOf, Family } from "./family.ts";
import { head, normedAct, seOfBlock, seSchema } from "./parts.ts";
import { bothWays } from "./released.ts";

const schema = z.strictObject({ family: z.literal("inception"), se: z.optional(seSchema) });
type InceptionConfig = ConfigOf<typeof schema>;

/** One module: four parallel branches, concatenated along the channels. Every convolution has batch norm and ReLU. */
interface Module {
  readonly name: string;
  readonly stage: number;
  /** 1×1; absent if the module halves the size. */
  readonly single?: number;
  /** 1×1, then 3×3. */
  readonly triple: readonly [number, number];
  /** 1×1, then two 3×3. */
  readonly double: readonly [number, number, number];
  /**
   * Pooling, then 1×1 to `projection` channels; without it, as where the module halves the size, the pooled input
   * itself.
   */
  readonly pool: { readonly kind: "average" | "max"; readonly projection?: number };
}

const modules: readonly Module[] = [
  {
    name: "3a",
    stage: 1,
    single: 64,
    triple: [64, 64],
    double: [64, 96, 96],
    pool: { kind: "average", projection: 32 },
  },
  {
    name: "3b",
    stage: 1,
    single: 64,
    triple: [64, 96],
    double: [64, 96, 96],
    pool: { kind: "average", projection: 64 },
  },
  { name: "3c", stage: 1, triple: [128, 160], double: [64, 96, 96], pool: { kind: "max" } },
  {
    name: "4a",
    stage: 2,
    single: 224,
    triple: [64, 96],
    double: [96, 128, 128],
    pool: { kind: "average", projection: 128 },
  },
  {
    name: "4b",
    stage: 2,
    single: 192,
    triple: [96, 128],
    double: [96, 128, 128],
    pool: { kind: "average", projection: 128 },
  },
  {
    name: "4c",
    stage: 2,
    single: 160,
    triple: [128, 160],
    double: [128, 160, 160],
    pool: { kind: "average", projection: 128 },
  },
  {
    name: "4d",
    stage: 2,
    single: 96,
    triple: [128, 192],
    double: [160, 192, 192],
    pool: { kind: "average", projection: 128 },
  },
  { name: "4e", stage: 2, triple: [128, 192], double: [192, 256, 256], pool: { kind: "max" } },
  {
    name: "5a",
    stage: 3,
    single: 352,
    triple: [192, 320],
    double: [160, 224, 224],
    pool: { kind: "average", projection: 128 },
  },
  // The only max pooling with stride 1 (docs/networks.md, trap 12).
  {
    name: "5b",
    stage: 3,
    single: 352,
    triple: [192, 320],
    double: [192, 224, 224],
    pool: { kind: "max", projection: 128 },
  },
];

function build(scope: Scope, image: Value, { se }: InceptionConfig, classes: number): Value {
  const halve = { kernel: 3, stride: 2, pad: 0, ceil: true };
  let x = normedAct(scope, "1", image, { out: 64, kernel: 7, stride: 2 });
  x = scope.at("pool1").apply("maxPool", [x], halve);
  x = normedAct(scope, "2", x, { out: 64, kernel: 1 });
  x = normedAct(scope, "3", x, { out: 192, kernel: 3 });
  x = scope.at("pool2").apply("maxPool", [x], halve);
  for (const [i, module] of modules.entries()) {
    const at = scope.at(`inception_${module.name}`).asBlock(module.stage);
    x = scaleChannels(at, branches(at, x, module), seOfBlock(se, i));
  }
  return head(scope, x, 0, classes);
}

function branches(scope: Scope, x: Value, { single, triple, double, pool }: Module): Value {
  const stride = single === undefined ? 2 : 1;
  const join: Value[] = [];
  if (single !== undefined) join.push(normedAct(scope.at("single"), "1", x, { out: single, kernel: 1 }));

  const reduced = normedAct(scope.at("triple"), "1", x, { out: triple[0], kernel: 1 });
  join.push(normedAct(scope.at("triple"), "2", reduced, { out: triple[1], kernel: 3, stride }));

  const first = normedAct(scope.at("double"), "1", x, { out: double[0], kernel: 1 });
  const second = normedAct(scope.at("double"), "2", first, { out: double[1], kernel: 3 });
  join.push(normedAct(scope.at("double"), "3", second, { out: double[2], kernel: 3, stride }));

  // Caffe's pooling halves an even side as convolutions do. For an odd side, which the original never has, it would
  // round up.
  const isEven = x.type.shape[2]! % 2 === 0;
  const pad = stride === 2 && isEven ? 0 : 1;
  const window = { kernel: 3, stride, pad, ceil: stride === 1 || isEven };
  const pooled = scope.at("pool").apply(pool.kind === "max" ? "maxPool" : "avgPool", [x], window);
  const { projection } = pool;
  join.push(
    projection === undefined ? pooled : normedAct(scope.at("projection"), "1", pooled, { out: projection, kernel: 1 }),
  );
  return scope.at("concat").apply("concat", join, {});
}

const networks = bothWays<InceptionConfig>({
  "bn-inception": { config: { family: "inception" }, imageSize: 224, classes: 1000 },
});

export const inception: Family<typeof schema> = {
  schema,
  networks: {
    ...networks,
    "se-bn-inception": { ...networks["se-bn-inception"]!, published: { top1Error: 23.62, top5Error: 7.04 } },
  },
  build,
  imageSize: () => 64,
  fewestTensors: () => modules.length,
  hasOurNames: true,
  isIn: (_, has) => !has("layer1.0.conv1"),
  withStructure: (config) => config,
  changes: () => [],
};
