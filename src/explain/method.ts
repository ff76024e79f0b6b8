/** What every way to explain an answer has in common. */

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

/** A network made ready to explain itself in one way. */
export interface Method {
  /** `[1, K]` @param image `[1, C, S, S]`, as the network takes it */
  logits(image: Tensor, signal?: AbortSignal): Promise<Tensor>;
  /** What in the picture speaks for that class. @param signal is looked at after each part of a long computation, or within it where the engine can */
  heat(image: Tensor, target: number, signal?: AbortSignal): Promise<Heat>;
  dispose(): Promise<void>;
}

export interface MethodOptions extends Pick<CompileOptions, "threads"> {
  /** Of Grad-CAM: after which stage it looks, counted from 1; default: after the last. */
  readonly stage?: number | undefined;
  /** Of integrated gradients: on how many points of the way gradients are taken; default 32. */
  readonly steps?: number | undefined;
  /** Of occlusion: the side of what is covered, in pixels of the network's input; default: a fifth of the input's. */
  readonly patch?: number | undefined;
  /** Of occlusion: how far it moves; default: a third of its side. */
  readonly stride?: number | undefined;
}

export type CreateMethod = (checkpoint: Checkpoint, executor: Executor, options: MethodOptions) => Promise<Method>;

/** Lets whoever waits have a turn, who may have had enough. @throws the signal's reason */
export async function turnUnless(signal: AbortSignal | undefined): Promise<void> {
  await turn();
  signal?.throwIfAborted();
}

const seedName = "explain.target";

/** A network with the gradient of a class's logit by one of its values. */
export interface LogitGradient {
  /**
   * @param signal gives it up
   * @param target the class, in each row; default: none, for whoever wants the logits alone
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
  const executable = await executor.compile(both, weights, threads === undefined ? {} : { threads });
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
