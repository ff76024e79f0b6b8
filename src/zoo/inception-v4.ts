/**
 * SE-Inception-v4 and SE-Inception-ResNet-v2 (Szegedy et al., arXiv 1602.07261), as implemented by two ports, and
 * Inception-v3 of a third (inception-v4-forms.ts).
 */

import type { Value } from "../ir/graph.ts";
import type { Extent } from "../ir/window.ts";
import { batchNorm, conv2d, relu } from "../nn/layers.ts";
import type { Scope } from "../nn/scope.ts";
import { scaleChannels } from "../nn/se.ts";
import * as z from "../schema.ts";
import { positive } from "./bounds.ts";
import type { ConfigOf, Family, ZooEntry } from "./family.ts";
import { type Branch, type InceptionForm, inceptionForms, type Layer } from "./inception-v4-forms.ts";
import { head, seOfBlock, seSchema, styleSchema } from "./parts.ts";
import { releasedSe } from "./released.ts";

const schema = z.strictObject({
  family: z.literal("inception-v4"),
  /** Which modules, of which port. */
  form: z.enum(Object.keys(inceptionForms) as [keyof typeof inceptionForms, ...(keyof typeof inceptionForms)[]]),
  /** Share of the features dropped before the classifier in training. */
  dropout: z.number().check(z.gte(0), z.lt(1)),
  se: z.optional(seSchema),
  /** Channels of the pictures; default: 3. */
  channels: z.exactOptional(positive.check(z.lte(1024))),
  ...styleSchema,
});

type InceptionV4Config = ConfigOf<typeof schema>;

function build(start: Scope, image: Value, config: InceptionV4Config, classes: number): Value {
  const scope = start.styled(config);
  const form: InceptionForm = inceptionForms[config.form];
  const stem = scope.at("stem");
  let x = image;
  for (const [i, branches] of form.stem.entries()) {
    // Within the stem all convolutions end in a ReLU; before its last batch norm only if the form says so.
    const endsInRelu = form.endsInRelu || i < form.stem.length - 1;
    x = joined(stem.at(i), x, branches, { ...form, endsInRelu, pad: i === 0 ? form.pad : 0 });
  }
  if (!form.normed) x = relu(stem.at("relu"), batchNorm(stem.at("norm"), x));
  let gates = 0;
  let stage = 1;
  for (const { name, times, branches, residual, se } of form.modules) {
    // A reduction starts a new stage.
    if (name.startsWith("reduce")) stage++;
    for (let i = 0; i < times; i++) {
      const at = scope.at(`${name}.${i}`).asBlock(stage);
      let y = joined(at, x, branches, { ...form, pad: 0, endsInRelu: form.endsInRelu || residual === true });
      if (residual) {
        const linear = conv2d(at.at("linear"), y, { out: x.type.shape[1]!, kernel: 1, bias: true });
        y = at.at("sum").apply("add", [x, at.at("tenth").apply("multiply", [linear], { factor: 0.1 })], {});
      }
      if (!form.normed) y = relu(at.at("relu"), batchNorm(at.at("norm"), y));
      x = se ? scaleChannels(at, y, seOfBlock(config.se, gates++)) : y;
    }
  }
  return head(scope, x, config.dropout, classes);
}

type Rules = Pick<InceptionForm, "endsInRelu" | "countPad" | "pad" | "normed">;

/** All branches, concatenated along the channels. */
function joined(scope: Scope, x: Value, branches: readonly Branch[], rules: Rules): Value {
  const ends = branches.flatMap((branch, b) => {
    let values: Value[] = [x];
    for (const [i, step] of branch.entries()) {
      const at = scope.at(b).at(i);
      const hasRelu = rules.endsInRelu || i < branch.length - 1;
      const [input] = values as [Value];
      const first = { ...rules, pad: b === 0 && i === 0 ? rules.pad : 0 };
      values =
        typeof step === "string"
          ? [layer(at, input, step, hasRelu, first)]
          : (step as readonly Layer[]).map((part, p) => layer(at.at(p), input, part, hasRelu, first));
    }
    return values;
  });
  return ends.length === 1 ? ends[0]! : scope.at("concat").apply("concat", ends, {});
}

function layer(scope: Scope, x: Value, what: Layer, hasRelu: boolean, { countPad, pad, normed }: Rules): Value {
  if (what === "max") return scope.apply("maxPool", [x], { kernel: 3, stride: 2, pad: 0, ceil: false });
  if (what === "mean") {
    const window = { kernel: 3, stride: 1, pad: 1, ceil: false };
    return scope.apply("avgPool", [x], countPad ? window : { ...window, countPad });
  }
  const [, height, width, stride, out] = /^(\d+)x(\d+)(?:\/(\d))? (\d+)$/.exec(what)!.map(Number) as number[];
  const kernel: Extent = height === width ? height! : [height!, width!];
  const window = Number.isNaN(stride) ? { kernel } : { kernel, stride: stride!, pad };
  const bare = conv2d(scope.at("conv"), x, { out: out!, ...window, bias: normed !== true });
  const y = normed ? batchNorm(scope.at("norm"), bare) : bare;
  return hasRelu ? relu(scope.at("relu"), y) : y;
}

const v4 = "Inception-v4";
const resnetV2 = "Inception-ResNet-v2";

function takiEntry(form: InceptionV4Config["form"], paper: string): ZooEntry<InceptionV4Config> {
  const style = { norm: { eps: 1e-3, decay: 0.9 }, init: "glorot", se: { reduction: 4, bias: true } } as const;
  const port = { source: "taki0112/SENet-Tensorflow", paper: `SE-${paper}` };
  return { config: { family: "inception-v4", form, dropout: 0.2, ...style }, imageSize: 32, classes: 10, port };
}

function bruinxiongEntry(form: InceptionV4Config["form"], paper: string): ZooEntry<InceptionV4Config> {
  const style = { norm: { eps: 2e-5, decay: 0.9 }, init: "he everywhere", se: releasedSe } as const;
  const port = { source: "bruinxiong/SENet.mxnet", paper: `SE-${paper}` };
  return { config: { family: "inception-v4", form, dropout: 0.2, ...style }, imageSize: 224, classes: 1000, port };
}

/** Its code creates squeeze and excitation but never calls it, so this is plain Inception-v3. */
const moskomuleEntry: ZooEntry<InceptionV4Config> = {
  config: { family: "inception-v4", form: "moskomule-v3", dropout: 0.5, norm: { eps: 1e-3, decay: 0.9 } },
  imageSize: 299,
  classes: 1000,
  port: { source: "moskomule/senet.pytorch", paper: "SE-Inception-v3, with gates that are never called" },
};

export const inceptionV4: Family<typeof schema> = {
  schema,
  networks: {
    "taki0112-se-inception-v4": takiEntry("taki0112-v4", v4),
    "taki0112-se-inception-resnet-v2": takiEntry("taki0112-resnet-v2", resnetV2),
    "bruinxiong-se-inception-v4": bruinxiongEntry("bruinxiong-v4", v4),
    "bruinxiong-se-inception-resnet-v2": bruinxiongEntry("bruinxiong-resnet-v2", resnetV2),
    "moskomule-se-inception-v3": moskomuleEntry,
  },
  build,
  // 75 is the smallest size that leaves bruinxiong's networks a position after their last reduction.
  imageSize: () => 107,
  fewestTensors: ({ form }) => inceptionForms[form].modules.length,
  hasOurNames: true,
  isIn: (_, has) => has("stem.0.0.0.conv"),
  withStructure: (config) => config,
  withChannels: (config, channels) => ({ ...config, channels }),
  changes: () => [],
};
