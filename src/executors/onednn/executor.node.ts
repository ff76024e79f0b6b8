/** The `onednn` executor: graphs run on oneDNN's primitives, training graphs in its blocked layouts from end to end. */

import { cpus } from "node:os";
import { SenetError } from "../../errors.ts";
import type { Graph } from "../../ir/graph.ts";
import { allFinite, type Tensor } from "../../tensor.ts";
import { checkInputs, checkWeights } from "../check-weights.ts";
import type {
  CompileOptions,
  Executable,
  Executor,
  PlanFacts,
  SgdRule,
  Stepped,
  Trainer,
  TrainingOptions,
  Weights,
} from "../executor.ts";
import { isBatchFree, runInPortions } from "../portions.ts";
import type { Api } from "./api.node.ts";
import { hasBf16, onednnLibrary, openApi } from "./engine.node.ts";
import { formatVersion, setThreads } from "./library.node.ts";
import { type Lowered, type LoweredTraining, lower, lowerTraining } from "./lower.node.ts";
import type { BoundStep } from "./plan.node.ts";

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
      const live = options.weights === "live";
      return opened(options, (api, threads) => {
        const lowered = lower(api, graph, weights, { live, type });
        return new OnednnExecutable(
          new Runner(api, graph, lowered, { ...options, threads }),
          !live && isBatchFree(graph),
        );
      });
    },
    async compileTraining(
      graph: Graph,
      weights: Weights,
      sgd: SgdRule,
      options: TrainingOptions = {},
    ): Promise<Trainer> {
      checkWeights(graph, weights);
      return opened(options, (api, threads) => {
        const lowered = lowerTraining(api, graph, weights, sgd, { type });
        return new OnednnTrainer(new Runner(api, graph, lowered, { ...options, threads }), lowered);
      });
    },
  };
}

/** An API of its own for each executable, which closes it. */
function opened<T>({ threads = cpus().length }: TrainingOptions, compile: (api: Api, threads: number) => T): T {
  setThreads(threads);
  const api = openApi();
  try {
    return compile(api, threads);
  } catch (cause) {
    api.dispose();
    throw cause;
  }
}

type Tensors = ReadonlyMap<string, Tensor>;

/** How long the event loop may stand still, primitives permitting. */
const sliceMilliseconds = 15;

type RunnerOptions = TrainingOptions & { readonly threads: number };

/** Runs the plan's steps. */
class Runner {
  readonly graph: Graph;
  readonly #api: Api;
  readonly #lowered: Lowered;
  readonly #options: RunnerOptions;
  #isLoaded = false;
  /** Runs come one after the other, though each lets others go on in between. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(api: Api, graph: Graph, lowered: Lowered, options: RunnerOptions) {
    this.#api = api;
    this.graph = graph;
    this.#lowered = lowered;
    this.#options = options;
  }

  get plan(): PlanFacts {
    const { steps, arenaBytes, reorders } = this.#lowered.plan;
    return { steps: steps.length, arenaBytes, reorders };
  }

  /** Runs once all that was begun before is done. */
  after<T>(run: () => Promise<T>): Promise<T> {
    const next = this.#last.then(run);
    this.#last = next.catch(() => {});
    return next;
  }

  async graphOnce(inputs: Tensors): Promise<Tensors> {
    const { plan, outputs, update } = this.#lowered;
    for (const [name, into] of this.#lowered.inputs) into.set(inputs.get(name)!.data);
    if (!this.#isLoaded) await this.steps(plan.aside.load);
    this.#isLoaded = true;
    await this.steps(plan.steps);
    update();
    return outputs;
  }

  /** @throws SenetError `executor` naming the step that failed */
  async steps(steps: readonly BoundStep[]): Promise<void> {
    const { threads, observe } = this.#options;
    setThreads(threads);
    let start = performance.now();
    let sliceEnd = start + sliceMilliseconds;
    for (const { name, kind, run } of steps) {
      const status = run();
      if (status !== 0) throw new SenetError("executor", "oneDNN failed", { where: name, found: `status ${status}` });
      const now = performance.now();
      observe?.(kind, now - start);
      start = now;
      if (now < sliceEnd) continue;
      // Progress, Ctrl-C and the loader go on.
      await new Promise((resolve) => setImmediate(resolve));
      setThreads(threads);
      start = performance.now();
      sliceEnd = start + sliceMilliseconds;
    }
  }

  async dispose(): Promise<void> {
    await this.#last;
    this.#api.dispose();
  }
}

class OnednnExecutable implements Executable {
  readonly #runner: Runner;
  /** Whether the inputs' batch may differ from the graph's. */
  readonly #anyBatch: boolean;
  /** Outputs of a batch that ran in portions. */
  readonly #whole = new Map<string, Tensor>();

  constructor(runner: Runner, anyBatch: boolean) {
    this.#runner = runner;
    this.#anyBatch = anyBatch;
  }

  get plan(): PlanFacts {
    return this.#runner.plan;
  }

  async run(inputs: Tensors): Promise<Tensors> {
    const runner = this.#runner;
    const { graph } = runner;
    checkInputs(graph, inputs, this.#anyBatch);
    return runner.after(() =>
      this.#anyBatch
        ? runInPortions(graph, inputs, this.#whole, (part) => runner.graphOnce(part))
        : runner.graphOnce(inputs),
    );
  }

  dispose(): Promise<void> {
    return this.#runner.dispose();
  }
}

class OnednnTrainer implements Trainer {
  readonly #runner: Runner;
  readonly #lowered: LoweredTraining;
  /** Whether the weights have changed since they were last brought into their arrays. */
  #isAhead = false;

  constructor(runner: Runner, lowered: LoweredTraining) {
    this.#runner = runner;
    this.#lowered = lowered;
  }

  get plan(): PlanFacts {
    return this.#runner.plan;
  }

  async step(inputs: Tensors, rate: number): Promise<Stepped> {
    checkInputs(this.#runner.graph, inputs, false);
    return this.#runner.after(() => this.#step(inputs, rate));
  }

  async synchronise(): Promise<void> {
    await this.#runner.after(async () => {
      if (this.#isAhead) await this.#runner.steps(this.#lowered.plan.aside.store);
      this.#isAhead = false;
    });
  }

  dispose(): Promise<void> {
    return this.#runner.dispose();
  }

  async #step(inputs: Tensors, rate: number): Promise<Stepped> {
    const { plan, finite, negativeRate } = this.#lowered;
    const outputs = await this.#runner.graphOnce(inputs);
    await this.#runner.steps(plan.aside.check);
    if (!finite() || ![...outputs.values()].every(allFinite)) {
      return { outputs, finite: false, optimiserMilliseconds: 0 };
    }
    const start = performance.now();
    negativeRate[0] = -rate;
    this.#isAhead = true;
    await this.#runner.steps(plan.aside.update);
    return { outputs, finite: true, optimiserMilliseconds: performance.now() - start };
  }
}
