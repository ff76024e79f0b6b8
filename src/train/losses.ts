/** What the losses of a run are, and how a validation picture's is computed. */

import type { PictureLoss } from "../evaluate/evaluate.ts";
import { binaryCrossEntropy } from "../executors/loss.ts";
import type { TrainingConfig } from "./config.ts";

type LossConfig = Pick<TrainingConfig, "bceLoss">;

/** What a run's losses are, in words. */
export const lossName = ({ bceLoss }: LossConfig): string =>
  bceLoss ? "binary cross-entropy, the mean over all classes" : "cross-entropy";

/** What the training loss contains and the validation loss does not, in words. */
export function besidesLoss({ labelSmoothing, mixup, cutmix, classWeights }: BesidesConfig): string[] {
  return [
    ...(labelSmoothing > 0 ? ["label smoothing"] : []),
    ...(mixup > 0 || cutmix > 0 ? ["mixed pictures"] : []),
    ...(classWeights === "none" ? [] : ["class weights"]),
  ];
}

type BesidesConfig = Pick<TrainingConfig, "labelSmoothing" | "mixup" | "cutmix" | "classWeights">;

/**
 * The loss of a validation picture: of the kind that the run lowers, so that the two can be compared; without smoothing
 * or class weights. `undefined`: cross-entropy.
 */
export const validationLossOf = ({ bceLoss }: LossConfig): PictureLoss | undefined => (bceLoss ? binary : undefined);

const binary: PictureLoss = ({ label, ranked: logits }) => {
  const targets = new Float64Array(logits.length);
  targets[label] = 1;
  return binaryCrossEntropy.value(Float64Array.from(logits), targets, 1);
};
