/** What a lowering rule is, and what it works with. */

import type { Node, Value } from "../../ir/graph.ts";
import type { Op } from "../../ir/ops.ts";
import type { Emitter } from "./emitter.ts";

export interface Lowering {
  readonly emit: Emitter;
  /** Whether the model is for other programs: then speed in ONNX Runtime counts less than what all of them can read. */
  readonly isPortable: boolean;
  /** The ONNX name of a value that was lowered already. */
  get(value: Value): string;
  /** Whether a quantized value is only ever brought back, so that nobody sees its numbers. */
  isWithin(value: Value): boolean;
  /** Whether anything uses this value; an output that nothing uses is best left out. */
  isUsed(value: Value): boolean;
}

/** Writes one operation as ONNX nodes and gives the names of its outputs; `undefined` for one that nothing uses. */
export type Rule<K extends Op> = (l: Lowering, node: Node<K>) => readonly (string | undefined)[];

export type Rules<Ops extends Op> = { readonly [K in Ops]: Rule<K> };
