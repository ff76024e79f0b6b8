/** Facts about a network from its graph. Loaded on demand, since it needs the builders of all networks. */

import type { Model } from "senet/web";
import { graphCost } from "#senet/ir/cost.ts";
import { positionsOf } from "#senet/ir/position.ts";
import { inferenceGraph } from "#senet/zoo/index.ts";

/** The number of the stage before the head. */
export function lastStage(model: Model): number {
  const graph = inferenceGraph(model, { batch: 1, imageSize: 64 });
  return Math.max(...[...positionsOf(graph).values()].map(({ stage }) => stage ?? 0));
}

/** Parameters, and multiply-adds for one picture. */
export const costOf = (model: Model, imageSize: number) => graphCost(inferenceGraph(model, { batch: 1, imageSize }));
