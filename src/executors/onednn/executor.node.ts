/** The `onednn` executor: runs graphs on oneDNN's primitives; training stays in its blocked layouts throughout. */

import { option, SenetError } from "../../errors.ts";
import type { Graph } from "../../ir/graph.ts";
import { cpuMilliseconds, lastCache, machineThreads, usableThreads } from "../../machine.node.ts";
import type { UpdateRule } from "../../optim/rule.ts";
import { copyOf, scaleInPlace, type Tensor } from "../../tensor.ts";
import { isBatchFree } from "../batch.ts";
import { checkInputs, checkWeights } from "../check-weights.ts";
import type {
  CompileOptions,
  Executable,
  Executor,
  PlanFacts,
  Trainer,
  TrainingOptions,
  UpdateOptions,
  Weights,
} from "../executor.ts";
import { runInPortions } from "../portions.ts";
import { requireOthers } from "../require-others.ts";
import { Uses } from "../uses.ts";
import type { Api } from "./api.node.ts";
import { hasBf16, hasTiles, onednnLibraries, openApi } from "./engine.node.ts";
import { formatVersion, hasIsa } from "./library.node.ts";
import { type Lowered, type LoweredTraining, lower, lowerTraining } from "./lower.node.ts";
import { setThreads, startTeam } from "./openmp.node.ts";
import { PacedExecutable, type PacedOptions, PacedTrainer, type Planned } from "./paced.ts";
import type { BoundStep } from "./plan.node.ts";
import type { PlanLayout } from "./spec.ts";
import { chooseWay, type Question } from "./tuning.node.ts";

export interface OnednnOptions {
  /**
   * `bf16` applies to activations and the weights multiplied with them; master weights, statistics and loss stay in
   * float32.
   */
  readonly precision?: "float32" | "bf16";
  /** Layout of pictures between operations; default: whichever is faster here. */
  readonly layout?: PlanLayout;
}

/** @throws SenetError `executor` where the library is not installed, or the processor lacks the precision */
export function createOnednnExecutor({ precision = "float32", layout }: OnednnOptions = {}): Executor {
  const type = precision === "bf16" ? "bf16" : "f32";
  const libraries = onednnLibraries(type);
  const bf16 = hasBf16();
  if (process.arch === "x64" && !hasIsa(libraries[0]!.isa, "avx2")) {
    // Its code for older processors has ended the process (docs/log.md).
    throw new SenetError("executor", "oneDNN is not used on this processor", {
      expected: "AVX2",
      hint: `${option("executor")} ort`,
    });
  }
  if (precision === "bf16" && !bf16) {
    throw new SenetError("executor", "this processor does not compute in bf16", {
      where: `${option("precision")} bf16`,
      expected: "AVX-512 with BF16, or AMX",
      hint: `leave ${option("precision")} out: float32 is faster here`,
    });
  }
  const found = libraries.map(({ path, version }) => `${formatVersion(version)} (${path})`).join(" and ");
  const either = libraries.length > 1 ? ", for each network the one that is measured to be faster" : "";
  const inBf16 = hasTiles() ? "bf16 by tiles (AMX)" : bf16 ? "bf16 in hardware" : "no bf16";
  return {
    name: "onednn",
    description: `oneDNN ${found} on the CPU${either}, ${inBf16}`,
    async compile(graph: Graph, weights: Weights, options: CompileOptions = {}): Promise<Executable> {
      checkWeights(graph, weights);
      requireOthers(graph, options.sumOverRanks);
      const live = options.weights === "live";
      // A recompilation for another number of threads must use the same weights, whatever happened to the arrays.
      const own = live ? weights : copies(weights);
      const create = (wanted: number) =>
        opened({ graph, type, layout }, { ...options, threads: wanted }, (api, threads, layout) => {
          const { sumOverRanks } = options;
          const lowered = lower(api, graph, own, { live, sumOverRanks, type, layout, cache: lastCache() });
          return new OnednnExecutable(
            new Runner(api, graph, lowered, { ...options, threads }),
            !live && isBatchFree(graph),
          );
        });
      return paced<Planned<Executable>>(graph, options, create, (pace) => new PacedExecutable(pace));
    },
    async compileTraining(
      graph: Graph,
      weights: Weights,
      rule: UpdateRule,
      options: TrainingOptions = {},
    ): Promise<Trainer> {
      checkWeights(graph, weights);
      requireOthers(graph, options.sumOverRanks);
      const create = (wanted: number) =>
        opened({ graph, type, layout }, { ...options, threads: wanted }, (api, threads, layout) => {
          const { sumOverRanks } = options;
          const lowered = lowerTraining(api, graph, weights, rule, { type, layout, sumOverRanks });
          const runner = new Runner(api, graph, lowered, { ...options, threads });
          return new OnednnTrainer(runner, lowered, options.onGradient);
        });
      return paced<Planned<Trainer>>(graph, options, create, (pace) => new PacedTrainer(pace));
    },
  };
}

