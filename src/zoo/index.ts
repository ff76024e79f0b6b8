/** All networks by name, and their graphs. */

import { option, SenetError } from "../errors.ts";
import type { Graph } from "../ir/graph.ts";
import "../ir/infer-training.ts";
import { nearestNames } from "../names.ts";
import { type Freezing, freezeGraph } from "../nn/freeze.ts";
import type { Activation } from "../nn/layers.ts";
import type * as z from "../schema.ts";
import { actingBy, families, type ModelConfig } from "./families.ts";
import type { Family, HasConv, ZooEntry } from "./family.ts";
import { finishGraph, type GraphOptions, type Model, startGraph, targetsName } from "./graphs.ts";
import { LayerBuilder } from "./layers.ts";
import type { NetworkFunction } from "./own-function.ts";

export { channelsOf } from "./built.ts";
export { type ModelConfig, seOf } from "./families.ts";
export {
  configSchema,
  type GraphOptions,
  inferenceGraph,
  inputName,
  type Model,
  parametersOf,
  targetsName,
} from "./graphs.ts";
export type { NetworkFunction } from "./own-function.ts";

const rows: readonly Family<z.Schema<ModelConfig>>[] = Object.values(families);

/** The listed networks, with squeeze and excitation and as baselines without. */
export const zoo: ReadonlyMap<string, ZooEntry<ModelConfig>> = new Map(
  rows.flatMap(({ networks }) => Object.entries(networks)),
);

/** Networks that are not in the list but could have a file with these convolutions. */
export const namesIn = (has: HasConv): string[] =>
  rows.flatMap((row) => row.namesIn?.(has) ?? []).filter((name) => !zoo.has(name));

const namedBy = (name: string): ZooEntry<ModelConfig> | undefined =>
  rows.map((row) => row.networkNamed?.(name)).find((found) => found !== undefined);

/**
 * A network of the list, or of a size that is not in it.
 * @throws SenetError `usage`, with the nearest names, where there is no such model
 */
export function zooEntry(name: string): ZooEntry<ModelConfig> {
  const entry = zoo.get(name) ?? namedBy(name);
  if (entry !== undefined) return entry;
  throw new SenetError("usage", `there is no model "${name}"`, {
    hint: `${nearestNames(name, [...zoo.keys()]).join(", ")} (senet models lists all)`,
  });
}

/** The GitHub owner of the port that a network belongs to; undefined if none. */
export function portOf(name: string): string | undefined {
  const entry = zoo.get(name) ?? namedBy(name);
  return entry?.port?.source.split("/")[0];
}

/**
 * A model of the zoo for `classes` classes (default: its own), or the user's own network, named after its function.
 * @throws SenetError `usage` where there is no such model
 */
export function model(name: string, classes?: number): Model;
export function model(build: NetworkFunction, classes: number): Model;
export function model(network: string | NetworkFunction, classes?: number): Model;
export function model(network: string | NetworkFunction, classes?: number): Model {
  if (typeof network === "function") {
    return { name: nameOfOwn(network), config: { family: "own", build: network }, classes: classes ?? 1000 };
  }
  const entry = zooEntry(network);
  return { name: network, config: entry.config, classes: classes ?? entry.classes };
}

/**
 * The same network, under the same name, with another activation.
 * @throws SenetError `usage` where its family does not allow that
 */
export function withAct(model: Model, act: Activation): Model {
  const config = actingBy(model.config, act);
  if (config !== undefined) return { ...model, config };
  throw new SenetError("usage", "this network cannot be given another activation", {
    where: option("act"),
    found: `${act} for ${model.name}`,
    hint: "a residual network, or a network of your own",
  });
}

/** The name of the user's own network, also in files and folders. */
export const nameOfOwn = ({ name }: NetworkFunction): string => name.replace(/[^\w-]+/g, "-").slice(0, 100) || "own";

/** A builder that tells each layer's shape before the next one is added. */
export function layerBuilder(name: string, imageSize: number, channels = 3): LayerBuilder {
  const { scope, image } = startGraph(name, channels, false, { batch: 1, imageSize });
  return new LayerBuilder(scope, image);
}

/** The loss: for classes that exclude each other, or for independent classes. */
export type Loss = "softmaxCrossEntropy" | "binaryCrossEntropy";

export interface LossOptions extends GraphOptions, Freezing {
  readonly loss?: Loss;
  /**
   * Stochastic depth (nn/drop-path.ts): probability of dropping the last residual block's branch for a picture; default
   * 0.
   */
  readonly dropPath?: number | undefined;
}

/**
 * `image, targets [N,classes] → logits, loss []`, with batch norm over the batch; running statistics are the graph's
 * updates. Frozen parts run as in inference.
 * @throws SenetError `usage` where a part to freeze or drop does not exist, or nothing is left to learn
 */
export function lossGraph(model: Model, options: LossOptions): Graph {
  const { loss = "softmaxCrossEntropy", dropPath = 0 } = options;
  const { builder, logits } = finishGraph(model, true, options, dropPath);
  const targets = builder.input(targetsName, logits.type.shape, logits.type.dtype);
  builder.output("loss", builder.apply(loss, "loss", [logits, targets], {}));
  const graph = builder.build();
  if (dropPath > 0 && !graph.nodes.some(({ op, attrs }) => op === "dropout" && attrs.byRow === true)) {
    throw new SenetError("usage", "this network has no residual branches that could be left out", {
      where: option("dropPath"),
      expected: "a residual network of several blocks",
      found: model.name,
      hint: `${option("dropPath")} 0`,
    });
  }
  return freezeGraph(graph, options);
}
