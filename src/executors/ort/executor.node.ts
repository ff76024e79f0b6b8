/** The `ort` executor: graphs run on ONNX Runtime, on the CPU. */

import { env, InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { SenetError } from "../../errors.ts";
import type { Graph, Parameter } from "../../ir/graph.ts";
import { type Tensor, type TensorData, tensor, zeros } from "../../tensor.ts";
import { checkInputs, checkWeights } from "../check-weights.ts";
import type { CompileOptions, Executable, Executor, Weights } from "../executor.ts";
import { isBatchFree, lower } from "./lower.ts";
import { encodeModel } from "./onnx.ts";
import { blockSize } from "./probe.node.ts";

export const ortExecutor: Executor = {
  name: "ort",
  description: `ONNX Runtime ${env.versions.node} on the CPU`,
  async compile(graph: Graph, weights: Weights, options: CompileOptions = {}): Promise<Executable> {
    checkWeights(graph, weights);
    const live = options.weights === "live";
    if (live) rejectSharedMemory(graph, weights);
    const dynamicBatch = !live && isBatchFree(graph);
    const lowered = lower(graph, live ? { blockSize: await blockSize() } : { weights, dynamicBatch });
    const session = await createSession(graph, encodeModel(lowered.model), options);
    return new OrtExecutable(session, graph, { ...lowered, dynamicBatch, live: live ? weights : undefined });
  },
};

async function createSession(graph: Graph, model: Uint8Array, { threads }: CompileOptions): Promise<InferenceSession> {
  try {
    return await InferenceSession.create(model, {
      executionProviders: ["cpu"],
      graphOptimizationLevel: "all",
      logSeverityLevel: 3,
      // A memory pattern is one more block of the whole size, beside what the first run took (docs/log.md).
      enableMemPattern: false,
      ...(threads === undefined ? {} : { intraOpNumThreads: threads }),
    });
  } catch (cause) {
    throw new SenetError("executor", "ONNX Runtime cannot serve this graph", {
      where: graph.name,
      found: cause instanceof Error ? cause.message : String(cause),
      cause,
    });
  }
}

interface Plan {
  readonly outputs: ReadonlyMap<string, string>;
  readonly updates: ReadonlyMap<Parameter, string>;
  readonly dynamicBatch: boolean;
  /** The weights that each run reads and updates. */
  readonly live: Weights | undefined;
}

class OrtExecutable implements Executable {
  readonly #session: InferenceSession;
  readonly #graph: Graph;
  readonly #plan: Plan;
  /** Feeds and fetches that stay between runs. */
  readonly #weightFeeds: Record<string, OrtTensor> = {};
  readonly #fetches: Record<string, OrtTensor> = {};
  readonly #results = new Map<string, Tensor>();
  /** Copies of inputs whose memory ONNX Runtime cannot read. */
  readonly #staging = new Map<string, TensorData>();
  /** Next values that cannot be written over the old ones while the graph still reads these. */
  readonly #aside: (readonly [from: Tensor, to: Tensor])[] = [];
  #batch: number | undefined;

  constructor(session: InferenceSession, graph: Graph, plan: Plan) {
    this.#session = session;
    this.#graph = graph;
    this.#plan = plan;
    if (plan.live !== undefined) this.#bind(plan.live);
  }

  async run(inputs: ReadonlyMap<string, Tensor>): Promise<ReadonlyMap<string, Tensor>> {
    const batch = this.#check(inputs);
    if (this.#results.size === 0 || batch !== this.#batch) this.#allocateOutputs(batch);
    const feeds = { ...this.#weightFeeds };
    for (const { name } of this.#graph.inputs) feeds[name] = this.#feed(name, inputs.get(name)!);
    await this.#session.run(feeds, this.#fetches);
    for (const [from, to] of this.#aside) to.data.set(from.data);
    return this.#results;
  }

  async dispose(): Promise<void> {
    await this.#session.release();
  }

  #bind(weights: Weights): void {
    for (const { name } of this.#graph.parameters) {
      if (this.#session.inputNames.includes(name)) this.#weightFeeds[name] = ortTensor(weights.get(name)!);
    }
    for (const [parameter, name] of this.#plan.updates) {
      const target = weights.get(parameter.name)!;
      const inPlace = canUpdateInPlace(this.#graph, parameter);
      const output = inPlace ? target : zeros(target.dtype, target.shape);
      if (!inPlace) this.#aside.push([output, target]);
      this.#fetches[name] = ortTensor(output);
    }
  }

  /** The batch of these inputs, which is one for all of them. */
  #check(inputs: ReadonlyMap<string, Tensor>): number {
    const { dynamicBatch } = this.#plan;
    checkInputs(this.#graph, inputs, dynamicBatch);
    const batches = new Set([...inputs.values()].map(({ shape }) => shape[0] ?? 1));
    if (dynamicBatch && batches.size > 1) {
      throw new SenetError("shape", "the inputs differ in batch", {
        where: this.#graph.name,
        found: [...batches].join(", "),
      });
    }
    return batches.values().next().value ?? 1;
  }

  #allocateOutputs(batch: number): void {
    this.#batch = batch;
    for (const [output, name] of this.#plan.outputs) {
      const { dtype, shape } = this.#graph.outputs.get(output)!.type;
      const result = zeros(dtype, this.#plan.dynamicBatch ? [batch, ...shape.slice(1)] : shape);
      this.#results.set(output, result);
      this.#fetches[name] = ortTensor(result);
    }
  }

  #feed(name: string, { dtype, shape, data }: Tensor): OrtTensor {
    if (data.buffer instanceof ArrayBuffer) return ortTensor({ dtype, shape, data });
    // Node's bindings take no memory that is shared between threads.
    let copy = this.#staging.get(name);
    if (copy?.length !== data.length) {
      copy = zeros(dtype, shape).data;
      this.#staging.set(name, copy);
    }
    copy.set(data);
    return ortTensor(tensor(shape, copy));
  }
}

/** Node's bindings read and write `data` itself: nothing is copied on the way in. */
const ortTensor = ({ dtype, shape, data }: Tensor): OrtTensor => new OrtTensor(dtype, data, shape);

/**
 * Whether a parameter's next value may be written straight over it: nothing reads the parameter but the running average
 * that makes that value, and that is elementwise.
 */
function canUpdateInPlace(graph: Graph, parameter: Parameter): boolean {
  const next = graph.updates.get(parameter)!;
  if ([...graph.outputs.values(), ...graph.updates.values()].some((value) => value === parameter)) return false;
  return graph.nodes
    .filter((node) => node.inputs.includes(parameter))
    .every((node) => node.op === "runningAverage" && node.outputs[0] === next && node.inputs[1] !== parameter);
}

/** Node's bindings cannot read or write memory that is shared between threads; a copy would not be live. */
function rejectSharedMemory(graph: Graph, weights: Weights): void {
  const shared = graph.parameters.find(({ name }) => !(weights.get(name)!.data.buffer instanceof ArrayBuffer));
  if (shared === undefined) return;
  throw new SenetError("executor", "live weights cannot be in shared memory", {
    where: shared.name,
    expected: "an array over an ArrayBuffer",
    found: "one over a SharedArrayBuffer",
  });
}
