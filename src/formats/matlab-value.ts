/** The contents of MATLAB files of either format: a tree of values, as far as MatConvNet's networks need it. */

import type { Shape, TensorData } from "../tensor.ts";
import type { FailWhole } from "./bytes.ts";

export type MatValue =
  /** Numbers in MATLAB's order: the first axis varies fastest. Class double gives float64, single float32. */
  | { readonly kind: "numbers"; readonly shape: Shape; readonly data: TensorData }
  /** If there are several rows, column by column. */
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "cell"; readonly items: readonly MatValue[] }
  /** An array of structs: for each field, one value per struct. */
  | { readonly kind: "struct"; readonly size: number; readonly fields: ReadonlyMap<string, readonly MatValue[]> }
  /** Objects, functions, sparse and complex numbers, which are never weights. */
  | { readonly kind: "other"; readonly what: string };

/** A file's variables by name. */
export type MatVariables = ReadonlyMap<string, MatValue>;

/** Limit on nesting of structs and cells; no network is deeper. */
export const deepest = 32;

export const failDeep = (fail: FailWhole): never =>
  fail(`values are nested more than ${deepest} deep`, { expected: `at most ${deepest}`, found: "more" });
