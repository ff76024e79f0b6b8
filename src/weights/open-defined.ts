/** Opens networks whose files define them: by an ONNX or MXNet graph, a Caffe definition, or MatConvNet's layers. */

import { option, SenetError } from "../errors.ts";
import { shownName } from "../formats/bytes.ts";
import type { MxnetSymbol } from "../formats/mxnet-symbol.ts";
import type { OnnxModel } from "../formats/onnx-initialisers.ts";
import type { CaffeMean } from "../import/caffe-input.ts";
import type { HubConfig } from "../import/hub.ts";
import { impliedLabels, numbersFor } from "../import/labels.ts";
import type { MatconvnetImport } from "../import/matconvnet-network.ts";
import { importMxnet, type MxnetImport, usualMxnet } from "../import/mxnet-network.ts";
import type { Naming } from "../import/naming.ts";
import { hubLabels, labelsFor } from "./class-names.ts";
import type { DefinitionContent, MainContent, SymbolContent, WeightsContent } from "./contents.ts";
import { openCaffe } from "./open-caffe.ts";
import { type OnnxNetwork, openOnnx } from "./open-onnx.ts";
import type { Opened, ZooOptions } from "./opened.ts";
import { checkSound } from "./sound.ts";
import { isSameNetwork, type ZooNetwork, zooNetwork } from "./zoo-network.ts";

const unknownOrder = `the order of its 1,000 classes is not known, so they have numbers for names; ${option("labels")} FILE names them, one per line`;

/** @param zoo the zoo network suggested by its names */
export function graphNetwork(onnx: OnnxModel, zoo: ZooNetwork | undefined, where: string): OnnxNetwork {
  try {
    return openOnnx(onnx, where);
  } catch (error) {
    if (!(error instanceof SenetError) || zoo === undefined) throw error;
    throw new SenetError("weights", "its graph is not supported", {
      where,
      found: error.message.split("\n").map((line) => line.trim()),
      hint: `with ${option("from")} ${zoo.naming.name} its weights are taken by their names, as ${zoo.model.name}`,
      cause: error,
    });
  }
}

/** An ONNX network from its graph. */
export function onnxNetwork(
  { where, format }: MainContent,
  network: OnnxNetwork,
  hub: HubConfig | undefined,
  options: ZooOptions,
  notes: string[],
): Opened {
  const { model, weights, preprocessing, normalization, labels: own, ...said } = network;
  checkSound(weights, where);
  const named = own ?? hubLabels(hub, model, notes);
  const labels = labelsFor(options.labels, { labels: named ?? numbersFor(model.classes), model }, where);
  const isUnknown = named === undefined && options.labels === undefined && model.classes === 1000;
  const isOwn = own !== undefined || hub === undefined;
  if (normalization !== undefined) notes.push("the graph subtracts a mean and divides by a deviation itself");
  return {
    checkpoint: {
      model,
      labels,
      preprocessing: isOwn ? preprocessing : { ...hub.preprocessing, ...normalization },
      weights,
    },
    format,
    preprocessingFrom: isOwn ? said.preprocessingFrom : `${hub.where} beside it`,
    notes: [...notes, ...(isUnknown ? [unknownOrder] : [])],
  };
}

/**
 * Checks that graph and arrays belong together. @throws SenetError `weights` where the graph has parameters that are
 * not in the file
 */
function checkOneNetwork({ nodes }: MxnetSymbol, arrays: ReadonlyMap<string, unknown>, where: string): void {
  // Inputs are variables, too; learnt ones have these suffixes.
  const learnt = nodes.filter(({ op, name }) => op === "null" && /_(?:weight|bias|gamma|beta)$/.test(name));
  const missing = learnt.filter(({ name }) => !arrays.has(name));
  if (missing.length === 0) return;
  throw new SenetError("weights", "the graph and the weights are of two networks", {
    where,
    expected: `${learnt.length} arrays`,
    found: `${missing.length} of them are missing, ${shownName(missing[0]!.name)} first`,
    hint: "the symbol.json that was saved beside these weights, or the weights alone",
  });
}

