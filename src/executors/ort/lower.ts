/**
 * From a graph to an ONNX graph: forward pass, backward pass and statistics alike.
 *
 * Each operation has one rule, in the file of its subject. Operations of the forward pass become plain ONNX operators
 * (opset 18) and never bake the batch in, so that the same rules serve as the export; those of the backward pass may
 * use ONNX Runtime's own (com.microsoft).
 */

import { SenetError } from "../../errors.ts";
import type { AnyNode, Graph, Node, Parameter, Value } from "../../ir/graph.ts";
import type { Op } from "../../ir/ops.ts";
import type { Weights } from "../executor.ts";
import { Blocks, type Convolution, type Expression } from "./blocks.ts";
import { Emitter, microsoft, nchwc } from "./emitter.ts";
import { blockedRules } from "./lower-blocked.ts";
import { convRules } from "./lower-conv.ts";
import { elementwiseRules } from "./lower-elementwise.ts";
import { headRules } from "./lower-head.ts";
import { normRules } from "./lower-norm.ts";
import { poolRules } from "./lower-pool.ts";
import type { Initialiser, OnnxModel, ValueInfo } from "./onnx.ts";
import type { Lowering, Rules } from "./rules.ts";

const rules: Rules<Op> = { ...convRules, ...normRules, ...poolRules, ...elementwiseRules, ...headRules };

export interface LowerOptions {
  /** Become constants; without, parameters are inputs of the model and updates outputs. */
  readonly weights?: Weights;
  /** Leave the batch open, where the graph allows it (`isBatchFree`). */
  readonly dynamicBatch?: boolean;
  /** Channels in a block, where the engine has the blocked layout (blocks.ts) and the model is for this machine only. */
  readonly blockSize?: number;
}

export interface Lowered {
  readonly model: OnnxModel;
  /** The model's name of each output of the graph. */
  readonly outputs: ReadonlyMap<string, string>;
  /** The model's name of each parameter's next value. */
  readonly updates: ReadonlyMap<Parameter, string>;
}

