/** The table of augmentations. A new one is a file and a row here; the configuration and the preview then know it. */

import * as z from "../../schema.ts";
import { colorJitter, hls, photometric } from "./color.ts";
import { crop } from "./crop.ts";
import { cutout, erase, pixelJitter } from "./noise.ts";
import { padCrop, resizeCrop } from "./place.ts";
import { randAugment } from "./rand-augment.ts";
import { warp } from "./warp.ts";

export const augmentations = {
  crop,
  padCrop,
  resizeCrop,
  warp,
  randAugment,
  colorJitter,
  photometric,
  hls,
  pixelJitter,
  cutout,
  erase,
};

export type AugmentationKind = keyof typeof augmentations;

/** A step with all its settings. */
export type AugmentationStep = {
  readonly [Kind in AugmentationKind]: z.output<(typeof augmentations)[Kind]["schema"]>;
}[AugmentationKind];

/** Schema of a step in a configuration: `{ kind, ... }`, with defaults. */
export const augmentationStep = z.discriminatedUnion("kind", [
  ...([crop.schema, padCrop.schema, resizeCrop.schema, warp.schema] as const),
  ...([randAugment.schema, colorJitter.schema, photometric.schema, hls.schema] as const),
  ...([pixelJitter.schema, cutout.schema, erase.schema] as const),
]);

const phases = ["place", "pixels", "values"] as const;
const phaseOf = ({ kind }: Pick<AugmentationStep, "kind">): (typeof phases)[number] => augmentations[kind].phase;

/** Why the order of steps is impossible; `undefined` if it is possible. */
function disorder(steps: readonly Pick<AugmentationStep, "kind">[]): string | undefined {
  const [first, ...others] = steps;
  const placing = Object.entries(augmentations).flatMap(([kind, { phase }]) => (phase === "place" ? [kind] : []));
  if (first === undefined || phaseOf(first) !== "place") return `first a step that places: ${placing.join(", ")}`;
  const second = others.find((step) => phaseOf(step) === "place");
  if (second !== undefined) return `one step that places, not also ${second.kind}`;
  for (const [i, step] of others.entries()) {
    const after = others.slice(i + 1).find((later) => phases.indexOf(phaseOf(later)) < phases.indexOf(phaseOf(step)));
    // Steps on bytes cannot follow those on values.
    if (after !== undefined) return `${after.kind} before ${step.kind}`;
  }
  return undefined;
}

/** Schema of a list of steps in a possible order. */
export const augmentationSteps = z.array(augmentationStep).check(z.finding(disorder));
