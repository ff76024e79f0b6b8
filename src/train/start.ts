/** The network that a run starts with: with fresh weights, or with those of a trained network. */

import { option, SenetError } from "../errors.ts";
import { imagenetPreprocessing, type Preprocessing, planesOf } from "../images/preprocess.ts";
import { asGrey } from "../images/preprocessing-facts.ts";
import type { Graph } from "../ir/graph.ts";
import type { Activation } from "../nn/layers.ts";
import type { Tensor } from "../tensor.ts";
import { differences, foldedNorms } from "../weights/built-otherwise.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { withChannels } from "../weights/in-channels.ts";
import { initialWeights } from "../weights/init.ts";
import { firstConvolution, PatchStatistics, patchPictures, setPatchFilters } from "../weights/patch-init.ts";
import { requireFloat32 } from "../weights/program.ts";
import { shownNames, transfer, transferNotes, withClasses } from "../weights/transfer.ts";
import { familyOf, type ModelConfig, takingChannels } from "../zoo/families.ts";
import {
  channelsOf,
  inferenceGraph,
  type Model,
  model,
  type NetworkFunction,
  portOf,
  withAct,
  zoo,
} from "../zoo/index.ts";
import type { TrainingConfig } from "./config.ts";

/** The network to fine-tune, and its name. */
export interface SourceNetwork
  extends Pick<Checkpoint, "model" | "labels" | "preprocessing" | "weights" | "quantization"> {
  /** A file, or the name of released weights. */
  readonly from: string;
}

export interface Start {
  readonly model: Model;
  readonly weights: Map<string, Tensor>;
  /** Pre-processing of the network that is fine-tuned; otherwise ImageNet's. */
  readonly preprocessing: Preprocessing;
  /** What happened to the source's weights, one line each. */
  readonly notes: readonly string[];
}

/** Configuration keys that default to the source network's. */
export function sourceDefaults({ model, preprocessing }: SourceNetwork): Partial<TrainingConfig> {
  const { crop, interpolation } = preprocessing;
  return { model: model.name, imageSize: crop, interpolation };
}

export interface StartOptions {
  readonly config: Pick<TrainingConfig, "model" | "imageSize" | "seed" | "inChans" | "act" | "freeze">;
  /** Class names by index. */
  readonly labels: readonly string[];
  /** The function of the user's own network. */
  readonly build?: NetworkFunction | undefined;
  readonly source?: SourceNetwork | undefined;
}

/**
 * If a smaller share of the network's weights than this fits, the weights were most likely meant for another network.
 */
const leastShare = 1 / 3;

/**
 * Builds the network that a run starts with. @throws SenetError `usage` where it cannot take such pictures or classes,
 * hardly any of the source's weights fit, or fresh weights would be frozen
 */
export function startOf({ config, labels, build, source }: StartOptions): Start {
  const { imageSize, seed, inChans, act } = config;
  if (source === undefined && config.freeze !== null) {
    throw new SenetError("usage", "frozen parts keep their weights, but these weights are not trained", {
      where: option("freeze"),
      found: config.freeze,
      hint: `${option("weights")} with a network that has learnt, or leave out ${option("freeze")}`,
    });
  }
  const channels = inChans ?? (source === undefined ? undefined : planesOf(source.preprocessing));
  const isSame = source !== undefined && source.model.name === config.model;
  const named = isSame ? withClasses(source.model, labels.length) : model(build ?? config.model, labels.length);
  const network = changed(named, channels, act);
  if (source === undefined) {
    const weights = initialWeights(inferenceGraph(network, { batch: 1, imageSize }), seed);
    const preprocessing = channels === 1 ? asGrey(imagenetPreprocessing) : imagenetPreprocessing;
    return { model: network, weights, preprocessing, notes: [] };
  }
  requireFloat32(source, source.from);
  const { weights, preprocessing } = withChannels(source, channelsOf(network.config));
  const moved = transfer({ labels: source.labels, weights }, network, { labels, seed, imageSize });
  if (moved.share < leastShare) {
    throw new SenetError("usage", "few of these weights fit the network", {
      where: source.from,
      expected: `at least a third of ${network.name}, its classifier aside`,
      found: `${(100 * moved.share).toFixed(1)} % of it; the weights are those of ${source.model.name}`,
      hint: `${option("model")} ${source.model.name}, or leave out ${option("weights")}`,
    });
  }
  const adapted = [...weights].flatMap(([name, tensor]) => (tensor === source.weights.get(name) ? [] : [name]));
  const notes = [...transferNotes(moved, source.from, adapted), ...buildNotes(source, network, imageSize)];
  return { model: network, weights: moved.weights, preprocessing, notes };
}

