/** Which operations of a graph become one primitive: found by who uses what, before anything is lowered. */

import type { AnyNode, Graph, Node, Value } from "../../ir/graph.ts";
import type { Op } from "../../ir/ops.ts";

export class Fusion {
  readonly #users = new Map<Value, AnyNode[]>();
  readonly #makers = new Map<Value, AnyNode>();
  readonly #kept: ReadonlySet<Value>;

  constructor(graph: Graph) {
    for (const node of graph.nodes) {
      for (const output of node.outputs) this.#makers.set(output, node);
      for (const input of new Set(node.inputs)) {
        const users = this.#users.get(input);
        if (users === undefined) this.#users.set(input, [node]);
        else users.push(node);
      }
    }
    this.#kept = new Set([...graph.outputs.values(), ...graph.updates.values()]);
  }

  /** The operation that makes a value, if it is one of `op`. */
  maker<K extends Op>(value: Value, op: K): Node<K> | undefined {
    const node = this.#makers.get(value);
    return node?.op === op ? (node as unknown as Node<K>) : undefined;
  }

  /** The only operation that uses a value, if it is one of `op` and the value is no output. */
  onlyUser<K extends Op>(value: Value, op: K): Node<K> | undefined {
    const [user, ...others] = this.users(value);
    if (user === undefined || others.length > 0 || user.op !== op || this.#kept.has(value)) return undefined;
    return user as unknown as Node<K>;
  }

  users(value: Value): readonly AnyNode[] {
    return this.#users.get(value) ?? [];
  }

  /** The ReLU or sigmoid that is all that happens to a value. */
  activation(value: Value): { readonly kind: "relu" | "sigmoid"; readonly node: AnyNode } | undefined {
    const node = this.onlyUser(value, "relu") ?? this.onlyUser(value, "sigmoid");
    return node && { kind: node.op, node: node as AnyNode };
  }
}
