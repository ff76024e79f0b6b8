/** Collects the nodes and constants that the lowering rules emit for an ONNX graph. */

import type { Attributes, Initialiser, OnnxData, OnnxNode } from "./onnx.ts";

/** Domain of ONNX Runtime's own operators: used in training, not in exports. */
export const microsoft = "com.microsoft";

/** Domain of its operators on the blocked layout (blocks.ts), which its own optimiser uses; for training only, too. */
export const nchwc = "com.microsoft.nchwc";

/**
 * The engine of ONNX Runtime for which a graph is written; workarounds for what an engine lacks or gets wrong depend on
 * it.
 */
export type Dialect = "cpu" | "webgpu";

export class Emitter {
  readonly dialect: Dialect;
  readonly #nodes: OnnxNode[] = [];
  readonly #constants = new Map<string, Initialiser>();
  readonly #aliases = new Map<string, string>();
  readonly #made = new Set<string>();
  readonly #serials = new Map<string, number>();
  #scope = "";

  constructor(dialect: Dialect = "cpu") {
    this.dialect = dialect;
  }

  /** The graph operation after which nodes are named, for profiles and errors. */
  get scope(): string {
    return this.#scope;
  }

  set scope(name: string) {
    this.#scope = name;
  }

  /** Runs `make` with this operation as scope. */
  within<T>(scope: string, make: () => T): T {
    const before = this.#scope;
    this.#scope = scope;
    const made = make();
    this.#scope = before;
    return made;
  }

  /** Adds a node with one output and returns the output's name. */
  node(op: string, inputs: readonly string[], attributes: Attributes = {}, domain = ""): string {
    return this.nodes(op, inputs, 1, attributes, domain)[0]!;
  }

  /** Adds a node with `count` outputs and returns their names. */
  nodes(op: string, inputs: readonly string[], count: number, attributes: Attributes = {}, domain = ""): string[] {
    const name = this.#fresh(op);
    const outputs = Array.from({ length: count }, (_, i) => (count === 1 ? name : `${name}.${i}`));
    this.#nodes.push({ op, domain, name, inputs, outputs, attributes });
    for (const output of outputs) this.#made.add(output);
    return outputs;
  }

  /** A constant vector of int64, as ONNX wants shapes and axes. */
  ints(...values: readonly number[]): string {
    return this.constant(`int64[${values.join(",")}]`, [values.length], () => BigInt64Array.from(values, BigInt));
  }

  /** A constant float32 scalar. */
  float(value: number): string {
    return this.constant(`float32(${value})`, [], () => Float32Array.of(value));
  }

  /** A constant tensor of the current operation. */
  tensor(shape: readonly number[], data: OnnxData): string {
    return this.constant(this.#fresh("constant"), shape, () => data);
  }

  /** Renames the output `from` of a node to `to`; false if it is not a node's output or already has a given name. */
  rename(from: string, to: string): boolean {
    if (!this.#made.has(from) || this.#aliases.has(from)) return false;
    this.#aliases.set(from, to);
    return true;
  }

  /** All nodes and constants, in order, with their final names. */
  finish(): { readonly nodes: readonly OnnxNode[]; readonly constants: readonly Initialiser[] } {
    const final = (name: string) => this.#aliases.get(name) ?? name;
    const nodes = this.#nodes.map((node) => ({
      ...node,
      inputs: node.inputs.map(final),
      outputs: node.outputs.map(final),
    }));
    return { nodes, constants: [...this.#constants.values()] };
  }

  #fresh(what: string): string {
    const serial = this.#serials.get(this.#scope) ?? 0;
    this.#serials.set(this.#scope, serial + 1);
    return `${this.#scope}/${what}_${serial}`;
  }

  /** A constant tensor shared under this name. */
  constant(name: string, shape: readonly number[], data: () => OnnxData): string {
    if (!this.#constants.has(name)) this.#constants.set(name, { name, shape, data: data() });
    return name;
  }
}
