/** The type of lowering rules, and their context. */

import type { Node, Value } from "../../ir/graph.ts";
import type { Op } from "../../ir/ops.ts";
import type { Emitter } from "./emitter.ts";

export interface Lowering {
  readonly emit: Emitter;
  /** Whether the model is for other programs: then compatibility matters more than speed in ONNX Runtime. */
  readonly isPortable: boolean;
  /** The ONNX name of a value lowered earlier. */
  get(value: Value): string;
  /** Whether a quantised value is only ever dequantised, so that its representation is free. */
  isWithin(value: Value): boolean;
  /** Whether anything uses this value; unused outputs are best omitted. */
  isUsed(value: Value): boolean;
}

/** Emits ONNX nodes for one operation and returns the names of its outputs; `undefined` for unused ones. */
export type Rule<K extends Op> = (l: Lowering, node: Node<K>) => readonly (string | undefined)[];

export type Rules<Ops extends Op> = { readonly [K in Ops]: Rule<K> };
