/**
 * Lowers a graph to ONNX: forward pass, backward pass and statistics alike.
 *
 * Each operation has one rule. Forward operations become plain ONNX operators (opset 18) and never fix the batch size,
 * so that the same rules serve for exports; backward operations may use ONNX Runtime's own operators (com.microsoft).
 */

import { SenetError } from "../../errors.ts";
import type { Graph, Node, Parameter, Value } from "../../ir/graph.ts";
import type { Op } from "../../ir/ops.ts";
import { GraphUses, liveNodes, resultsOf } from "../../ir/uses.ts";
import type { Weights } from "../executor.ts";
import type { Convolution, Expression } from "./blocked-values.ts";
import { type Dialect, Emitter, microsoft, nchwc } from "./emitter.ts";
import { avgPoolRules } from "./lower-avg-pool.ts";
import type { BlockedLayout } from "./lower-blocked.ts";
import { convRules } from "./lower-conv.ts";
import { elementwiseRules } from "./lower-elementwise.ts";
import { poolRules } from "./lower-pool.ts";
import type { Initialiser, OnnxModel, OnnxNode, ValueInfo } from "./onnx.ts";
import type { Lowering, Rules } from "./rules.ts";

/** Rules of operations that most networks have in inference; others are passed in (lower-others.ts). */
export const usualRules = { ...convRules, ...poolRules, ...avgPoolRules, ...elementwiseRules };
export type UsualOp = keyof typeof usualRules;

export interface LowerOptions {
  /** Weights to include as constants; without them, parameters are inputs of the model, and updates outputs. */
  readonly weights?: Weights;
  /** Leave the batch size open, if the graph allows it (`isBatchFree`). */
  readonly dynamicBatch?: boolean;
  /** For other programs (export.ts). */
  readonly portable?: boolean;
  /** Default: `cpu`. */
  readonly dialect?: Dialect;
  /** Additional rules, which take precedence over the usual ones. */
  readonly rules?: Partial<Rules<Op>> | undefined;
  /** Set if the engine has the blocked layout and the model is only for this machine. */
  readonly blocked?: BlockedLayout | undefined;
}

export interface Lowered {
  readonly model: OnnxModel;
  /** Name in the model of each output of the graph. */
  readonly outputs: ReadonlyMap<string, string>;
  /** Name in the model of each parameter's new value. */
  readonly updates: ReadonlyMap<Parameter, string>;
}

/** @throws SenetError `executor` where a value is not float32. */
export function lower(graph: Graph, options: LowerOptions = {}): Lowered {
  const { weights, dynamicBatch = false, portable = false, blocked, dialect } = options;
  // Callers pass in the rules for training and eight bits.
  const table = { ...usualRules, ...options.rules } as Rules<Op>;
  const updates = weights === undefined ? graph.updates : new Map<Parameter, Value>();
  const nodes = liveNodes(graph, resultsOf({ ...graph, updates }));
  const live = { ...graph, nodes, updates };
  const uses = new GraphUses(live);
  const parameters = graph.parameters.filter((parameter) => uses.reads(parameter) > 0);
  for (const value of [...graph.inputs, ...graph.parameters, ...nodes.flatMap((node) => node.outputs)]) {
    rejectOtherTypes(value);
  }

  const emit = new Emitter(dialect);
  const names = new Names([...graph.inputs, ...parameters], live);
  const plain = (value: Value): string => {
    const known = names.of(value);
    if (known !== undefined) return known;
    const name = blocks!.unblock(blocks!.dense(value), value.type.shape[1]!);
    names.set(value, name);
    return name;
  };
  // ONNX Runtime fuses eight-bit operations itself, in its own layout.
  const isEightBit = nodes.some(({ op }) => op === "quantize");
  const layout = isEightBit ? undefined : blocked;
  const blocks = layout?.begin(emit, plain, (value) => uses.reads(value));
  const isUsed = (value: Value) => uses.reads(value) > 0;
  const isWithin = (value: Value) => {
    const users = uses.users(value);
    return users.length === uses.reads(value) && users.every(({ op }) => op === "dequantize");
  };
  const lowering: Lowering = { emit, isPortable: portable, get: plain, isUsed, isWithin };
  for (const node of nodes) {
    emit.scope = node.name;
    const results: Results = (blocks && layout!.lowerNode(blocks, lowering, node)) ?? lowerNode(table, lowering, node);
    for (const [i, result] of results.entries()) {
      const value = node.outputs[i]!;
      if (result === undefined) continue;
      if (typeof result === "string") names.made(value, result, emit);
      else blocks!.hold(value, result);
    }
  }
  emit.scope = "outputs";
  for (const [name, value] of names.results) names.deliver(name, plain(value), value, emit);

  const { nodes: onnxNodes, constants } = emit.finish();
  const info = valueInfo(dynamicBatch ? batchedValues(graph) : new Set());
  const model: OnnxModel = {
    name: graph.name,
    opsets: opsetsOf(onnxNodes),
    nodes: onnxNodes,
    initialisers: weights === undefined ? constants : [...constants, ...initialisers(parameters, weights)],
    inputs: [...graph.inputs, ...(weights === undefined ? parameters : [])].map((value) => info(value.name, value)),
    outputs: names.results.map(([name, value]) => info(name, value)),
    metadata: {},
  };
  return { model, outputs: names.outputs, updates: names.updates };
}

