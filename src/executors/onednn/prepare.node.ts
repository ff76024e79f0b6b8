/**
 * Chooses primitives before anything is lowered: forward ones that backward ones refer to, and those of weight
 * gradients, whose layouts determine how learnt weights are stored.
 */

import { type FusedGraph, type FusedNode, isOf } from "./fused.ts";
import { convolutionGradient } from "./rules-conv.node.ts";
import { linearGradient } from "./rules-linear.node.ts";
import { normForward } from "./rules-norm.node.ts";
import { maxPoolForward } from "./rules-pool.node.ts";
import type { Forward, Prepared, Target, WeightGradient } from "./target.node.ts";

/** Must run before the first rule. */
export function prepare(target: Target, { nodes }: FusedGraph): Prepared {
  const forwards = new Map<FusedNode, Forward>();
  const gradients = new Map<FusedNode, WeightGradient>();
  for (const node of nodes) {
    if (isOf(node, "batchNormTraining")) forwards.set(node, normForward(target, node));
    if (isOf(node, "maxPool")) forwards.set(node, maxPoolForward(target, node));
    if (isOf(node, "conv2dBackwardWeight")) gradients.set(node, convolutionGradient(target, node));
    if (isOf(node, "linearBackwardWeight")) gradients.set(node, linearGradient(target, node));
  }
  return { forwards, gradients };
}