/** Compiles for the requested threads; by default for all, and for fewer while the machine is busy. */
function paced<T>(
  { name }: Graph,
  { threads, say = () => {} }: TrainingOptions,
  create: (threads: number) => T,
  byPace: (options: PacedOptions<T>) => T,
): T {
  const most = usableThreads();
  if (threads !== undefined || most === 1) return create(threads ?? most);
  return byPace({ name, most, create, cpuMilliseconds, say });
}

/** Creates an API session for an executable, which closes it. */
function opened<T>(
  question: Omit<Question, "threads" | "libraries">,
  options: TrainingOptions,
  compile: (api: Api, threads: number, layout: PlanLayout) => T,
): T {
  // OpenMP aborts the process if it cannot start as many threads as requested.
  const threads = startTeam(Math.min(options.threads ?? usableThreads(), machineThreads()));
  setThreads(threads);
  const isInEightBits = question.graph.nodes.some(({ op }) => op === "quantize");
  const libraries = onednnLibraries(isInEightBits ? "s8" : question.type);
  const { library, layout } = chooseWay({ ...question, libraries, threads });
  const api = openApi(library);
  try {
    return compile(api, threads, layout);
  } catch (cause) {
    api.dispose();
    throw cause;
  }
}

type Tensors = ReadonlyMap<string, Tensor>;

/** Longest time to block the event loop, if primitives are short enough. */
const sliceMilliseconds = 15;

type RunnerOptions = TrainingOptions & { readonly threads: number };

/** Runs the plan's steps. */
class Runner {
  readonly graph: Graph;
  readonly #api: Api;
  readonly #lowered: Lowered;
  readonly #options: RunnerOptions;
  #isLoaded = false;
  /** Runs are sequential, though each yields to the event loop. */
  readonly #uses: Uses;

  constructor(api: Api, graph: Graph, lowered: Lowered, options: RunnerOptions) {
    this.#api = api;
    this.graph = graph;
    this.#uses = new Uses(graph.name);
    this.#lowered = lowered;
    this.#options = options;
  }

  get plan(): PlanFacts {
    const { steps, arenaBytes, layout, reorders, reorderedBytes } = this.#lowered.plan;
    return { steps: steps.length, arenaBytes, layout, reorders, reorderedBytes };
  }

  /** Runs after everything started earlier is done. */
  inTurn<T>(run: () => Promise<T>): Promise<T> {
    return this.#uses.inTurn(run);
  }

