/** Builds a graph node by node, inferring each type as it goes. */

import { SenetError } from "../errors.ts";
import type { DType, Shape } from "../tensor.ts";
import type { AnyNode, Graph, Parameter, Place, Role, Type, Value } from "./graph.ts";
import { inferTypes } from "./infer.ts";
import type { Attrs, Op, OutputCounts } from "./ops.ts";
import { verify } from "./verify.ts";

export type ParameterOptions = Pick<Parameter, "initial" | "frozen">;

/** What `apply` returns: one value, or a tuple for operations with several outputs. */
export type Outputs<K extends Op> = K extends keyof OutputCounts
  ? OutputCounts[K] extends 3
    ? readonly [Value, Value, Value]
    : readonly [Value, Value]
  : Value;

/** Name suffixes of the second and later outputs of an operation. */
const outputSuffixes: { readonly [K in keyof OutputCounts]: readonly string[] } = {
  batchNormTraining: ["", ".mean", ".variance"],
  batchNormBackward: ["", ".gamma", ".beta"],
  batchNormFrozenBackward: ["", ".gamma", ".beta"],
  seScaleBackward: [".gate", ".branch"],
};

export class GraphBuilder {
  readonly name: string;
  readonly #names = new Set<string>();
  readonly #inputs: Value[] = [];
  readonly #parameters: Parameter[] = [];
  readonly #nodes: AnyNode[] = [];
  readonly #outputs = new Map<string, Value>();
  readonly #updates = new Map<Parameter, Value>();

  constructor(name: string) {
    this.name = name;
  }

  /** A builder that continues `graph`: it contains everything in it, and more can be added. */
  static from(graph: Graph): GraphBuilder {
    const builder = new GraphBuilder(graph.name);
    builder.#inputs.push(...graph.inputs);
    builder.#parameters.push(...graph.parameters);
    builder.#nodes.push(...graph.nodes);
    for (const [name, value] of graph.outputs) builder.#outputs.set(name, value);
    for (const [parameter, value] of graph.updates) builder.#updates.set(parameter, value);
    for (const value of [...graph.inputs, ...graph.parameters]) builder.#names.add(value.name);
    for (const node of graph.nodes) {
      builder.#names.add(node.name);
      for (const value of node.outputs) builder.#names.add(value.name);
    }
    return builder;
  }

  input(name: string, shape: Shape, dtype: DType = "float32"): Value {
    const value = { name: this.#claim(name), type: { dtype, shape } };
    this.#inputs.push(value);
    return value;
  }

  parameter(
    name: string,
    shape: Shape,
    role: Role,
    dtype: DType = "float32",
    options: ParameterOptions = {},
  ): Parameter {
    const parameter = { name: this.#claim(name), type: { dtype, shape }, role, ...options };
    this.#parameters.push(parameter);
    return parameter;
  }

  /**
   * Adds an operation and returns its output, or its outputs as a tuple.
   * @throws SenetError `shape` where the inputs do not fit; `graph` where the name is taken
   */
  apply<K extends Op>(
    op: K,
    name: string,
    inputs: readonly Value[],
    attrs: Attrs[K],
    { block, tag }: Place = {},
  ): Outputs<K> {
    const types: readonly Type[] = inferTypes(
      op,
      name,
      inputs.map((value) => value.type),
      attrs,
    );
    const suffixes: readonly string[] = op in outputSuffixes ? outputSuffixes[op as keyof OutputCounts] : [""];
    const outputs = types.map((type, i) => ({ name: this.#claim(name + suffixes[i]!), type }));
    const node = { op, name, inputs, attrs, outputs, ...(block && { block }), ...(tag && { tag }) };
    this.#nodes.push(node as unknown as AnyNode);
    return (outputs.length === 1 ? outputs[0] : outputs) as Outputs<K>;
  }

  /** Number of nodes so far. */
  get size(): number {
    return this.#nodes.length;
  }

  /**
   * Sets the place of existing nodes, for networks whose blocks are only known when they are complete.
   * @param from index of the first node; `to` is the index after the last
   * @param tagged name of the node that gets the tag
   */
  place(from: number, to: number, { block, tag }: Place, tagged: string): void {
    for (const [i, node] of this.#nodes.slice(from, to).entries()) {
      const isTagged = tag !== undefined && node.name === tagged;
      this.#nodes[from + i] = { ...node, ...(block && { block }), ...(isTagged && { tag }) };
    }
  }

  output(name: string, value: Value): void {
    if (this.#outputs.has(name)) throw new SenetError("graph", `output "${name}" exists already`, { where: this.name });
    this.#outputs.set(name, value);
  }

  /** Declares that `parameter` holds `value` after a run. */
  update(parameter: Parameter, value: Value): void {
    this.#updates.set(parameter, value);
  }

  /** The finished graph, verified. */
  build(): Graph {
    const graph: Graph = {
      name: this.name,
      inputs: [...this.#inputs],
      parameters: [...this.#parameters],
      nodes: [...this.#nodes],
      outputs: new Map(this.#outputs),
      updates: new Map(this.#updates),
    };
    verify(graph, "build");
    return graph;
  }

  #claim(name: string): string {
    if (this.#names.has(name)) throw new SenetError("graph", `the name "${name}" is taken`, { where: this.name });
    this.#names.add(name);
    return name;
  }
}
