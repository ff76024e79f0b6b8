/** The interface that every engine implements, and nothing else. */

import type { Graph } from "../ir/graph.ts";
import type { StepNumbers } from "../optim/optimizers.ts";
import type { UpdateRule } from "../optim/rule.ts";
import type { Tensor, TensorData } from "../tensor.ts";

/** Parameters by name. The arrays are the weights: an optimiser writes into them in place. */
export type Weights = ReadonlyMap<string, Tensor>;

/** Adds up numbers of all processes that train together, in place: each gets the same. All are to call it alike. */
export type SumOverRanks = (values: Float64Array) => Promise<void>;

export interface CompileOptions {
  /**
   * `live`: each run reads the arrays in `weights` as they are then, and writes the graph's updates into them.
   * `frozen` (default): the engine may copy, reorder and fold the weights at compile time; later changes are not seen.
   */
  readonly weights?: "live" | "frozen";
  /**
   * Threads inside one operation; default, and at most: as many as this process may use, which may become
   * fewer while the machine is busy (onednn). The same number gives the same results to the last bit, another need not.
   */
  readonly threads?: number;
  /** Told, step by step, the kind of work and the milliseconds that it took, by an engine that knows (onednn). */
  readonly observe?: (kind: string, milliseconds: number) => void;
  /** Told, in a line, what the engine does of its own accord: going on with fewer threads on a busy machine. */
  readonly say?: (line: string) => void;
  /** For graphs in which batch norm is over the batches of several processes (`ranks` of a node). */
  readonly sumOverRanks?: SumOverRanks;
}

export interface Executor {
  readonly name: string;
  /** One line for `senet doctor`: the engine and its version. */
  readonly description: string;
  /**
   * @throws SenetError `weights` where a parameter is missing or misshapen, `executor` where an operation or dtype
   * cannot be served, naming the node and the reason.
   */
  compile(graph: Graph, weights: Weights, options?: CompileOptions): Promise<Executable>;
  /**
   * Compiles a graph with gradients together with the optimiser that uses them.
   * @throws SenetError as `compile`
   */
  compileTraining(graph: Graph, weights: Weights, rule: UpdateRule, options?: TrainingOptions): Promise<Trainer>;
}

export interface Running {
  /** Gives a run up, which rejects with its reason then: at once where the engine can leave one half done (reference), else it runs on. */
  readonly signal?: AbortSignal | undefined;
}

export interface Executable extends AsyncDisposable {
  /**
   * Runs once. `inputs` are by the names of the graph's inputs; the first extent (batch) of a `frozen` executable's
   * inputs may differ from the graph's, where nothing in the graph depends on its batch. They are not to be written to
   * until the run has ended. What is given back is the caller's own.
   *
   * Runs that are asked for while another one is under way take their turns.
   * @throws SenetError `shape` where the inputs do not fit, `executor` where the engine fails, or after `dispose`
   */
  run(inputs: ReadonlyMap<string, Tensor>, options?: Running): Promise<ReadonlyMap<string, Tensor>>;
  /** Frees its memory, once the runs under way have ended. A second time is fine. */
  dispose(): Promise<void>;
  /** Of an engine that plans steps and memory itself. */
  readonly plan?: PlanFacts;
}

export interface PlanFacts {
  readonly steps: number;
  /** Memory that activations and their gradients share. */
  readonly arenaBytes: number;
  /** How values lie between operations, where engines differ: gradients of two trainers can be added where it is the same. */
  readonly layout: string;
  /** The activations that have to change their layout on the way, by the operations that want it. */
  readonly reorders: readonly string[];
}

export interface TrainingOptions extends Pick<CompileOptions, "threads" | "observe" | "say" | "sumOverRanks"> {
  /**
   * Told, while `gradients` runs, that the engine is done with a parameter's gradient, in the order of the backward pass,
   * and where it lies: a part of `gradientData`, which is then one array, and has nothing but such parts. What happens to it
   * from now on is the caller's business: it can be summed over processes while the rest is still computed.
   */
  readonly onGradient?: (parameter: string, data: TensorData) => void;
}

/**
 * A training graph with its optimiser. The weights are the engine's from step to step, in whatever layout it likes. A
 * step has two halves, which belong to one caller; between them gradients can be added up, clipped, or summed over
 * processes. Calls take their turns, what they give back is the caller's own, and after `dispose` all is refused, as of an
 * `Executable`.
 */
export interface Trainer extends AsyncDisposable {
  /**
   * Forward and backward. `inputs` as for `Executable.run`; the gradients stay with the engine until the next call.
   * @returns what the graph gives besides gradients
   */
  gradients(inputs: ReadonlyMap<string, Tensor>, options?: Running): Promise<ReadonlyMap<string, Tensor>>;
  /** Whether the gradients as they are now are finite numbers; if not, an update would spoil the weights. */
  areFinite(): Promise<boolean>;
  /**
   * The gradients in the engine's own layout, one or many to an array. Whatever is done to all elements alike may be done
   * to them, and what lies between parameters is zero, so that lengths are right. Valid until the next `gradients`.
   */
  readonly gradientData: readonly TensorData[];
  /** The optimiser's step, by the gradients as they are now. */
  update(options: UpdateOptions): Promise<void>;
  /** Brings weights and the optimiser's state into their arrays, which are otherwise those of the last call. */
  synchronise(): Promise<void>;
  dispose(): Promise<void>;
  readonly plan?: PlanFacts;
}

export interface UpdateOptions extends Omit<StepNumbers, "decay"> {
  /** Gradients are multiplied by it first; default 1. */
  readonly scale?: number;
}
