/** Names of our layers in moskomule's SE-Inception-v3, which is torchvision's Inception-v3. */

import { imagenetPreprocessing } from "../images/preprocess.ts";
import type { Row, TorchNaming } from "./naming.ts";

/** Rows for a convolution with its batch norm. */
const unit = (ours: string, theirs: string): readonly Row[] => [
  [`${ours}.conv`, `${theirs}.conv`],
  [`${ours}.norm`, `${theirs}.bn`],
];

const stem = ["Conv2d_2a_3x3", "Conv2d_2b_3x3", "", "Conv2d_3b_1x1", "Conv2d_4a_3x3"];

/** Branches of each kind of module, in our order; after the last come parallel convolutions. */
const branches = {
  a: ["branch1x1", "branch5x5_{i+1}", "branch3x3dbl_{i+1}", "branch_pool"],
  reduce_a: ["branch3x3", "branch3x3dbl_{i+1}"],
  b: ["branch1x1", "branch7x7_{i+1}", "branch7x7dbl_{i+1}", "branch_pool"],
  reduce_b: ["branch3x3_{i+1}", "branch7x7x3_{i+1}"],
  c: ["branch1x1", "branch3x3_{i+1}", "branch3x3dbl_{i+1}", "branch_pool"],
} as const;

const modules: readonly (readonly [ours: string, theirs: string, kind: keyof typeof branches])[] = [
  ...["5b", "5c", "5d"].map((theirs, i) => [`a${i + 1}`, theirs, "a"] as const),
  ["reduce_a", "6a", "reduce_a"],
  ...["6b", "6c", "6d", "6e"].map((theirs, i) => [`b${i + 1}`, theirs, "b"] as const),
  ["reduce_b", "7a", "reduce_b"],
  ...["7b", "7c"].map((theirs, i) => [`c${i + 1}`, theirs, "c"] as const),
];

const rows: readonly Row[] = [
  ...unit("stem.0.0.0", "gated.Conv2d_1a_3x3"),
  ...stem.flatMap((theirs, i) => (theirs === "" ? [] : unit(`stem.0.0.${i + 1}`, theirs))),
  ...modules.flatMap(([ours, theirs, kind]) => [
    // Parallel convolutions are the second or the third step.
    ...(kind === "c"
      ? [
          ...unit(`${ours}.0.1.1.0`, `Mixed_${theirs}.branch3x3_2a`),
          ...unit(`${ours}.0.1.1.1`, `Mixed_${theirs}.branch3x3_2b`),
          ...unit(`${ours}.0.2.2.0`, `Mixed_${theirs}.branch3x3dbl_3a`),
          ...unit(`${ours}.0.2.2.1`, `Mixed_${theirs}.branch3x3dbl_3b`),
        ]
      : []),
    ...branches[kind].flatMap((branch, b) => unit(`${ours}.0.${b}.{i}`, `Mixed_${theirs}.${branch}`)),
  ]),
  ["fc", "fc"],
];

export const moskomuleInceptionV3: TorchNaming = {
  name: "moskomule-inception-v3",
  description: "moskomule/senet.pytorch's SE-Inception-v3",
  style: "torch",
  isForeign: true,
  axes: "OIHW",
  matrices: /^$/,
  // The first convolution's name as changed by port-files.ts.
  mark: /^gated\.Conv2d_1a_3x3\.conv\.weight$/,
  structure: {},
  classOrder: "sorted",
  port: "moskomule",
  preprocessing: () => ({ ...imagenetPreprocessing, resize: 342, crop: 299 }),
  rows,
};