/** Names of values in the model: unique; inputs, parameters and outputs keep the graph's names. */
class Names {
  readonly #taken = new Set<string>();
  readonly #names = new Map<Value, string>();
  /** The first output with this value; the value has its name from the start. */
  readonly #preferred = new Map<Value, string>();
  readonly outputs: ReadonlyMap<string, string>;
  readonly updates: ReadonlyMap<Parameter, string>;
  /** Results of the model. */
  readonly results: readonly (readonly [name: string, value: Value])[];

  constructor(given: readonly Value[], { outputs, updates }: Pick<Graph, "outputs" | "updates">) {
    for (const value of given) this.#names.set(value, this.#claim(value.name));
    // Outputs claim their names before other nodes.
    this.outputs = new Map([...outputs.keys()].map((name) => [name, this.#claim(name)]));
    this.updates = new Map([...updates.keys()].map((parameter) => [parameter, this.#claim(`${parameter.name}.next`)]));
    this.results = [
      ...[...outputs].map(([name, value]) => [this.outputs.get(name)!, value] as const),
      ...[...updates].map(([parameter, value]) => [this.updates.get(parameter)!, value] as const),
    ];
    for (const [name, value] of this.results) if (!this.#preferred.has(value)) this.#preferred.set(value, name);
  }

  of(value: Value): string | undefined {
    return this.#names.get(value);
  }

  set(value: Value, name: string): void {
    this.#names.set(value, name);
  }

  /** Renames a value that a node computed under a temporary name. */
  made(value: Value, name: string, emit: Emitter): void {
    const wanted = this.#preferred.get(value) ?? this.#claim(value.name);
    this.#names.set(value, emit.rename(name, wanted) ? wanted : name);
  }

  /** Gives a result its name, for blocked values, values with a second name, and outputs that are inputs. */
  deliver(name: string, made: string, value: Value, emit: Emitter): void {
    if (made === name) return;
    if (emit.rename(made, name)) this.#names.set(value, name);
    else emit.rename(emit.node("Identity", [made]), name);
  }

  #claim(name: string): string {
    let free = name;
    for (let i = 2; this.#taken.has(free); i++) free = `${name}~${i}`;
    this.#taken.add(free);
    return free;
  }
}

const opsetsOf = (nodes: readonly OnnxNode[]): OnnxModel["opsets"] => ({
  "": 18,
  ...Object.fromEntries(
    [microsoft, nchwc].filter((domain) => nodes.some((node) => node.domain === domain)).map((domain) => [domain, 1]),
  ),
});

/** Declares values; `batched` ones have an open batch size. */
const valueInfo =
  (batched: ReadonlySet<Value>) =>
  (name: string, value: Value): ValueInfo => ({
    name,
    dtype: value.type.dtype,
    shape: batched.has(value) ? ["batch", ...value.type.shape.slice(1)] : value.type.shape,
  });

/** Names in the model, or blocked values. */
type Results = readonly (Expression | Convolution | string | undefined)[];

const lowerNode = <K extends Op>(table: Rules<Op>, lowering: Lowering, node: Node<K>): Results =>
  table[node.op](lowering, node);

function initialisers(parameters: readonly Parameter[], weights: Weights): Initialiser[] {
  return parameters.map(({ name, type }) => ({ name, shape: type.shape, data: weights.get(name)!.data }));
}

function rejectOtherTypes({ name, type }: Value): void {
  if (type.dtype === "float64" || type.dtype === "int32") {
    throw new SenetError("executor", "ort computes in float32 and eight bits only", {
      where: name,
      expected: "float32",
      found: type.dtype,
      hint: "the reference executor has float64",
    });
  }
}

/** The values with a batch dimension in a batch-free graph: all that depend on inputs, not only on parameters. */
function batchedValues(graph: Graph): ReadonlySet<Value> {
  return new Set([...graph.inputs, ...graph.nodes.flatMap((node) => node.outputs)]);
}
