/** Layers with parameters. Each takes the scope that names it and its input value. */

import type { Parameter, Value } from "../ir/graph.ts";
import { type Extent, type Padding, pairOf, samePadding, shortPadding } from "../ir/window.ts";
import { sizeOf } from "../tensor.ts";
import { initialOf, type Part } from "./init.ts";
import type { Scope, Style } from "./scope.ts";

export interface ConvOptions {
  /** Output channels. */
  readonly out: number;
  readonly kernel: Extent;
  readonly stride?: Extent;
  /**
   * Default: (kernel − 1) / 2, which keeps the size at stride 1. `same`: as in TensorFlow, where it depends on the
   * size.
   */
  readonly pad?: Padding | "same";
  readonly groups?: number;
  /** Default: false, since a batch norm follows. */
  readonly bias?: boolean;
  /** Kind of layer, which determines the initial weight; default: `conv`. */
  readonly part?: Part;
  /** The convolution stands for this many parallel ones, and is initialised as they would be; default 1. */
  readonly paths?: number;
}

/** The weight of a layer: `[out, inputs, ...kernel]`. */
function weightOf(scope: Scope, shape: readonly number[], part: Part, paths: number): Parameter {
  const { init } = scope.mode.style ?? {};
  const [outputs, ...rest] = shape as [number, ...number[]];
  const fans = { in: sizeOf(rest), out: (outputs / paths) * sizeOf(rest.slice(1)) };
  return scope.parameter("weight", shape, "weight", init && { initial: initialOf(init, part, fans) });
}

/** `[N,C,H,W] → [N,out,H',W']` */
export function conv2d(scope: Scope, x: Value, options: ConvOptions): Value {
  const { out, kernel, stride = 1, pad: wanted = centred(kernel), groups = 1, bias = false } = options;
  const { part = "conv", paths = groups } = options;
  const channels = x.type.shape[1]!;
  const inputs = [x, weightOf(scope, [out, channels / groups, ...pairOf(kernel)], part, paths)];
  if (bias) inputs.push(scope.parameter("bias", [out], "bias"));
  const pad = wanted === "same" ? samePadding(x.type.shape, kernel, stride) : wanted;
  return scope.apply("conv2d", inputs, { stride, pad, groups });
}

function centred(kernel: Extent): Padding {
  const [rows, columns] = pairOf(kernel).map((extent) => (extent - 1) / 2) as [number, number];
  return shortPadding({ top: rows, left: columns, bottom: rows, right: columns });
}

/** Running statistics keep 0.9 of their old value at each step (PyTorch calls this momentum 0.1). */
export const usualNorm: NonNullable<Style["norm"]> = { eps: 1e-5, decay: 0.9 };

export interface BatchNormOptions {
  /** Added to the variance; default: the network's. */
  readonly eps?: number;
  /** Initial gamma; default 1. */
  readonly gamma?: number;
  /** Whether gamma keeps its initial value; default: it learns. */
  readonly fixedGamma?: boolean;
}

/** Normalises each channel over the batch when training, by the running statistics otherwise. */
export function batchNorm(scope: Scope, x: Value, options: BatchNormOptions = {}): Value {
  const { norm = usualNorm } = scope.mode.style ?? {};
  const { eps = norm.eps, gamma: initial, fixedGamma = false } = options;
  const [n, channels, height, width] = x.type.shape as [number, number, number, number];
  const gamma = scope.parameter("weight", [channels], "gamma", {
    ...(initial !== undefined && { initial }),
    ...(fixedGamma && { frozen: true }),
  });
  const beta = scope.parameter("bias", [channels], "beta");
  const runningMean = scope.parameter("running_mean", [channels], "mean");
  const runningVariance = scope.parameter("running_var", [channels], "variance", {
    ...(norm.variance !== undefined && { initial: norm.variance }),
  });
  if (!scope.mode.training) return scope.apply("batchNorm", [x, gamma, beta, runningMean, runningVariance], { eps });

  const [y, mean, variance] = scope.apply("batchNormTraining", [x, gamma, beta], { eps });
  const samples = n * height * width;
  // The running variance estimates the population's, so the batch's is scaled by n/(n − 1), as Caffe and PyTorch do.
  const unbiased = samples / (samples - 1);
  const average = (name: string, running: Value, batch: Value, scale: number) =>
    scope.at(name).apply("runningAverage", [running, batch], { decay: norm.decay, scale });
  scope.graph.update(runningMean, average("running_mean.next", runningMean, mean, 1));
  scope.graph.update(runningVariance, average("running_var.next", runningVariance, variance, unbiased));
  return y;
}

/** Activation functions between layers; `Attrs` defines each. */
export const activations = ["relu", "silu", "mish"] as const;
export type Activation = (typeof activations)[number];

export const activate = (scope: Scope, x: Value, act: Activation): Value => scope.apply(act, [x], {});
export const relu = (scope: Scope, x: Value): Value => activate(scope, x, "relu");
export const silu = (scope: Scope, x: Value): Value => activate(scope, x, "silu");
export const mish = (scope: Scope, x: Value): Value => activate(scope, x, "mish");

/** `[N,I] → [N,out]` */
export function linear(scope: Scope, x: Value, out: number, bias: boolean = true): Value {
  const inputs = [x, weightOf(scope, [out, x.type.shape[1]!], "classifier", 1)];
  if (bias) inputs.push(scope.parameter("bias", [out], "bias"));
  return scope.apply("linear", inputs, {});
}

/**
 * Drops values at random in training (Srivastava et al., 2014) and scales up the rest so that the mean stays the same.
 * The mask is an input of the training graph, `PATH.keep`, which the trainer draws for each step.
 * @param rate the share of values dropped, from 0 to below 1
 */
export function dropout(scope: Scope, x: Value, rate: number): Value {
  if (rate === 0 || !scope.mode.training) return x;
  const keep = scope.graph.input(`${scope.path}.keep`, x.type.shape, scope.mode.dtype);
  return scope.apply("dropout", [x, keep], { rate });
}
