/** The `ort` executor: graphs run on ONNX Runtime. */

import { asyncDispose } from "../../disposal.ts";
import type { Graph } from "../../ir/graph.ts";
import { copyOf, sameShape, type Tensor, type TensorData, tensor, zeros } from "../../tensor.ts";
import { commonBatch, isBatchFree } from "../batch.ts";
import { checkInputs, checkWeights } from "../check-weights.ts";
import type { CompileOptions, Executor, Weights } from "../executor.ts";
import type { Lender } from "../host-trainer.ts";
import type { runInPortions } from "../portions.ts";
import { Uses } from "../uses.ts";
import { nchwc } from "./emitter.ts";
import type { BoundWeights } from "./live-weights.ts";
import { type LowerOptions, lower, usualRules } from "./lower.ts";
import type { BlockedLayout } from "./lower-blocked.ts";
import { encodeModel } from "./onnx.ts";
import { blockSize } from "./probe.ts";
import {
  createSession,
  type OnnxRuntime,
  type OnnxSession,
  type OnnxTensor,
  type OnnxTensors,
  type OrtHost,
  onnxTensor,
  runSession,
} from "./runtime.ts";

/**
 * An executor on the given ONNX Runtime: executor.node.ts passes onnxruntime-node; for onnxruntime-web use
 * `writesInPlace: false`. If the runtime does not load, every use throws SenetError `executor` with the reason.
 */
export function createOrtExecutor(host: OrtHost): Executor {
  const compile = (graph: Graph, weights: Weights, options: CompileOptions = {}) =>
    compileOn(host, graph, weights, options);
  return {
    name: "ort",
    get description() {
      return host.description();
    },
    compile,
    compileTraining: async (...training) => (await import("../host-trainer.ts")).hostTrainer(compile, ...training),
  };
}

async function compileOn(host: OrtHost, graph: Graph, weights: Weights, options: CompileOptions): Promise<Lender> {
  const runtime = host.runtime();
  checkWeights(graph, weights);
  const live = options.weights === "live" ? await import("./live-weights.ts") : undefined;
  live?.rejectSharedMemory(graph, weights);
  const written = { ...(live === undefined && { weights }), ...(await dialectOf(host, graph)) };
  const lowered = lower(graph, { ...written, blocked: await blockedFor(host) });
  const anyBatch = live === undefined && isBatchFree(graph);
  // The blocked layout fixes the batch size; other batches are run in portions.
  const isBlocked = Object.hasOwn(lowered.model.opsets, nchwc);
  const { model, outputs, updates } =
    anyBatch && !isBlocked ? lower(graph, { ...written, dynamicBatch: true }) : lowered;
  const session = await createSession(host, encodeModel(model), graph.name, options.threads);
  const bound = live?.bound(graph, weights, updates, session.inputNames, (value) => onnxTensor(runtime, value));
  const inPortions = isBlocked ? (await import("../portions.ts")).runInPortions : undefined;
  return new OrtExecutable(session, runtime, host, graph, { outputs, anyBatch, inPortions, bound });
}

/** Loads the rules that only some graphs or engines need. */
async function dialectOf({ dialect = "cpu" }: OrtHost, graph: Graph): Promise<Pick<LowerOptions, "dialect" | "rules">> {
  const isUsual = graph.nodes.every(({ op }) => Object.hasOwn(usualRules, op));
  const others = isUsual ? {} : (await import("./lower-others.ts")).rulesFor(graph);
  const own = dialect === "webgpu" ? (await import("./lower-webgpu.ts")).webGpuRules : {};
  return { dialect, rules: { ...others, ...own } };
}

/** Loaded if the engine has the blocked layout, which WebAssembly does not. */
async function blockedFor(host: OrtHost): Promise<BlockedLayout | undefined> {
  const size = await blockSize(host);
  return size > 1 ? (await import("./lower-blocked.ts")).blockedLayout(size) : undefined;
}

interface Plan {
  readonly outputs: ReadonlyMap<string, string>;
  /** Whether the inputs' batch may differ from the graph's. */
  readonly anyBatch: boolean;
  /** Set if the session only takes the graph's batch size. */
  readonly inPortions: typeof runInPortions | undefined;
  /** Live weights, which each run reads and updates. */
  readonly bound: BoundWeights | undefined;
}

