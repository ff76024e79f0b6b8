/**
 * The `reference` executor: plain TypeScript loops, slow and right. The others are tested against it, and it runs
 * everywhere without installing anything.
 */

import { asyncDispose } from "../../disposal.ts";
import { turn } from "../../event-loop.ts";
import type { AnyNode, Graph, Node, Value } from "../../ir/graph.ts";
import { inferTypes } from "../../ir/infer.ts";
import { deadAfter } from "../../ir/lifetimes.ts";
import type { Op } from "../../ir/ops.ts";
import { copyOf, type Tensor, zeros } from "../../tensor.ts";
import { checkInputs, checkWeights } from "../check-weights.ts";
import type { CompileOptions, Executor, Running, SumOverRanks, Weights } from "../executor.ts";
import { hostTrainer, type Lender } from "../host-trainer.ts";
import { requireOthers } from "../require-others.ts";
import { Uses } from "../uses.ts";
import type { Operands } from "./kernel.ts";
import { kernels } from "./kernels.ts";
import { batchNormAcross, batchNormBackwardAcross } from "./normalisation-across.ts";

/**
 * Runs graphs in float32 and float64, in one thread (`threads` has no effect). `frozen` weights are copied at compile
 * time; any batch size can then be run.
 */
export const referenceExecutor: Executor = {
  name: "reference",
  description: "plain TypeScript loops: slow, right, runs everywhere",
  compile,
  compileTraining: (...training) => hostTrainer(compile, ...training),
};

async function compile(graph: Graph, weights: Weights, options?: CompileOptions): Promise<Lender> {
  return new ReferenceExecutable(graph, weights, options);
}

/** How often to check for an abort; yielding to the event loop takes a browser four milliseconds. */
const hearEveryMs = 40;

class ReferenceExecutable implements Lender {
  readonly #graph: Graph;
  readonly #live: boolean;
  readonly #parameters = new Map<Value, Tensor>();
  /** For each node, the values that are dead after it. */
  readonly #dead: readonly (readonly Value[])[];
  readonly #uses: Uses;
  readonly #sumOverRanks: SumOverRanks | undefined;

  constructor(graph: Graph, weights: Weights, { weights: mode = "frozen", sumOverRanks }: CompileOptions = {}) {
    checkWeights(graph, weights);
    this.#graph = graph;
    this.#uses = new Uses(graph.name);
    this.#live = mode === "live";
    this.#sumOverRanks = sumOverRanks;
    requireOthers(graph, sumOverRanks);
    for (const parameter of graph.parameters) {
      const weight = weights.get(parameter.name)!;
      this.#parameters.set(parameter, this.#live ? weight : copyOf(weight));
    }
    this.#dead = deadAfter(graph);
  }

  run(inputs: ReadonlyMap<string, Tensor>, options?: Running): Promise<ReadonlyMap<string, Tensor>> {
    return this.#uses.now(() => this.#run(inputs, options));
  }

  lend(inputs: ReadonlyMap<string, Tensor>, options?: Running): Promise<ReadonlyMap<string, Tensor>> {
    return this.run(inputs, options);
  }

  dispose(): Promise<void> {
    return this.#uses.dispose(() => this.#parameters.clear());
  }

  [asyncDispose](): Promise<void> {
    return this.dispose();
  }

  /** Runs without yielding, except if it can be aborted, or with several processes, which have to communicate. */
  async #run(inputs: ReadonlyMap<string, Tensor>, { signal }: Running = {}): Promise<ReadonlyMap<string, Tensor>> {
    const graph = this.#graph;
    let heard = performance.now();
    checkInputs(graph, inputs, !this.#live);
    const values = new Map(this.#parameters);
    for (const input of graph.inputs) values.set(input, inputs.get(input.name)!);
    for (const [i, node] of graph.nodes.entries()) {
      if (signal !== undefined && performance.now() - heard > hearEveryMs) {
        await turn();
        signal.throwIfAborted();
        heard = performance.now();
      }
      const operands = node.inputs.map((value) => values.get(value)!);
      const sum = this.#sumOverRanks;
      const results = sum === undefined ? runNode(node, operands) : await runNodeAcross(node, operands, sum);
      for (const [j, output] of node.outputs.entries()) values.set(output, results[j]!);
      for (const value of this.#dead[i]!) values.delete(value);
    }

    // Results belong to the caller: never the inputs or weights themselves, nor the same array twice.
    const taken = new Set<Value>([...graph.inputs, ...graph.parameters]);
    const outputs = new Map<string, Tensor>();
    for (const [name, value] of graph.outputs) {
      const result = values.get(value)!;
      outputs.set(name, taken.has(value) ? copyOf(result) : result);
      taken.add(value);
    }
    if (this.#live) {
      // Copies all updates before writing any: one may be another parameter's old value.
      const updates = [...graph.updates].map(([parameter, value]) => [parameter, copyOf(values.get(value)!)] as const);
      for (const [parameter, { data }] of updates) this.#parameters.get(parameter)!.data.set(data);
    }
    return outputs;
  }
}

/** Output shapes follow from the actual inputs, whose batch size may differ from the graph's. */
function runNode<K extends Op>({ op, name, attrs }: Node<K>, inputs: readonly Tensor[]): readonly Tensor[] {
  const outputs = inferTypes(op, name, inputs, attrs).map(({ dtype, shape }) => zeros(dtype, shape));
  // Shape inference has just checked their number.
  kernels[op](inputs as unknown as Operands, outputs as unknown as Operands, attrs);
  return outputs;
}

/** The same for several processes. */
async function runNodeAcross(node: AnyNode, inputs: readonly Tensor[], sum: SumOverRanks): Promise<readonly Tensor[]> {
  await new Promise((resolve) => setTimeout(resolve));
  const isAcross = node.op === "batchNormTraining" || node.op === "batchNormBackward";
  if (!isAcross || node.attrs.ranks === undefined) return runNode(node as Node, inputs);
  const outputs = inferTypes(node.op, node.name, inputs, node.attrs).map(({ dtype, shape }) => zeros(dtype, shape));
  const kernel = node.op === "batchNormTraining" ? batchNormAcross : batchNormBackwardAcross;
  await kernel(inputs as unknown as Operands, outputs as unknown as Operands, node.attrs, sum);
  return outputs;
}
