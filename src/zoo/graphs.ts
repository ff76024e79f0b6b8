/** Builds the graphs of a network from its configuration. */

import type { Graph, Parameter } from "../ir/graph.ts";
import { GraphBuilder } from "../ir/graph-builder.ts";
import { Scope } from "../nn/scope.ts";
import type * as z from "../schema.ts";
import type { DType } from "../tensor.ts";
import { anyConfig, builtBy, channelsOf } from "./built.ts";
import type { ModelConfig } from "./families.ts";

/** Schema of configurations in weight files, for all loaded families (built.ts). */
export const configSchema = anyConfig as unknown as z.Schema<ModelConfig>;

/** A model as stored in weight files: name, configuration and number of classes. */
export interface Model {
  readonly name: string;
  readonly config: ModelConfig;
  readonly classes: number;
}

export interface GraphOptions {
  readonly batch: number;
  /** Side of the pictures in pixels. */
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

/** A graph builder with the network and its logits, to which more can be added. @param dropPath see `LossOptions` */
export function finishGraph(model: Model, training: boolean, options: GraphOptions, dropPath?: number) {
  const { builder, image, scope } = startGraph(model.name, channelsOf(model.config), training, options, dropPath);
  const logits = builtBy(model.config).build(scope, image, model.config, model.classes);
  builder.output("logits", logits);
  return { builder, logits };
}

/** `image [N,channels,S,S] → logits [N,classes]`, batch norm by running statistics. */
export const inferenceGraph = (model: Model, options: GraphOptions): Graph =>
  finishGraph(model, false, options).builder.build();

/** A network's parameters, which do not depend on the image size if it takes several. */
export const parametersOf = (model: Model): readonly Parameter[] =>
  inferenceGraph(model, { batch: 1, imageSize: builtBy(model.config).imageSize(model.config) }).parameters;
