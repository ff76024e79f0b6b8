/** The functions that networks of somebody's own are built by (own.ts), which no file holds. */

import { SenetError } from "../errors.ts";
import type { Value } from "../ir/graph.ts";
import type { Scope } from "../nn/scope.ts";

export const ownFamily = "own";

/**
 * Builds a network, at any size of batch and of pictures, with the layers of nn: it is called for each graph anew, and
 * `scope.mode` says whether that is for training.
 * @param image `[N,channels,S,S]`
 * @returns logits `[N,classes]`
 */
export type NetworkFunction = (scope: Scope, image: Value, classes: number) => Value;

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
  if (config.family === ownFamily) return build === undefined ? needsFunction(where) : { ...config, build };
  if (build === undefined) return config;
  throw new SenetError("usage", "this file says itself how its network is built", {
    where,
    hint: "leave the function out",
  });
}

export function needsFunction(where: string): never {
  throw new SenetError("usage", "this is a network of somebody's own, and no file holds the function that builds it", {
    where,
    hint: "in the program that has the function, hand it in: { model: FUNCTION }",
  });
}
