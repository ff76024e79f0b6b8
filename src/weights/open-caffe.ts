/**
 * Opens a Caffe network by its definition: a given prototxt, or the one in the caffemodel. The definition is followed;
 * a network of the zoo is used instead only if it computes the same.
 */

import { option, SenetError } from "../errors.ts";
import { failAt, shownName } from "../formats/bytes.ts";
import type { CaffeLayer } from "../formats/caffemodel.ts";
import type { CaffeMessage } from "../formats/prototxt.ts";
import type { Preprocessing } from "../images/preprocess.ts";
import { type CaffeInput, type CaffeMean, inputOf, preprocessingOf } from "../import/caffe-input.ts";
import { isConnected, sourcesOf, wasTraining } from "../import/caffe-layers.ts";
import { type CaffeImport, importCaffeNetwork } from "../import/caffe-network.ts";
import type { Naming } from "../import/naming.ts";
import { usualCaffe } from "../import/naming-caffe.ts";
import { type WeightSource, withDefinitions } from "../import/rename.ts";
import type { Tensor } from "../tensor.ts";
import type { Model } from "../zoo/index.ts";
import { isSameNetwork, zooNetwork } from "./zoo-network.ts";

/** Contents of the files of one Caffe network. */
export interface CaffeFiles {
  /** The weights' file, for errors. */
  readonly where: string;
  readonly source: WeightSource;
  readonly layers: readonly CaffeLayer[];
  /** The definition in the weights' file, if any. */
  readonly own: CaffeMessage | undefined;
  /** The given prototxt. */
  readonly given: { readonly where: string; readonly definition: CaffeMessage } | undefined;
  readonly mean: CaffeMean | undefined;
  /** Whether the user gives the mean, so that a missing mean file does not matter. */
  readonly isMeanSaid?: boolean;
}

export interface CaffeOpened {
  readonly model: Model;
  readonly weights: Map<string, Tensor>;
  readonly preprocessing: Preprocessing;
  /** Source of the pre-processing, in words that continue "from". */
  readonly preprocessingFrom: string;
  /** Its naming, if it is a network of the zoo. */
  readonly naming: Naming | undefined;
  readonly notes: readonly string[];
}

/**
 * Opens the network; undefined if there is no definition and only names can identify it.
 * @throws SenetError `weights` where the definition is not supported, or its mean file is missing
 */
export function openCaffe(files: CaffeFiles): CaffeOpened | undefined {
  const { where, own, given } = files;
  const definition = given?.definition ?? (own !== undefined && isConnected(own) ? own : undefined);
  if (definition === undefined) return undefined;
  const known = given === undefined ? files.source : withDefinitions(files.source, given.definition);
  const zoo = zooNetwork(known, where);
  let imported: CaffeImport;
  try {
    imported = importCaffeNetwork(definition, files.layers, given?.where ?? where, { mean: files.mean });
  } catch (error) {
    // A network saved during training may have layers that only its training needed; its names and shapes are known.
    if (given !== undefined || zoo === undefined || !(error instanceof SenetError)) throw error;
    const reason = error.message.split("\n")[0];
    const note = `its definition is not supported (${reason}); opened as ${zoo.model.name}, by its names`;
    const preprocessing = zoo.naming.preprocessing(zoo.model.config);
    return {
      ...zoo,
      preprocessing,
      preprocessingFrom: `what is usual under the names of ${zoo.naming.name}`,
      notes: [note],
    };
  }
  const notes = [...imported.notes];
  const isZoo = zoo !== undefined && isSameNetwork(zoo, imported);
  if (zoo !== undefined && !isZoo) notes.push(`its definition differs from ${zoo.model.name}: its definition is used`);
  const input = inputFor(files, imported.input, notes);
  const naming = zoo?.naming;
  const usual = usualFor(naming, zoo?.model, imported.imageSize);
  const preprocessing = preprocessingOf(input, imported.imageSize, usual, files.mean, failAt(where));
  const network = isZoo ? zoo : imported;
  return {
    model: network.model,
    weights: network.weights,
    preprocessing,
    preprocessingFrom: input.normalization === undefined ? "what is usual for Caffe's networks" : "its definition",
    naming: isZoo ? zoo.naming : undefined,
    notes,
  };
}

/** The naming's usual pre-processing, scaled to the image size. */
function usualFor(naming: Naming | undefined, model: Model | undefined, imageSize: number): Preprocessing {
  const bySize = usualCaffe(imageSize);
  if (naming === undefined || model === undefined) return bySize;
  const { channels, scale, mean, std, interpolation } = naming.preprocessing(model.config);
  return { ...bySize, channels, scale, mean, std, interpolation };
}

/** The definition's own input; for a deploy definition without mean and scale, those of training. */
function inputFor(files: CaffeFiles, said: CaffeInput | undefined, notes: string[]): CaffeInput {
  const { own, given, where, mean } = files;
  let input: CaffeInput = said ?? { isData: false, where };
  if (given !== undefined && own !== undefined && input.normalization === undefined && mean === undefined) {
    const { source } = sourcesOf(own, where);
    const trained = source && inputOf(source);
    if (trained?.normalization !== undefined) {
      input = { ...input, normalization: trained.normalization, ...(trained.size && { size: trained.size }) };
      notes.push("its mean and scale are those that the caffemodel was trained with: the prototxt gives none");
    }
  } else if (given === undefined && own !== undefined && input.isData) {
    const { source } = sourcesOf(own, where);
    if (source !== undefined && wasTraining(source.message)) {
      notes.push("its pre-processing is that of its training; a deploy prototxt given with it would override it");
    }
  }
  const missing = input.normalization?.meanFile;
  if (missing !== undefined && mean === undefined && files.isMeanSaid !== true) {
    failAt(given?.where ?? where)("the mean that is subtracted from pictures is in a file that is not here", {
      expected: `${shownName(missing)}, beside the prototxt or given with it`,
      hint: `give the .binaryproto too: NET.prototxt NET.caffemodel mean.binaryproto; or give the means: ${option("mean")}`,
    });
  }
  return input;
}

/** The mean file named by a definition for its test phase, if any. */
export function meanFileOf(definition: CaffeMessage, where: string): string | undefined {
  const { source } = sourcesOf(definition, where);
  return source && inputOf(source).normalization?.meanFile;
}
