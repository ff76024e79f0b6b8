/** Gradient clipping, by norm or by value. */

import { configKey } from "../config-key.ts";
import * as z from "../schema.ts";
import type { TensorData } from "../tensor.ts";

const modes = ["norm", "value"] as const;

export const clippingKeys = {
  clipGrad: configKey(z._default(z.nullable(z.number().check(z.gt(0))), null), "limit of the gradient; default: none", {
    value: "bound",
  }),
  clipMode: configKey(
    z._default(z.enum(modes), "norm"),
    "what is limited: the norm of the whole gradient, or each value",
  ),
};

/** The bound on a step's gradients, and what it applies to. */
export interface Clipping {
  readonly bound: number;
  readonly mode: (typeof modes)[number];
}

export const clippingOf = (config: z.OutputOf<typeof clippingKeys>): Clipping | undefined =>
  config.clipGrad === null ? undefined : { bound: config.clipGrad, mode: config.clipMode };

/**
 * Clips gradients that will be multiplied by `scale`, like PyTorch's `clip_grad_norm_` and `clip_grad_value_`.
 * @param gradients changed in place in mode `value`
 * @returns the factor to use instead of `scale`
 */
export function clip(gradients: readonly TensorData[], scale: number, { bound, mode }: Clipping): number {
  if (mode === "norm") return scale * Math.min(1, bound / (scale * length(gradients) + 1e-6));
  const most = bound / scale;
  for (const data of gradients) {
    for (let i = 0; i < data.length; i++) {
      const value = data[i]!;
      if (value > most) data[i] = most;
      else if (value < -most) data[i] = -most;
    }
  }
  return scale;
}

/** Euclidean norm of all gradients together. */
function length(gradients: readonly TensorData[]): number {
  let squares = 0;
  for (const data of gradients) for (let i = 0; i < data.length; i++) squares += data[i]! ** 2;
  return Math.sqrt(squares);
}
