/** What a network's outputs are called where its file does not say it. */

import type { Model } from "../zoo/index.ts";
import { imagenetLabels } from "./imagenet-classes.ts";
import type { Naming } from "./naming.ts";

/**
 * 1,000 outputs are ImageNet's classes in the order that is usual in files of this naming; those of networks for CIFAR-10
 * are its classes; others have numbers.
 */
export const impliedLabels = ({ classOrder, labels }: Naming, { config, classes }: Model): readonly string[] =>
  classes === 1000 ? imagenetLabels(classOrder) : (labels?.(config, classes) ?? numbersFor(classes));

export const numbersFor = (classes: number): readonly string[] => Array.from({ length: classes }, (_, i) => `${i}`);
