/** The interface of explanation methods. */

import { differentiate } from "../autodiff/differentiate.ts";
import { turn } from "../event-loop.ts";
import type { CompileOptions, Executor } from "../executors/executor.ts";
import { GraphBuilder } from "../ir/builder.ts";
import type { Value } from "../ir/graph.ts";
import type { Program } from "../passes/index.ts";
import { type Tensor, tensor } from "../tensor.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { inputName } from "../zoo/index.ts";
import type { Heat } from "./heat.ts";

/** A network compiled for one method. */
export interface Method {
  /** `[1, K]` @param image `[1, C, S, S]`, as the network takes it */
  logits(image: Tensor, signal?: AbortSignal): Promise<Tensor>;
  /**
   * The map of what speaks for the class. @param signal is checked after each part of a long computation, or within it
   * if the engine can
   */
  heat(image: Tensor, target: number, signal?: AbortSignal): Promise<Heat>;
  dispose(): Promise<void>;
}

export interface MethodOptions extends Pick<CompileOptions, "threads"> {
  /** For Grad-CAM: the stage after which to look, counted from 1; default: the last. */
  readonly stage?: number | undefined;
  /** For integrated gradients: number of points at which gradients are taken; default 32. */
  readonly steps?: number | undefined;
  /**
   * For occlusion: side of the covered square, in pixels of the network's input; default: a fifth of the input's side.
   */
  readonly patch?: number | undefined;
  /** For occlusion: step of the square; default: a third of its side. */
  readonly stride?: number | undefined;
}

export type CreateMethod = (checkpoint: Checkpoint, executor: Executor, options: MethodOptions) => Promise<Method>;

/** Lets pending events run, which may abort. @throws the signal's reason */
export async function turnUnless(signal: AbortSignal | undefined): Promise<void> {
  await turn();
  signal?.throwIfAborted();
}

const seedName = "explain.target";

/** A network that also gives the gradient of a class's logit by one of its values. */
export interface LogitGradient {
  /**
   * @param signal aborts the run
   * @param target the class, for every row; default: none, for the logits only
   * @returns `logits`, and as `gradientOf(value.name)` the gradient
   */
  run(images: Tensor, signal?: AbortSignal, target?: number): Promise<ReadonlyMap<string, Tensor>>;
  dispose(): Promise<void>;
}

export async function logitGradient(
  { graph, weights }: Program,
  value: Value,
  executor: Executor,
  { threads }: Pick<MethodOptions, "threads">,
): Promise<LogitGradient> {
  const builder = GraphBuilder.from(graph);
  const { shape } = graph.outputs.get("logits")!.type;
  const [rows, classes] = shape as [number, number];
  const seed = builder.input(seedName, shape);
  const both = differentiate(builder.build(), { of: "logits", seed, wrt: [value] });
  const executable = await executor.compile(both, weights, { threads });
  return {
    run: (images, signal, target) => {
      const picked = new Float32Array(rows * classes);
      if (target !== undefined) for (let row = 0; row < rows; row++) picked[row * classes + target] = 1;
      return executable.run(
        new Map([
          [inputName, images],
          [seedName, tensor(shape, picked)],
        ]),
        { signal },
      );
    },
    dispose: () => executable.dispose(),
  };
}