type Tensors = ReadonlyMap<string, Tensor>;

class OrtExecutable implements Lender {
  readonly #session: OnnxSession;
  readonly #runtime: OnnxRuntime;
  readonly #host: OrtHost;
  readonly #graph: Graph;
  readonly #plan: Plan;
  /** Output tensors that stay between runs. */
  readonly #fetches: OnnxTensors;
  readonly #results = new Map<string, Tensor>();
  /** Serialises runs: feeds, fetches and live weights are shared. */
  readonly #uses: Uses;
  /** Copies of inputs whose memory ONNX Runtime cannot read. */
  readonly #staging = new Map<string, TensorData>();

  constructor(session: OnnxSession, runtime: OnnxRuntime, host: OrtHost, graph: Graph, plan: Plan) {
    this.#session = session;
    this.#runtime = runtime;
    this.#host = host;
    this.#graph = graph;
    this.#uses = new Uses(graph.name);
    this.#plan = plan;
    this.#fetches = { ...plan.bound?.fetches };
  }

  run(inputs: Tensors): Promise<Tensors> {
    return this.#uses.inTurn(async () => {
      const outputs = await this.#run(inputs);
      return new Map([...outputs].map(([name, output]) => [name, copyOf(output)]));
    });
  }

  lend(inputs: Tensors): Promise<Tensors> {
    return this.#uses.inTurn(() => this.#run(inputs));
  }

  dispose(): Promise<void> {
    return this.#uses.dispose(() => this.#session.release());
  }

  [asyncDispose](): Promise<void> {
    return this.dispose();
  }

  async #run(inputs: Tensors): Promise<Tensors> {
    const { anyBatch, inPortions } = this.#plan;
    checkInputs(this.#graph, inputs, anyBatch);
    if (!anyBatch) return this.#runAtOnce(inputs, undefined);
    if (inPortions === undefined) return this.#runAtOnce(inputs, commonBatch(this.#graph, inputs));
    const portion = this.#graph.inputs[0]?.type.shape[0];
    return inPortions(this.#graph, inputs, (part) => this.#runAtOnce(part, portion));
  }

  async #runAtOnce(inputs: Tensors, batch: number | undefined): Promise<Tensors> {
    const results = this.#allocate(this.#results, batch);
    for (const [output, name] of this.#plan.outputs) this.#fetches[name] = this.#tensor(results.get(output)!);
    const { bound } = this.#plan;
    const feeds = { ...bound?.feeds };
    for (const { name } of this.#graph.inputs) feeds[name] = this.#feed(name, inputs.get(name)!);
    await this.#runSession(feeds);
    for (const [from, to] of bound?.aside ?? []) to.data.set(from.data);
    return results;
  }

  async #runSession(feeds: OnnxTensors): Promise<void> {
    const { name } = this.#graph;
    if (this.#host.writesInPlace) {
      await runSession(this.#host, this.#session, name, feeds, this.#fetches);
      return;
    }
    const outputs = await runSession(this.#host, this.#session, name, feeds);
    for (const [name, { data }] of Object.entries(this.#fetches)) {
      (data as Float32Array).set(outputs[name]!.data as Float32Array);
    }
  }

  #tensor(value: Tensor): OnnxTensor {
    return onnxTensor(this.#runtime, value);
  }

  /** Allocates output tensors, which are kept until the batch size changes. */
  #allocate(results: Map<string, Tensor>, batch: number | undefined): Tensors {
    for (const [name, { type }] of this.#graph.outputs) {
      const shape = batch === undefined ? type.shape : [batch, ...type.shape.slice(1)];
      const known = results.get(name);
      if (known === undefined || !sameShape(known.shape, shape)) results.set(name, zeros(type.dtype, shape));
    }
    return results;
  }

  #feed(name: string, { dtype, shape, data }: Tensor): OnnxTensor {
    if (data.buffer instanceof ArrayBuffer) return this.#tensor({ dtype, shape, data });
    // Node's bindings do not accept shared memory.
    let copy = this.#staging.get(name);
    if (copy?.length !== data.length) {
      copy = zeros(dtype, shape).data;
      this.#staging.set(name, copy);
    }
    copy.set(data);
    return this.#tensor(tensor(shape, copy));
  }
}
