/** Producers and consumers of values, for passes and engines. */

import type { AnyNode, Graph, Node, Value } from "./graph.ts";
import type { Op } from "./ops.ts";

/** All results of a run: outputs, and new values of parameters. */
export const resultsOf = ({ outputs, updates }: Graph): Value[] => [...outputs.values(), ...updates.values()];

export class GraphUses {
  readonly #makers = new Map<Value, AnyNode>();
  readonly #users = new Map<Value, AnyNode[]>();
  readonly #reads = new Map<Value, number>();
  readonly #results: ReadonlySet<Value>;

  constructor(graph: Graph) {
    const results = resultsOf(graph);
    this.#results = new Set(results);
    const read = (value: Value) => this.#reads.set(value, this.reads(value) + 1);
    for (const node of graph.nodes) {
      for (const output of node.outputs) this.#makers.set(output, node);
      for (const input of node.inputs) read(input);
      for (const input of new Set(node.inputs)) {
        const users = this.#users.get(input);
        if (users === undefined) this.#users.set(input, [node]);
        else users.push(node);
      }
    }
    for (const value of results) read(value);
  }

  /** The node that computes a value; `undefined` for inputs and parameters. */
  makerOf(value: Value): AnyNode | undefined {
    return this.#makers.get(value);
  }

  /** The node that computes a value, if its operation is `op`. */
  maker<K extends Op>(value: Value, op: K): Node<K> | undefined {
    const node = this.makerOf(value);
    return node?.op === op ? (node as unknown as Node<K>) : undefined;
  }

  /** The nodes that read a value, each once. */
  users(value: Value): readonly AnyNode[] {
    return this.#users.get(value) ?? [];
  }

  /** The only node that reads a value, if its operation is `op` and the value is not a result of the graph. */
  onlyUser<K extends Op>(value: Value, op: K): Node<K> | undefined {
    const [user, ...others] = this.users(value);
    if (user === undefined || others.length > 0 || user.op !== op || this.#results.has(value)) return undefined;
    return user as unknown as Node<K>;
  }

  /** How often a value is read: by nodes (counting each input), and as a result. */
  reads(value: Value): number {
    return this.#reads.get(value) ?? 0;
  }
}

/** The nodes that `results` depend on, in order. */
export function liveNodes(graph: Graph, results: readonly Value[] = resultsOf(graph)): AnyNode[] {
  const live = new Set(results);
  return graph.nodes
    .toReversed()
    .filter((node) => {
      if (!node.outputs.some((output) => live.has(output))) return false;
      for (const input of node.inputs) live.add(input);
      return true;
    })
    .reverse();
}
