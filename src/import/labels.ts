/** Default class names if a file has none. */

import type { Model } from "../zoo/index.ts";
import { imagenetLabels } from "./imagenet-classes.ts";
import type { Naming } from "./naming.ts";

/**
 * 1,000 outputs are ImageNet's classes in the naming's usual order; those of networks for CIFAR-10 are its classes;
 * others get numbers.
 */
export const impliedLabels = ({ classOrder, labels }: Naming, { config, classes }: Model): readonly string[] =>
  classes === 1000 ? imagenetLabels(classOrder) : (labels?.(config, classes) ?? numbersFor(classes));

export const numbersFor = (classes: number): readonly string[] => Array.from({ length: classes }, (_, i) => `${i}`);