/** What the weights do not show, one line each: where the network computes otherwise, and what was folded away. */
function buildNotes(source: SourceNetwork, network: Model, imageSize: number): string[] {
  const graph = inferenceGraph(network, { batch: 1, imageSize });
  const notes: string[] = [];
  const others = network.config === source.model.config ? [] : differences(graphOf(source.model, imageSize), graph);
  if (others.length > 0) {
    const same = withGatesAlone(source.model.config);
    notes.push(
      `${network.name} computes otherwise than the network of ${source.from}: ${shownNames(others)}` +
        (same === undefined || same === network.name ? "" : `; ${option("model")} ${same} computes as there`),
    );
  }
  const { convolutions, withoutNorm } = foldedNorms(graph);
  // Where networks of the zoo have no batch norm, they never had one.
  if (withoutNorm > 0 && !zoo.has(network.name) && portOf(network.name) === undefined) {
    const which = withoutNorm === convolutions ? `all ${convolutions}` : `${withoutNorm} of the ${convolutions}`;
    notes.push(
      `${which} convolutions have no batch norm, as in files whose batch norms were folded into them (exported ones): ` +
        "they are trained without it",
    );
  }
  return notes;
}

/** At this size, or, where it cannot be built for it, at its own. */
function graphOf(network: Model, imageSize: number): Graph {
  try {
    return inferenceGraph(network, { batch: 1, imageSize });
  } catch (error) {
    if (!(error instanceof SenetError)) throw error;
    return inferenceGraph(network, { batch: 1, imageSize: familyOf(network.config).imageSize(network.config) });
  }
}

/** The network of the zoo that has squeeze and excitation and is otherwise the same, if there is one. */
function withGatesAlone(config: ModelConfig): string | undefined {
  const withoutGates = (config: ModelConfig) => {
    // How fresh weights are drawn does not matter, nor which of a bottleneck's convolutions has the stride without one.
    const { se: _, init: __, strideOn, ...rest } = config as Readonly<Record<string, unknown>>;
    return JSON.stringify(Object.entries({ ...rest, ...(rest.block === "bottleneck" && { strideOn }) }).sort());
  };
  const has = ({ config: other }: { readonly config: ModelConfig }) => "se" in other && other.se !== undefined;
  const plain = withoutGates(config);
  return [...zoo].find(([, entry]) => has(entry) && withoutGates(entry.config) === plain)?.[0];
}

export interface PatchOptions {
  readonly config: Pick<TrainingConfig, "patchInit" | "weights" | "imageSize">;
  /** Batches of training pictures; read as far as needed. */
  readonly batches: () => AsyncIterable<{ readonly images: Tensor }>;
}

/** Initialises the first convolution from patches if `patchInit` asks for it and weights are fresh. */
export async function beginWithPatches({ model, weights }: Start, { config, batches }: PatchOptions): Promise<void> {
  if (!config.patchInit || config.weights !== null) return;
  const first = firstConvolution(inferenceGraph(model, { batch: 1, imageSize: config.imageSize }));
  if (first === undefined) return;
  const statistics = new PatchStatistics(first.type.shape);
  for await (const { images } of batches()) {
    statistics.add(images);
    if (statistics.pictures >= patchPictures) break;
  }
  if (statistics.pictures > 0) setPatchFilters(weights.get(first.name)!, statistics);
}

/** The same network under the same name, with the given number of input channels and activation, if any. */
function changed(model: Model, channels: number | undefined, act: Activation | null): Model {
  const taking = channels === undefined ? model.config : takingChannels(model.config, channels);
  if (taking === undefined) {
    throw new SenetError("usage", "the input channels of this network cannot be changed", {
      where: option("inChans"),
      expected: `${channelsOf(model.config)} for ${model.name}`,
      found: `${channels}`,
      hint: "a residual network, or a network of your own",
    });
  }
  return act === null ? { ...model, config: taking } : withAct({ ...model, config: taking }, act);
}