/** An MXNet network from its graph; undefined if it is a network of the zoo, by names and by computation. */
export function mxnetNetwork(
  main: WeightsContent,
  { symbol, where }: SymbolContent,
  options: ZooOptions,
  notes: string[],
): Opened | undefined {
  const zoo = zooNetwork(main.source, main.where);
  const arrays = main.source.kind === "tensors" ? main.source.tensors : new Map();
  let network: MxnetImport;
  try {
    network = importMxnet(symbol, arrays, where, zoo?.naming.preprocessing(zoo.model.config).crop);
  } catch (error) {
    if (zoo === undefined || !(error instanceof SenetError)) throw error;
    checkOneNetwork(symbol, arrays, where);
    const reason = error.message.split("\n")[0];
    notes.push(`its graph is not supported (${reason}); opened as ${zoo.model.name}, by its names`);
    return undefined;
  }
  if (zoo !== undefined && isSameNetwork(zoo, network)) return undefined;
  notes.push(...network.notes);
  if (zoo !== undefined) notes.push(`its graph differs from ${zoo.model.name}: its graph is used`);
  const usual = zoo?.naming.preprocessing(zoo.model.config) ?? usualMxnet(network.imageSize);
  const from =
    zoo === undefined
      ? "what is usual in MXNet, bytes as they are"
      : `what is usual under the names of ${zoo.naming.name}`;
  return definedNetwork(main, { ...network, preprocessing: usual }, zoo?.naming, options, notes, from);
}

/** A network from its file's description of its layers. */
export function definedNetwork(
  { where, format }: MainContent,
  { model, weights, preprocessing }: Pick<MatconvnetImport, "model" | "weights" | "preprocessing">,
  naming: Naming | undefined,
  options: ZooOptions,
  notes: readonly string[],
  preprocessingFrom = "the file",
): Opened {
  checkSound(weights, where);
  const said = naming === undefined ? numbersFor(model.classes) : impliedLabels(naming, model);
  const labels = labelsFor(options.labels, { labels: said, model }, where);
  const isUnknown = naming === undefined && options.labels === undefined && model.classes === 1000;
  return {
    checkpoint: { model, labels, preprocessing, weights },
    format,
    preprocessingFrom,
    notes: [...notes, ...(isUnknown ? [unknownOrder] : [])],
  };
}

/** A Caffe network from its definition; undefined if there is none. */
export function caffeNetwork(
  { where, format, source, caffe, carried }: WeightsContent,
  given: DefinitionContent | undefined,
  mean: CaffeMean | undefined,
  options: ZooOptions,
  notes: readonly string[],
): Opened | undefined {
  const { layers, definition: own } = caffe!;
  const opened = openCaffe({ where, source, layers, own, given, mean, isMeanSaid: options.isMeanSaid === true });
  if (opened === undefined) return undefined;
  const { model, weights, naming } = opened;
  const { model: wanted = model.name, from = naming?.name } = options;
  if (wanted !== model.name || from !== naming?.name) {
    throw new SenetError("usage", "the network's definition is that of another network", {
      where,
      expected: `${wanted}${from === undefined ? "" : ` under the names of ${from}`}`,
      found: `${model.name}${naming === undefined ? ", by its definition" : ` under the names of ${naming.name}`}`,
      hint: `without ${option("model")} and ${option("from")} it is what its definition says`,
    });
  }
  checkSound(weights, where);
  const said = carried.labels ?? (naming === undefined ? numbersFor(model.classes) : impliedLabels(naming, model));
  const labels = labelsFor(options.labels, { labels: said, model }, where);
  const isUnknown = naming === undefined && carried.labels === undefined && options.labels === undefined;
  const unnamed = isUnknown && model.classes === 1000 ? [unknownOrder] : [];
  return {
    checkpoint: { model, labels, preprocessing: carried.preprocessing ?? opened.preprocessing, weights },
    format,
    ...(naming !== undefined && { naming: naming.name }),
    preprocessingFrom: carried.preprocessing === undefined ? opened.preprocessingFrom : "the file",
    notes: [...notes, ...opened.notes, ...unnamed],
  };
}

export function refuseUndefined({ where, format, source }: WeightsContent): never {
  const names = source.kind === "layers" ? [...source.layers.keys()] : [];
  throw new SenetError("weights", "these are the weights of an unknown Caffe network without its definition", {
    where,
    expected: "its deploy prototxt beside it, or the names of a known network",
    found: `${format} with the layers ${names.slice(0, 3).map(shownName).join(", ")}, ...`,
    hint: `give its prototxt too: DEPLOY.prototxt ${where}`,
  });
}