  /**
   * Runs the graph; the next run overwrites the results.
   * @param after called with the index of each finished step of the plan
   */
  async graphOnce(inputs: Tensors, after?: (step: number) => void): Promise<Tensors> {
    const { plan, outputs, update } = this.#lowered;
    for (const [name, into] of this.#lowered.inputs) into.set(inputs.get(name)!.data);
    if (!this.#isLoaded) await this.steps(plan.aside.load);
    this.#isLoaded = true;
    await this.steps(plan.steps, after);
    update();
    return outputs;
  }

  /** @throws SenetError `executor`, naming the step that failed */
  async steps(steps: readonly BoundStep[], after?: (step: number) => void): Promise<void> {
    const { threads, observe } = this.#options;
    setThreads(threads);
    let start = performance.now();
    let sliceEnd = start + sliceMilliseconds;
    for (const [index, { name, kind, run }] of steps.entries()) {
      const ran = run();
      const status = typeof ran === "number" ? ran : await ran;
      if (typeof ran !== "number") setThreads(threads);
      if (status !== 0) throw new SenetError("executor", "oneDNN failed", { where: name, found: `status ${status}` });
      after?.(index);
      const now = performance.now();
      observe?.(kind, now - start);
      start = now;
      if (now < sliceEnd) continue;
      // Lets progress output, Ctrl-C and the loader run.
      await new Promise((resolve) => setImmediate(resolve));
      setThreads(threads);
      start = performance.now();
      sliceEnd = start + sliceMilliseconds;
    }
  }

  dispose(): Promise<void> {
    return this.#uses.dispose(() => this.#api.dispose());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

const copies = (outputs: Tensors): Tensors => new Map([...outputs].map(([name, output]) => [name, copyOf(output)]));

class OnednnExecutable implements Executable {
  readonly #runner: Runner;
  /** Whether the inputs' batch may differ from the graph's. */
  readonly #anyBatch: boolean;

  constructor(runner: Runner, anyBatch: boolean) {
    this.#runner = runner;
    this.#anyBatch = anyBatch;
  }

  get plan(): PlanFacts {
    return this.#runner.plan;
  }

  run(inputs: Tensors): Promise<Tensors> {
    const runner = this.#runner;
    const { graph } = runner;
    return runner.inTurn(async () => {
      checkInputs(graph, inputs, this.#anyBatch);
      if (this.#anyBatch) return runInPortions(graph, inputs, (part) => runner.graphOnce(part));
      return copies(await runner.graphOnce(inputs));
    });
  }

  dispose(): Promise<void> {
    return this.#runner.dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

class OnednnTrainer implements Trainer {
  readonly #runner: Runner;
  readonly #lowered: LoweredTraining;
  readonly #afterStep: ((step: number) => void) | undefined;
  /** Whether weights have changed since the last `synchronise`. */
  #isAhead = false;

  constructor(runner: Runner, lowered: LoweredTraining, onGradient: TrainingOptions["onGradient"]) {
    this.#runner = runner;
    this.#lowered = lowered;
    if (onGradient !== undefined) {
      this.#afterStep = (step) => {
        for (const { parameter, data } of lowered.finals.get(step) ?? []) onGradient(parameter, data);
      };
    }
  }

  get plan(): PlanFacts {
    return this.#runner.plan;
  }

  get gradientData(): readonly Float32Array[] {
    return [this.#lowered.gradientData];
  }

  gradients(inputs: Tensors): Promise<Tensors> {
    const runner = this.#runner;
    return runner.inTurn(async () => {
      checkInputs(runner.graph, inputs, false);
      return copies(await runner.graphOnce(inputs, this.#afterStep));
    });
  }

  areFinite(): Promise<boolean> {
    const { plan, finite } = this.#lowered;
    return this.#runner.inTurn(async () => {
      await this.#runner.steps(plan.aside.check);
      return finite();
    });
  }

  update({ scale = 1, ...step }: UpdateOptions): Promise<void> {
    const { plan, setNumbers, gradientData } = this.#lowered;
    return this.#runner.inTurn(async () => {
      if (scale !== 1) scaleInPlace(gradientData, scale);
      setNumbers(step);
      this.#isAhead = true;
      await this.#runner.steps(plan.aside.update);
    });
  }

  synchronise(): Promise<void> {
    return this.#runner.inTurn(async () => {
      if (this.#isAhead) await this.#runner.steps(this.#lowered.plan.aside.store);
      this.#isAhead = false;
    });
  }

  dispose(): Promise<void> {
    return this.#runner.dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}
