/**
 * Imports a network from Caffe's definition, layer by layer, for networks that are not in the zoo.
 *
 * Supports the layer types of the seven released prototxts and of residual networks in general; docs/networks.md, 1.1
 * to 1.7, says what each does. Imports the test phase, without losses and metrics.
 */

import { failAt } from "../formats/bytes.ts";
import type { CaffeLayer } from "../formats/caffemodel.ts";
import { type CaffeMessage, oneOf } from "../formats/prototxt.ts";
import type { Tensor } from "../tensor.ts";
import { checkDemands } from "../zoo/demands.ts";
import { inferenceGraph, type Model } from "../zoo/index.ts";
import { type CaffeInput, type CaffeMean, inputOf, meanSize } from "./caffe-input.ts";
import { type Network, resolveLayers } from "./caffe-layers.ts";
import { caffeRules } from "./caffe-rules.ts";
import { CaffeTranslation } from "./caffe-translation.ts";

export interface CaffeImport {
  /** A model of family `layers`, with the definition's name; `config.imageSize` is the side of its pictures. */
  readonly model: Model;
  readonly weights: Map<string, Tensor>;
  /** What the definition says about its pictures, if anything. */
  readonly input: CaffeInput | undefined;
  readonly imageSize: number;
  /** What was guessed, one line each. */
  readonly notes: readonly string[];
}

export interface CaffeImportOptions {
  /** Side of the pictures, for definitions without it. */
  readonly imageSize?: number;
  /** The contents of the definition's mean file, which also gives the size of the pictures. */
  readonly mean?: CaffeMean | undefined;
}

/**
 * @param definition a prototxt (prototxt.ts), or the definition in a caffemodel
 * @param layers the weights, by layer name; layers that the definition lacks are ignored, as by Caffe
 * @param where the definition's file, for errors
 * @throws SenetError `weights`, naming the layer and its line, where a layer has an unsupported type or field, layers
 * do not fit each other, or weights are missing or do not fit
 */
export function importCaffeNetwork(
  definition: CaffeMessage,
  layers: readonly CaffeLayer[],
  where: string,
  options: CaffeImportOptions = {},
): CaffeImport {
  const network = resolveLayers(definition, where, Object.keys(caffeRules));
  const input = network.source && inputOf(network.source);
  const name = oneOf(definition, "name", "string", "") || "network";
  const said = options.imageSize ?? input?.side ?? meanSide(options.mean);
  if (said !== undefined)
    return { ...translate(network, name, said, layers, where), input, imageSize: said, notes: [] };
  let first: unknown;
  for (const side of guessedSides(network, where)) {
    try {
      const notes = [`the definition does not say how large test pictures are; ${side} by ${side} pixels are assumed`];
      return { ...translate(network, name, side, layers, where), input, imageSize: side, notes };
    } catch (error) {
      first ??= error;
    }
  }
  throw first;
}

function translate(network: Network, name: string, side: number, layers: readonly CaffeLayer[], where: string) {
  const translation = new CaffeTranslation(name, side, network, layers);
  for (const step of network.steps) translation.place(step, caffeRules[step.type]!(step, translation));
  const { config, classes } = translation.finish(network.logits);
  const model: Model = { name, config: { family: "layers", imageSize: side, layers: config }, classes };
  const graph = inferenceGraph(model, { batch: 1, imageSize: side });
  checkDemands(graph, where);
  return { model, weights: translation.weights(graph.parameters, where) };
}

/** The side of a square mean image. */
function meanSide(mean: CaffeMean | undefined): number | undefined {
  if (mean === undefined) return undefined;
  const [width, height] = meanSize(mean, failAt(mean.where));
  return width === height && width > 1 ? width : undefined;
}

/** Usual sides of small pictures, and of ImageNet in Caffe's databases. */
const usualSides = [32, 64, 96, 256];

/**
 * For test phases without crop: candidate sides, at least as large as the training phase's crop, which itself is not
 * the answer.
 */
function guessedSides({ trainingSource }: Network, where: string): readonly number[] {
  const crop = trainingSource && inputOf(trainingSource).side;
  const sides = crop === undefined ? [] : usualSides.filter((side) => side >= crop);
  if (sides.length > 0) return sides;
  return failAt(where)("the definition does not say how large its pictures are", {
    expected: "input_dim, an Input layer's shape, or the crop_size of the data layer that is used for testing",
    hint: "the deploy form of the prototxt",
  });
}
