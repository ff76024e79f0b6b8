/** What a network's outputs are called where its file does not say it. */

import { imagenetLabels } from "./imagenet-classes.ts";
import type { Naming } from "./namings.ts";

/** 1,000 outputs are ImageNet's classes in the order that is usual in files of this naming; others have numbers. */
export const impliedLabels = ({ classOrder }: Pick<Naming, "classOrder">, classes: number): readonly string[] =>
  classes === 1000 ? imagenetLabels(classOrder) : numbersFor(classes);

export const numbersFor = (classes: number): readonly string[] => Array.from({ length: classes }, (_, i) => `${i}`);
