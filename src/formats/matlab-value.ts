/** What a MATLAB file holds, of either format: a tree of values, as MatConvNet's networks need it. */

import type { Shape, TensorData } from "../tensor.ts";
import type { FailWhole } from "./bytes.ts";

export type MatValue =
  /** Numbers in MATLAB's order: the first axis runs fastest. Of the class double float64, of single float32. */
  | { readonly kind: "numbers"; readonly shape: Shape; readonly data: TensorData }
  /** Of several rows the characters of the first column come first. */
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "cell"; readonly items: readonly MatValue[] }
  /** An array of structs: each field's values, one for each struct. */
  | { readonly kind: "struct"; readonly size: number; readonly fields: ReadonlyMap<string, readonly MatValue[]> }
  /** Objects, functions, sparse and complex numbers: what no weight is. */
  | { readonly kind: "other"; readonly what: string };

/** A file's variables by name. */
export type MatVariables = ReadonlyMap<string, MatValue>;

/** Structs within cells within structs: no network goes as deep. */
export const deepest = 32;

export const failDeep = (fail: FailWhole): never =>
  fail(`values are nested more than ${deepest} deep`, { expected: `at most ${deepest}`, found: "more" });
