/** The rules of what hardly any network does in inference: training, and eight bits. Loaded where a graph has some of it. */

import type { Op } from "../../ir/ops.ts";
import type { UsualOp } from "./lower.ts";
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
  ...elementwiseTrainingRules,
  ...quantizationRules,
  ...lossRules,
};