/** @throws SenetError `executor` where a value is not float32. */
export function lower(graph: Graph, options: LowerOptions = {}): Lowered {
  const { weights, dynamicBatch = false, blockSize = 0 } = options;
  const updates = weights === undefined ? graph.updates : new Map<Parameter, Value>();
  const live = liveValues(graph, [...graph.outputs.values(), ...updates.values()]);
  const nodes = graph.nodes.filter((node) => node.outputs.some((output) => live.has(output)));
  for (const value of [...graph.inputs, ...graph.parameters, ...nodes.flatMap((node) => node.outputs)]) {
    rejectOtherTypes(value);
  }

  const emit = new Emitter();
  const taken = new Set<string>();
  const claim = (name: string): string => {
    let free = name;
    for (let i = 2; taken.has(free); i++) free = `${name}~${i}`;
    taken.add(free);
    return free;
  };
  const names = new Map<Value, string>();
  const parameters = graph.parameters.filter((parameter) => live.has(parameter));
  for (const value of [...graph.inputs, ...parameters]) names.set(value, claim(value.name));

  // Outputs have the next claim on their names; a node's output that is one is called so from the start.
  const outputs = new Map<string, string>();
  const preferred = new Map<Value, string>();
  for (const [name, value] of graph.outputs) {
    outputs.set(name, claim(name));
    if (!preferred.has(value)) preferred.set(value, outputs.get(name)!);
  }
  const nextNames = new Map<Parameter, string>();
  for (const [parameter, value] of updates) {
    nextNames.set(parameter, claim(`${parameter.name}.next`));
    if (!preferred.has(value)) preferred.set(value, nextNames.get(parameter)!);
  }

  const plain = (value: Value): string => {
    let name = names.get(value);
    if (name === undefined) {
      name = blocks!.unblock(blocks!.dense(value), value.type.shape[1]!);
      names.set(value, name);
    }
    return name;
  };
  const blocks =
    blockSize > 1
      ? new Blocks(blockSize, emit, plain, countUses(nodes, [...graph.outputs.values(), ...updates.values()]))
      : undefined;
  const lowering: Lowering = { emit, get: plain, isUsed: (value) => live.has(value) };
  for (const node of nodes) {
    emit.scope = node.name;
    const made = lowerNode(lowering, blocks, node);
    node.outputs.forEach((value, i) => {
      const result = made[i];
      if (result === undefined) return;
      if (typeof result === "string") {
        const wanted = preferred.get(value) ?? claim(value.name);
        names.set(value, emit.rename(result, wanted) ? wanted : result);
      } else {
        blocks!.hold(value, result);
      }
    });
  }
  // What was blocked until now, a value under a second name, or an output that is an input.
  emit.scope = "outputs";
  const wantedOutputs: (readonly [string, Value])[] = [
    ...[...graph.outputs].map(([name, value]) => [outputs.get(name)!, value] as const),
    ...[...updates].map(([parameter, value]) => [nextNames.get(parameter)!, value] as const),
  ];
  for (const [name, value] of wantedOutputs) {
    const made = plain(value);
    if (made === name) continue;
    if (emit.rename(made, name)) names.set(value, name);
    else emit.rename(emit.node("Identity", [made]), name);
  }

  const batch = dynamicBatch ? batchedValues(graph) : new Set<Value>();
  const info = (name: string, value: Value): ValueInfo => ({
    name,
    dtype: value.type.dtype,
    shape: batch.has(value) ? ["batch", ...value.type.shape.slice(1)] : value.type.shape,
  });
  const { nodes: onnxNodes, constants } = emit.finish();
  const model: OnnxModel = {
    name: graph.name,
    opsets: {
      "": 18,
      ...Object.fromEntries(
        [microsoft, nchwc]
          .filter((domain) => onnxNodes.some((node) => node.domain === domain))
          .map((domain) => [domain, 1]),
      ),
    },
    nodes: onnxNodes,
    initialisers: weights === undefined ? constants : [...constants, ...initialisers(parameters, weights)],
    inputs: [...graph.inputs, ...(weights === undefined ? parameters : [])].map((value) => info(value.name, value)),
    outputs: wantedOutputs.map(([name, value]) => info(name, value)),
    metadata: {},
  };
  return { model, outputs, updates: nextNames };
}

function lowerNode<K extends Op>(
  lowering: Lowering,
  blocks: Blocks | undefined,
  node: Node<K>,
): readonly (Expression | Convolution | string | undefined)[] {
  const blocked = blocks && blockedRules[node.op]?.(blocks, lowering, node);
  return blocked ?? rules[node.op](lowering, node);
}

function initialisers(parameters: readonly Parameter[], weights: Weights): Initialiser[] {
  return parameters.map(({ name, type }) => ({ name, shape: type.shape, data: weights.get(name)!.data }));
}

/** Everything that `roots` depend on. */
function liveValues(graph: Graph, roots: readonly Value[]): ReadonlySet<Value> {
  const live = new Set(roots);
  for (const node of graph.nodes.toReversed()) {
    if (node.outputs.some((output) => live.has(output))) for (const input of node.inputs) live.add(input);
  }
  return live;
}

function countUses(nodes: readonly AnyNode[], roots: readonly Value[]): (value: Value) => number {
  const uses = new Map<Value, number>();
  for (const value of [...nodes.flatMap((node) => node.inputs), ...roots]) uses.set(value, (uses.get(value) ?? 0) + 1);
  return (value) => uses.get(value) ?? 0;
}

function rejectOtherTypes({ name, type }: Value): void {
  if (type.dtype !== "float32") {
    throw new SenetError("executor", "ort computes in float32 only", {
      where: name,
      expected: "float32",
      found: type.dtype,
      hint: "the reference executor has float64",
    });
  }
}

/** The values whose first extent is the batch, in a batch-free graph: all but the parameters. */
export function batchedValues(graph: Graph): ReadonlySet<Value> {
  return new Set([...graph.inputs, ...graph.nodes.flatMap((node) => node.outputs)]);
}
