/** The graphs of a network, as its configuration says. */

import type { Graph, Parameter } from "../ir/graph.ts";
import { GraphBuilder } from "../ir/graph-builder.ts";
import { Scope } from "../nn/scope.ts";
import type * as z from "../schema.ts";
import type { DType } from "../tensor.ts";
import { anyConfig, builtBy, channelsOf } from "./built.ts";
import type { ModelConfig } from "./families.ts";

/** Of any family whose code is here (built.ts), for weight files. */
export const configSchema = anyConfig as unknown as z.Schema<ModelConfig>;

/** A model with its free choices made; what a weight file carries. */
export interface Model {
  readonly name: string;
  readonly config: ModelConfig;
  readonly classes: number;
}

export interface GraphOptions {
  readonly batch: number;
  /** The picture's side in pixels. */
  readonly imageSize: number;
  readonly dtype?: DType;
}

export const inputName = "image";
export const targetsName = "targets";

export function startGraph(
  name: string,
  channels: number,
  training: boolean,
  { batch, imageSize, dtype = "float32" }: GraphOptions,
  dropPath?: number,
) {
  const builder = new GraphBuilder(name);
  const image = builder.input(inputName, [batch, channels, imageSize, imageSize], dtype);
  return { builder, image, scope: new Scope(builder, { training, dtype, dropPath }) };
}

/** With its logits, for what comes behind them. @param dropPath see `LossOptions` */
export function finishGraph(model: Model, training: boolean, options: GraphOptions, dropPath?: number) {
  const { builder, image, scope } = startGraph(model.name, channelsOf(model.config), training, options, dropPath);
  const logits = builtBy(model.config).build(scope, image, model.config, model.classes);
  builder.output("logits", logits);
  return { builder, logits };
}

/** `image [N,channels,S,S] → logits [N,classes]`, batch norm by running statistics. */
export const inferenceGraph = (model: Model, options: GraphOptions): Graph =>
  finishGraph(model, false, options).builder.build();

/** A network's weights; they do not depend on the pictures' size, as far as it takes several. */
export const parametersOf = (model: Model): readonly Parameter[] =>
  inferenceGraph(model, { batch: 1, imageSize: builtBy(model.config).imageSize(model.config) }).parameters;
