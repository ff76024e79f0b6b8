/** The interface that every engine implements, and nothing else. */

import type { Graph, Parameter } from "../ir/graph.ts";
import type { Tensor } from "../tensor.ts";

/** Parameters by name. The arrays are the weights: an optimiser writes into them in place. */
export type Weights = ReadonlyMap<string, Tensor>;

export interface CompileOptions {
  /**
   * `live`: each run reads the arrays in `weights` as they are then, and writes the graph's updates into them.
   * `frozen` (default): the engine may copy, reorder and fold the weights at compile time; later changes are not seen.
   */
  readonly weights?: "live" | "frozen";
  /**
   * Threads inside one operation; default, and at most: as many as this process may use, which in training may become
   * fewer while the machine is busy (onednn). The same number gives the same results to the last bit, another need not.
   */
  readonly threads?: number;
  /** Told, step by step, the kind of work and the milliseconds that it took, by an engine that knows (onednn). */
  readonly observe?: (kind: string, milliseconds: number) => void;
  /** Told, in a line, what the engine does of its own accord: going on with fewer threads on a busy machine. */
  readonly say?: (line: string) => void;
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
  compileTraining(graph: Graph, weights: Weights, sgd: SgdRule, options?: TrainingOptions): Promise<Trainer>;
}

export interface Executable {
  /**
   * Runs once. `inputs` are by the names of the graph's inputs; the first extent (batch) of a `frozen` executable's
   * inputs may differ from the graph's, where nothing in the graph depends on its batch. They are not to be written to
   * until the run has ended. What is given back is the caller's own.
   *
   * Runs that are asked for while another one is under way take their turns.
   * @throws SenetError `shape` where the inputs do not fit, `executor` where the engine fails, or after `dispose`
   */
  run(inputs: ReadonlyMap<string, Tensor>): Promise<ReadonlyMap<string, Tensor>>;
  /** Frees its memory, once the runs under way have ended. A second time is fine. */
  dispose(): Promise<void>;
  /** Of an engine that plans steps and memory itself. */
  readonly plan?: PlanFacts;
}

export interface PlanFacts {
  readonly steps: number;
  /** Memory that activations and their gradients share. */
  readonly arenaBytes: number;
  /** The activations that have to change their layout on the way, by the operations that want it. */
  readonly reorders: readonly string[];
}

export type TrainingOptions = Pick<CompileOptions, "threads" | "observe" | "say">;

/**
 * Stochastic gradient descent with momentum, as PyTorch has it:
 * `v ← momentum · v + (g + decay · w)`; `w ← w − rate · v`, or with Nesterov `w ← w − rate · (g + decay · w + momentum · v)`.
 */
export interface SgdRule {
  readonly momentum: number;
  readonly nesterov: boolean;
  readonly learnt: readonly Learnt[];
}

/** A parameter that is learnt. */
export interface Learnt {
  readonly parameter: Parameter;
  /** The graph's output that holds its gradient. */
  readonly gradient: string;
  readonly decay: number;
  readonly velocity: Tensor;
}

/**
 * A training graph with its optimiser. The weights are the engine's from step to step, in whatever layout it likes. Steps
 * take their turns, what they give back is the caller's own, and after `dispose` all is refused, as of an `Executable`.
 */
export interface Trainer {
  /**
   * One step: forward, backward, and, where every number is finite, the update. `inputs` as for `Executable.run`.
   * @param rate the learning rate
   */
  step(inputs: ReadonlyMap<string, Tensor>, rate: number): Promise<Stepped>;
  /** Brings weights and velocities into their arrays, which are otherwise those of before the first step or of the last call. */
  synchronise(): Promise<void>;
  dispose(): Promise<void>;
  readonly plan?: PlanFacts;
}

export interface Stepped {
  /** What the graph gives besides gradients. */
  readonly outputs: ReadonlyMap<string, Tensor>;
  /** Whether all outputs and gradients are finite; if not, what is learnt stays as it was. */
  readonly finite: boolean;
  /** Time spent in the update, of the step's whole. */
  readonly optimiserMilliseconds: number;
}
