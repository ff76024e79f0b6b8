/**
 * Opens a Caffe network by its definition: the prototxt that is given with it, or what the caffemodel holds of its own.
 * What the definition says is obeyed; a network of the zoo is taken for it only where it computes the same.
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

/** What is in the files of one Caffe network. */
export interface CaffeFiles {
  /** The weights' file, for errors. */
  readonly where: string;
  readonly source: WeightSource;
  readonly layers: readonly CaffeLayer[];
  /** What the file with the weights holds of its definition. */
  readonly own: CaffeMessage | undefined;
  /** The prototxt that is given with it. */
  readonly given: { readonly where: string; readonly definition: CaffeMessage } | undefined;
  readonly mean: CaffeMean | undefined;
  /** The user says what is subtracted: a mean file that is not there is not missed. */
  readonly isMeanSaid?: boolean;
}

export interface CaffeOpened {
  readonly model: Model;
  readonly weights: Map<string, Tensor>;
  readonly preprocessing: Preprocessing;
  /** Where that was found, in words that go on "from". */
  readonly preprocessingFrom: string;
  /** Whose names it has, where it is a network of the zoo. */
  readonly naming: Naming | undefined;
  readonly notes: readonly string[];
}

/**
 * The network; undefined where nothing defines it and only names can tell what it is.
 * @throws SenetError `weights` where the definition has what is not understood, or where its mean file is missing
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
    // A network that was saved in training may have layers that only its training needed. Its names and shapes are known.
    if (given !== undefined || zoo === undefined || !(error instanceof SenetError)) throw error;
    const reason = error.message.split("\n")[0];
    const note = `what the file holds of its definition is not understood (${reason}); taken for ${zoo.model.name} by its names`;
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
  if (zoo !== undefined && !isZoo)
    notes.push(`its definition differs from ${zoo.model.name}: the definition is obeyed`);
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

/** What is usual with these names, for pictures of another size in proportion. */
function usualFor(naming: Naming | undefined, model: Model | undefined, imageSize: number): Preprocessing {
  const bySize = usualCaffe(imageSize);
  if (naming === undefined || model === undefined) return bySize;
  const { channels, scale, mean, std, interpolation } = naming.preprocessing(model.config);
  return { ...bySize, channels, scale, mean, std, interpolation };
}

/** The definition's own input; where it is a deploy form without mean and scale, those that the network was trained with. */
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
      notes.push("its pre-processing is that of its training; a deploy prototxt given with it would be obeyed");
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

/** The mean file that a definition names for its test phase; absent: none. */
export function meanFileOf(definition: CaffeMessage, where: string): string | undefined {
  const { source } = sourcesOf(definition, where);
  return source && inputOf(source).normalization?.meanFile;
}
