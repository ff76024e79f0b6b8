/** The error for outputs that are not numbers. */

import { SenetError } from "../errors.ts";

/** Finite weights may still overflow, or get a picture that they were not made for. */
export function failNotNumber(picture: string): never {
  throw new SenetError("weights", "the network's output for this picture is not a number", {
    where: picture,
    hint: "its weights, or its pre-processing, are not those that it was trained with",
  });
}
