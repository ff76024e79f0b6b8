/** The rules of what most networks do not do in inference: training, averages, eight bits. Loaded where a graph has some of it. */

import type { Op } from "../../ir/ops.ts";
import type { UsualOp } from "./lower.ts";
import { avgPoolRules } from "./lower-avg-pool.ts";
import { convTrainingRules } from "./lower-conv-training.ts";
import { elementwiseTrainingRules } from "./lower-elementwise-training.ts";
import { lossRules } from "./lower-loss.ts";
import { normTrainingRules } from "./lower-norm-training.ts";
import { poolTrainingRules } from "./lower-pool-training.ts";
import { quantizationRules } from "./lower-quantization.ts";
import type { Rules } from "./rules.ts";

export const otherRules: Rules<Exclude<Op, UsualOp>> = {
  ...convTrainingRules,
  ...normTrainingRules,
  ...poolTrainingRules,
  ...avgPoolRules,
  ...elementwiseTrainingRules,
  ...quantizationRules,
  ...lossRules,
};
