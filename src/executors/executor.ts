/** The interface that every engine implements. */

import type { Graph } from "../ir/graph.ts";
import type { StepNumbers } from "../optim/optimizers.ts";
import type { UpdateRule } from "../optim/rule.ts";
import type { Tensor, TensorData } from "../tensor.ts";

/** Parameters by name. The arrays are the weights themselves: optimisers update them in place. */
export type Weights = ReadonlyMap<string, Tensor>;

/**
 * Sums numbers over all processes that train together, in place, so that all get the same. All must call it in the same
 * order.
 */
export type SumOverRanks = (values: Float64Array) => Promise<void>;

export interface CompileOptions {
  /**
   * `live`: each run reads the current contents of the arrays in `weights`, and writes the graph's updates into them.
   * `frozen` (default): the engine may copy, reorder and fold weights at compile time; later changes have no effect.
   */
  readonly weights?: "live" | "frozen";
  /**
   * Threads inside one operation. Default and maximum: as many as this process may use; onednn may use fewer while the
   * machine is busy. The same number of threads gives the same bits; another number need not.
   */
  readonly threads?: number | undefined;
  /** Is told the kind of work and its milliseconds for each step, by engines that know them (onednn). */
  readonly observe?: (kind: string, milliseconds: number) => void;
  /** Is told in one line what the engine decides on its own, such as using fewer threads on a busy machine. */
  readonly say?: (line: string) => void;
  /** Needed for graphs with batch norm over several processes (`ranks` of a node). */
  readonly sumOverRanks?: SumOverRanks;
}

export interface Executor {
  readonly name: string;
  /** One line for `senet doctor`: the engine and its version. */
  readonly description: string;
  /**
   * @throws SenetError `weights` where a parameter is missing or misshapen; `executor` where an operation or dtype is
   * not supported, naming the node and the reason
   */
  compile(graph: Graph, weights: Weights, options?: CompileOptions): Promise<Executable>;
  /**
   * Compiles a training graph together with the optimiser that uses its gradients.
   * @throws SenetError as `compile`
   */
  compileTraining(graph: Graph, weights: Weights, rule: UpdateRule, options?: TrainingOptions): Promise<Trainer>;
}

export interface Running {
  /**
   * Aborts a run, which then rejects with the signal's reason. The reference engine stops at once; others finish the
   * run in the background.
   */
  readonly signal?: AbortSignal | undefined;
}

export interface Executable extends AsyncDisposable {
  /**
   * Runs the graph once. `inputs` are keyed by the names of the graph's inputs and must not be modified until the run
   * has ended. With `frozen` weights, the batch size may differ from the graph's if nothing depends on it. The results
   * belong to the caller.
   *
   * Overlapping runs are executed in turn.
   * @throws SenetError `shape` where the inputs do not fit; `executor` where the engine fails, or after `dispose`
   */
  run(inputs: ReadonlyMap<string, Tensor>, options?: Running): Promise<ReadonlyMap<string, Tensor>>;
  /** Waits for runs under way, then frees the memory. May be called twice. */
  dispose(): Promise<void>;
  /** Facts about the plan, from engines that plan steps and memory themselves. */
  readonly plan?: PlanFacts;
}

export interface PlanFacts {
  readonly steps: number;
  /** Bytes of memory shared by activations and their gradients. */
  readonly arenaBytes: number;
  /**
   * Describes the layout of values between operations. Gradients of two trainers can only be added if it is the same.
   */
  readonly layout: string;
  /** The activations whose layout must be converted, by the operations that need it. */
  readonly reorders: readonly string[];
  /** Bytes that these conversions write in a run. */
  readonly reorderedBytes: number;
}

export interface TrainingOptions extends Pick<CompileOptions, "threads" | "observe" | "say" | "sumOverRanks"> {
  /**
   * Called during `gradients` when a parameter's gradient is final, in the order of the backward pass. `data` is a part
   * of `gradientData`, which then is a single array made of such parts. From then on the caller may modify it, for
   * example sum it over processes while the rest is still computed.
   */
  readonly onGradient?: (parameter: string, data: TensorData) => void;
}

/**
 * A training graph with its optimiser. Between steps, the engine holds the current weights in its own layout. A step
 * has two halves, which belong to one caller; in between, gradients can be accumulated, clipped, or summed over
 * processes. Overlapping calls are executed in turn, results belong to the caller, and after `dispose` all calls are
 * rejected, as for an `Executable`.
 */
export interface Trainer extends AsyncDisposable {
  /**
   * Forward and backward pass. `inputs` as for `Executable.run`; the gradients stay in the engine until the next call.
   * @returns the graph's outputs other than gradients
   */
  gradients(inputs: ReadonlyMap<string, Tensor>, options?: Running): Promise<ReadonlyMap<string, Tensor>>;
  /** Whether the current gradients are finite; if not, an update would spoil the weights. */
  areFinite(): Promise<boolean>;
  /**
   * The gradients in the engine's own layout, one or several per array. Element-wise operations on all of them are
   * allowed; gaps between parameters are zero, so that norms are right. Valid until the next `gradients`.
   */
  readonly gradientData: readonly TensorData[];
  /** The optimiser's step with the current gradients. */
  update(options: UpdateOptions): Promise<void>;
  /** Copies weights and optimiser state into their arrays, which otherwise hold the values of the last call. */
  synchronise(): Promise<void>;
  dispose(): Promise<void>;
  readonly plan?: PlanFacts;
}

export interface UpdateOptions extends Omit<StepNumbers, "decay"> {
  /** Factor on the gradients; default 1. */
  readonly scale?: number;
}
