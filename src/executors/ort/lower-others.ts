/**
 * Rules for operations that most networks do not need in inference: training, eight bits. Loaded if a graph has any.
 */

import { option, SenetError } from "../../errors.ts";
import type { Graph } from "../../ir/graph.ts";
import type { Op } from "../../ir/ops.ts";
import { acrossNode } from "../require-others.ts";
import type { UsualOp } from "./lower.ts";
import { convTrainingRules } from "./lower-conv-training.ts";
import { elementwiseTrainingRules } from "./lower-elementwise-training.ts";
import { lossRules } from "./lower-loss.ts";
import { normTrainingRules } from "./lower-norm-training.ts";
import { poolTrainingRules } from "./lower-pool-training.ts";
import { quantizationRules } from "./lower-quantization.ts";
import { unusualRules } from "./lower-unusual.ts";
import type { Rules } from "./rules.ts";

export const otherRules: Rules<Exclude<Op, UsualOp>> = {
  ...convTrainingRules,
  ...normTrainingRules,
  ...poolTrainingRules,
  ...elementwiseTrainingRules,
  ...quantizationRules,
  ...lossRules,
  ...unusualRules,
};

/** @throws SenetError `executor` for a graph over several processes */
export function rulesFor(graph: Graph): typeof otherRules {
  refuseAcross(graph);
  return otherRules;
}

/** The runtime runs a graph as a whole, so no node can wait for another process. */
function refuseAcross(graph: Graph): void {
  const where = acrossNode(graph);
  if (where === undefined) return;
  throw new SenetError("executor", "ONNX Runtime has no batch norm over several processes", {
    where,
    hint: `${option("executor")} onednn (or reference), or leave out ${option("syncBn")}`,
  });
}
