/** The layers with parameters. Each takes the scope that names it and the value that flows through it. */

import type { Value } from "../ir/graph.ts";
import type { Scope } from "./scope.ts";

export interface ConvOptions {
  /** Output channels. */
  readonly out: number;
  readonly kernel: number;
  readonly stride?: number;
  /** Default: (kernel − 1) / 2, which keeps the size at stride 1. */
  readonly pad?: number;
  readonly groups?: number;
  /** Default: none; a batch norm follows. */
  readonly bias?: boolean;
}

/** `[N,C,H,W] → [N,out,H',W']` */
export function conv2d(scope: Scope, x: Value, options: ConvOptions): Value {
  const { out, kernel, stride = 1, pad = (kernel - 1) / 2, groups = 1, bias = false } = options;
  const channels = x.type.shape[1]!;
  const inputs = [x, scope.parameter("weight", [out, channels / groups, kernel, kernel], "weight")];
  if (bias) inputs.push(scope.parameter("bias", [out], "bias"));
  return scope.apply("conv2d", inputs, { stride, pad, groups });
}

/** Running statistics keep 0.9 of their old value at each step (PyTorch calls this momentum 0.1). */
const runningDecay = 0.9;
const usualEps = 1e-5;

export interface BatchNormOptions {
  /** Added to the variance; default 1e-5. */
  readonly eps?: number;
  /** What gamma begins with; default 1. */
  readonly gamma?: number;
}

/** Normalises each channel over the batch when training, by the running statistics otherwise. */
export function batchNorm(scope: Scope, x: Value, { eps = usualEps, gamma: initial }: BatchNormOptions = {}): Value {
  const [n, channels, height, width] = x.type.shape as [number, number, number, number];
  const gamma = scope.parameter("weight", [channels], "gamma", initial);
  const beta = scope.parameter("bias", [channels], "beta");
  const runningMean = scope.parameter("running_mean", [channels], "mean");
  const runningVariance = scope.parameter("running_var", [channels], "variance");
  if (!scope.mode.training) return scope.apply("batchNorm", [x, gamma, beta, runningMean, runningVariance], { eps });

  const [y, mean, variance] = scope.apply("batchNormTraining", [x, gamma, beta], { eps });
  const samples = n * height * width;
  // The running variance estimates the population's, so the batch's is scaled by n/(n − 1), as Caffe and PyTorch do.
  const unbiased = samples / (samples - 1);
  const average = (name: string, running: Value, batch: Value, scale: number) =>
    scope.at(name).apply("runningAverage", [running, batch], { decay: runningDecay, scale });
  scope.graph.update(runningMean, average("running_mean.next", runningMean, mean, 1));
  scope.graph.update(runningVariance, average("running_var.next", runningVariance, variance, unbiased));
  return y;
}

/** What networks have between their layers; `Attrs` says what each computes. */
export const activations = ["relu", "silu", "mish"] as const;
export type Activation = (typeof activations)[number];

export const activate = (scope: Scope, x: Value, act: Activation): Value => scope.apply(act, [x], {});
export const relu = (scope: Scope, x: Value): Value => activate(scope, x, "relu");
export const silu = (scope: Scope, x: Value): Value => activate(scope, x, "silu");
export const mish = (scope: Scope, x: Value): Value => activate(scope, x, "mish");

/** `[N,I] → [N,out]` */
export function linear(scope: Scope, x: Value, out: number, bias: boolean = true): Value {
  const inputs = [x, scope.parameter("weight", [out, x.type.shape[1]!], "weight")];
  if (bias) inputs.push(scope.parameter("bias", [out], "bias"));
  return scope.apply("linear", inputs, {});
}

/**
 * Drops values at random when training (Srivastava et al., 2014): what is kept is scaled up so that the mean stays. What
 * to keep is an input of the training graph, `PATH.keep`, which the trainer draws anew for each step.
 * @param rate the part that is dropped, from 0 to below 1
 */
export function dropout(scope: Scope, x: Value, rate: number): Value {
  if (rate === 0 || !scope.mode.training) return x;
  const keep = scope.graph.input(`${scope.path}.keep`, x.type.shape, scope.mode.dtype);
  return scope.apply("dropout", [x, keep], { rate });
}
