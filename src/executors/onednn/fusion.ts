/** Which operations of a graph become one primitive: found by who uses what, before anything is lowered. */

import type { AnyNode, Value } from "../../ir/graph.ts";
import { GraphUses } from "../../ir/uses.ts";

export class Fusion extends GraphUses {
  /** The ReLU or sigmoid that is all that happens to a value. */
  activation(value: Value): { readonly kind: "relu" | "sigmoid"; readonly node: AnyNode } | undefined {
    const node = this.onlyUser(value, "relu") ?? this.onlyUser(value, "sigmoid");
    return node && { kind: node.op, node: node as AnyNode };
  }
}
