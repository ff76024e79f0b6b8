/** The `onednn` executor: graphs run on oneDNN's primitives, training graphs in its blocked layouts from end to end. */

import { cpus } from "node:os";
import { SenetError } from "../../errors.ts";
import type { Graph } from "../../ir/graph.ts";
import type { Tensor } from "../../tensor.ts";
import { checkInputs, checkWeights } from "../check-weights.ts";
import type { CompileOptions, Executable, Executor, Weights } from "../executor.ts";
import { isBatchFree, runInPortions } from "../portions.ts";
import type { Api } from "./api.node.ts";
import { hasBf16, onednnLibrary, openApi } from "./engine.node.ts";
import { formatVersion, setThreads } from "./library.node.ts";
import { type Lowered, lower } from "./lower.node.ts";

export interface OnednnOptions {
  /** `bf16`: activations, and the weights that meet them; weights themselves, statistics and loss stay in float32. */
  readonly precision?: "float32" | "bf16";
}

/** @throws SenetError `executor` where the library is not on this machine, or the processor has not the precision */
export function createOnednnExecutor({ precision = "float32" }: OnednnOptions = {}): Executor {
  const { path, version } = onednnLibrary();
  const bf16 = hasBf16();
  if (precision === "bf16" && !bf16) {
    throw new SenetError("executor", "this processor does not compute in bf16", {
      where: "--precision bf16",
      expected: "AVX-512 with BF16, or AMX",
      hint: "leave --precision out: float32 is faster here",
    });
  }
  const type = precision === "bf16" ? "bf16" : "f32";
  return {
    name: "onednn",
    description: `oneDNN ${formatVersion(version)} on the CPU (${path}), ${bf16 ? "bf16 in hardware" : "no bf16"}`,
    async compile(graph: Graph, weights: Weights, options: CompileOptions = {}): Promise<Executable> {
      checkWeights(graph, weights);
      const threads = options.threads ?? cpus().length;
      setThreads(threads);
      const api = openApi();
      try {
        const live = options.weights === "live";
        const lowered = lower(api, graph, weights, { live, type });
        return new OnednnExecutable(api, graph, lowered, live, threads);
      } catch (cause) {
        api.dispose();
        throw cause;
      }
    },
  };
}

/** How long the event loop may stand still, primitives permitting. */
const sliceMilliseconds = 15;

class OnednnExecutable implements Executable {
  readonly #api: Api;
  readonly #graph: Graph;
  readonly #lowered: Lowered;
  readonly #live: boolean;
  readonly #threads: number;
  /** Whether the inputs' batch may differ from the graph's. */
  readonly #anyBatch: boolean;
  /** Outputs of a batch that ran in portions. */
  readonly #whole = new Map<string, Tensor>();
  #isPrepared = false;
  /** Runs come one after the other, though each lets others go on in between. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(api: Api, graph: Graph, lowered: Lowered, live: boolean, threads: number) {
    this.#api = api;
    this.#graph = graph;
    this.#lowered = lowered;
    this.#live = live;
    this.#threads = threads;
    this.#anyBatch = !live && isBatchFree(graph);
  }

  async run(inputs: ReadonlyMap<string, Tensor>): Promise<ReadonlyMap<string, Tensor>> {
    checkInputs(this.#graph, inputs, this.#anyBatch);
    const run = this.#last.then(() =>
      this.#anyBatch ? runInPortions(this.#graph, inputs, this.#whole, (part) => this.#run(part)) : this.#run(inputs),
    );
    this.#last = run.catch(() => {});
    return run;
  }

  async dispose(): Promise<void> {
    await this.#last;
    this.#api.dispose();
  }

  async #run(inputs: ReadonlyMap<string, Tensor>): Promise<ReadonlyMap<string, Tensor>> {
    const { plan, outputs, update } = this.#lowered;
    for (const [name, into] of this.#lowered.inputs) into.set(inputs.get(name)!.data);
    const steps = this.#live || !this.#isPrepared ? [...plan.prepare, ...plan.steps] : plan.steps;
    setThreads(this.#threads);
    let mark = performance.now();
    for (const { name, run } of steps) {
      const status = run();
      if (status !== 0) throw new SenetError("executor", "oneDNN failed", { where: name, found: `status ${status}` });
      if (performance.now() - mark < sliceMilliseconds) continue;
      // Progress, Ctrl-C and the loader go on.
      await new Promise((resolve) => setImmediate(resolve));
      setThreads(this.#threads);
      mark = performance.now();
    }
    this.#isPrepared = true;
    update();
    return outputs;
  }
}
