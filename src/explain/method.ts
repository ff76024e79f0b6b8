/** What every way to explain an answer has in common. */

import type { CompileOptions, Executor } from "../executors/executor.ts";
import type { Tensor } from "../tensor.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import type { Heat } from "./heat.ts";

/** A network made ready to explain itself in one way. */
export interface Method {
  /** `[1, K]` @param image `[1, C, S, S]`, as the network takes it */
  logits(image: Tensor): Promise<Tensor>;
  /** What in the picture speaks for that class. */
  heat(image: Tensor, target: number): Promise<Heat>;
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

/** `[1, K]`: 1 for the class, 0 for the others, which is the gradient of its logit by the logits. */
export function oneHot(shape: readonly number[], target: number): Float32Array {
  const [rows, classes] = shape as [number, number];
  const values = new Float32Array(rows * classes);
  for (let row = 0; row < rows; row++) values[row * classes + target] = 1;
  return values;
}
