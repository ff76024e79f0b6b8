/** Functions that build the user's own networks (own.ts); no file contains them. */

import { SenetError } from "../errors.ts";
import type { Value } from "../ir/graph.ts";
import type { Scope } from "../nn/scope.ts";

export const ownFamily = "own";

/**
 * Builds a network for any batch and image size, from the layers of nn. Called anew for each graph; `scope.mode` says
 * whether it is for training.
 * @param image `[N,channels,S,S]`
 * @returns logits `[N,classes]`
 */
export type NetworkFunction = (scope: Scope, image: Value, classes: number) => Value;

/**
 * The network that a file describes; for the user's own network, with its function.
 * @param where the file
 * @throws SenetError `usage` where the function is missing, or given for another network
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
