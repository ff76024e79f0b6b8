/**
 * Networks of somebody's own: their layers are a function in somebody's program, and in no file. A file has their
 * weights; whoever opens it hands in the function.
 */

import { SenetError } from "../errors.ts";
import { formatType, type Value } from "../ir/graph.ts";
import type { Scope } from "../nn/scope.ts";
import * as z from "../schema.ts";
import { positive } from "./bounds.ts";
import type { Family } from "./family.ts";

/**
 * Builds a network, at any size of batch and of pictures, with the layers of nn: it is called for each graph anew, and
 * `scope.mode` says whether that is for training.
 * @param image `[N,channels,S,S]`
 * @returns logits `[N,classes]`
 */
export type NetworkFunction = (scope: Scope, image: Value, classes: number) => Value;

const schema = z.strictObject({
  family: z.literal("own"),
  /** Channels of the pictures; default: 3. */
  channels: z.exactOptional(positive.check(z.lte(1024))),
  /** In memory only: JSON leaves it out. */
  build: z.exactOptional(z.custom<NetworkFunction>((value) => typeof value === "function", "a function")),
});

export const own: Family<typeof schema> = {
  schema,
  networks: {},
  build(scope, image, { build }, classes) {
    if (build === undefined) return needsFunction(scope.graph.name);
    const logits = build(scope, image, classes);
    const { dtype, shape } = logits.type;
    const wanted = { dtype, shape: [image.type.shape[0]!, classes] };
    if (formatType(logits.type) === formatType(wanted)) return logits;
    throw new SenetError("shape", "what the network's function gives is not a number for each class", {
      where: scope.graph.name,
      expected: formatType(wanted),
      found: `${logits.name}: ${dtype}[${shape.join(", ")}]`,
    });
  },
  imageSize: () => 224,
  fewestTensors: () => 0,
  hasOurNames: false,
  isIn: () => false,
  withStructure: (config) => config,
  withChannels: (config, channels) => ({ ...config, channels }),
  changes: () => [],
};

export function needsFunction(where: string): never {
  throw new SenetError("usage", "this is a network of somebody's own, and no file holds the function that builds it", {
    where,
    hint: "in the program that has the function, hand it in: { model: FUNCTION }",
  });
}

/**
 * The network that a file describes, with the function that no file holds where it is somebody's own.
 * @param where the file
 * @throws SenetError `usage` where the function is missing, or is given for another network
 */
export function withFunction<Config extends { readonly family: string }>(
  config: Config,
  build: NetworkFunction | undefined,
  where: string,
): Config {
  if (config.family === schema.shape.family.value)
    return build === undefined ? needsFunction(where) : { ...config, build };
  if (build === undefined) return config;
  throw new SenetError("usage", "this file says itself how its network is built", {
    where,
    hint: "leave the function out",
  });
}
