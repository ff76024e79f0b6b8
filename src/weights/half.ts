/**
 * Halves the size of weights: layers' weights as float16. Vectors stay float32: they are small, and variances can be
 * tiny.
 */

import { SenetError } from "../errors.ts";
import { halves } from "../formats/bytes.ts";
import { toHalves } from "../formats/half.ts";
import type { Tensor } from "../tensor.ts";

/** Whether a tensor is stored as float16 if requested. */
export const isHalved = ({ dtype, shape }: Tensor): boolean => dtype === "float32" && shape.length > 1;

/**
 * The weights as read back from such a file.
 * @throws SenetError `weights` where a value is too large for float16
 */
export function inHalf(weights: ReadonlyMap<string, Tensor>, where: string): ReadonlyMap<string, Tensor> {
  return new Map(
    [...weights].map(([name, tensor]) => {
      if (!isHalved(tensor)) return [name, tensor];
      const data = halves(toHalves(tensor.data));
      if (data.every(Number.isFinite)) return [name, { ...tensor, data }];
      throw new SenetError("weights", "these weights do not fit float16", {
        where: `${where}: ${name}`,
        expected: "numbers within 65504",
        found: `${tensor.data.find((_, i) => !Number.isFinite(data[i]!))}`,
      });
    }),
  );
}
