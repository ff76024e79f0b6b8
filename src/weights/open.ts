/** Opens the bytes of weight files, in any supported format, as a network ready to run. */

import { option, SenetError } from "../errors.ts";
import { shownName } from "../formats/bytes.ts";
import type { WeightFormat } from "../formats/formats.ts";
import type { MxnetSymbol } from "../formats/mxnet-symbol.ts";
import { onlyArray } from "../formats/numpy.ts";
import type { OnnxModel } from "../formats/onnx-initialisers.ts";
import type { Preprocessing } from "../images/preprocess.ts";
import { withoutPrefix, withPlainHead } from "../import/bare.ts";
import type { CaffeMean } from "../import/caffe-input.ts";
import { findModel } from "../import/find-model.ts";
import type { HubConfig } from "../import/hub.ts";
import { impliedLabels, numbersFor } from "../import/labels.ts";
import { importMatconvnet, type MatconvnetImport } from "../import/matconvnet-network.ts";
import { importMxnet, type MxnetImport, usualMxnet } from "../import/mxnet-network.ts";
import type { Naming } from "../import/naming.ts";
import type { OwnNormalization } from "../import/own-normalization.ts";
import { checkArchitecture, type Release, releaseOf } from "../import/released.ts";
import { detectNaming, isKnown, nameIn, namingByName, renameTensors } from "../import/rename.ts";
import { epsOf } from "../zoo/families.ts";
import type { Model, NetworkFunction } from "../zoo/index.ts";
import type { Carried } from "./carried.ts";
import { type Checkpoint, checkPictureSize } from "./checkpoint.ts";
import { hubLabels, labelsFor, ownLabels } from "./class-names.ts";
import { openCaffe } from "./open-caffe.ts";
import { isToldByGraph, type OnnxNetwork, openOnnx } from "./open-onnx.ts";
import { checkSound } from "./sound.ts";
import { type FileContent, readContent, type WeightFile } from "./source.ts";
import { isSameNetwork, type ZooNetwork, zooNetwork } from "./zoo-network.ts";

export interface OpenOptions {
  /** The zoo model of the weights; default: the one that fits. For your own network: its function. */
  readonly model?: string | NetworkFunction;
  /** The naming of the file (namings.ts); default: detected. */
  readonly from?: string;
  /** Class names by index; default: the file's own, or ImageNet's for 1,000 classes, or numbers. */
  readonly labels?: readonly string[];
  /** Key of the weights to use in a checkpoint with several; default: a moving average, or else the first. */
  readonly state?: string;
  /** Whether the mean is given elsewhere, so that a missing mean file does not matter. */
  readonly isMeanSaid?: boolean;
}

/** Options for all networks except the user's own. */
interface ZooOptions extends OpenOptions {
  readonly model?: string;
}

/** A network, and how it was opened. */
export interface Opened {
  readonly checkpoint: Checkpoint;
  readonly format: WeightFormat;
  /** The naming of the file, `senet` for our own; absent if a Caffe network has names of its own. */
  readonly naming?: string;
  /** Source of the pre-processing, in words that continue "from". */
  readonly preprocessingFrom: string;
  /** What was guessed, chosen or ignored, one line each. */
  readonly notes: readonly string[];
}

/**
 * Opens the network in weight files in memory, with its labels and pre-processing. The format is recognised by content,
 * the model by the names and shapes of its tensors. A Caffe network that is not in the zoo is built from its
 * definition. The weights may be views of the files' bytes.
 * @throws SenetError (as a rejection) `weights` where a file is damaged, in no supported format or of an unknown
 * network; `usage` where an option does not fit it
 */
export async function openFiles(files: readonly WeightFile[], options: OpenOptions = {}): Promise<Opened> {
  const opened = await openContents(files, options);
  const { model, preprocessing } = opened.checkpoint;
  checkPictureSize(model, preprocessing.crop, files.map(({ where }) => where).join(", "));
  return opened;
}

async function openContents(files: readonly WeightFile[], given: OpenOptions): Promise<Opened> {
  const { state, model: asked } = given;
  const build = typeof asked === "function" ? asked : undefined;
  const contents = await Promise.all(files.map((file) => readContent(file, { state, build })));
  const { main, definition, symbol, mean } = sorted(contents);
  const { format, where } = main;
  const notes = contents.flatMap(({ notes = [] }) => notes);
  if (build !== undefined && main.kind !== "checkpoint") refuseFunction(where);
  const { model: _, ...others } = given;
  const options: ZooOptions = typeof asked === "string" ? { ...others, model: asked } : others;
  if (main.kind === "checkpoint") {
    const { checkpoint } = main;
    const { model, from } = options;
    if ((model ?? checkpoint.model.name) !== checkpoint.model.name || (from ?? "senet") !== "senet") {
      throw new SenetError("usage", "this file already says which model it holds", {
        where,
        expected: `${checkpoint.model.name} under the names of senet`,
        found: [model && `${option("model")} ${model}`, from && `${option("from")} ${from}`].filter(Boolean).join(" "),
      });
    }
    const labels = labelsFor(options.labels, checkpoint, where);
    // The average, as in the best epoch's file, and as for PyTorch checkpoints with both.
    const { average: weights = checkpoint.weights } = checkpoint.run ?? {};
    if (weights !== checkpoint.weights) notes.push("of the run's weights their moving average is used");
    const opened = { ...checkpoint, labels, weights };
    return { checkpoint: opened, format, naming: "senet", preprocessingFrom: "the file", notes };
  }
  const { carried, onnx } = main;
  const { hub, bytes, path = where } = files.find((file) => file.where === where)!;
  checkArchitecture(hub?.architecture ?? lastOf(where), where);
  const isAsked = options.from !== undefined || options.model !== undefined;
  if (onnx !== undefined && !isAsked) {
    const zoo = isToldByGraph(onnx) ? undefined : zooNetwork(main.source, where);
    const network = graphNetwork(onnx, zoo, where);
    if (zoo === undefined || !isSameNetwork(zoo, network)) {
      if (zoo !== undefined) notes.push(`its graph differs from ${zoo.model.name}: the graph is obeyed`);
      return onnxNetwork(main, network, hub, options, notes);
    }
  }
  let told: Preprocessing | undefined;
  if (main.matconvnet !== undefined && !isAsked) {
    const zoo = zooNetwork(main.source, where);
    const network = importMatconvnet(main.matconvnet, where);
    told = network.preprocessing;
    notes.push(...network.notes);
    if (zoo === undefined || !isSameNetwork(zoo, network)) {
      if (zoo !== undefined) notes.push(`its layers differ from ${zoo.model.name}: they are obeyed`);
      return definedNetwork(main, network, zoo?.naming, options, notes);
    }
  }
  if (symbol !== undefined && !isAsked) {
    const network = mxnetNetwork(main, symbol, options, notes);
    if (network !== undefined) return network;
  }
  const defined = main.caffe && caffeNetwork(main, definition, mean, options, notes);
  if (defined !== undefined) return defined;
  const { source: bare, notes: aside, normalization } = withoutPrefix(main.source, where);
  notes.push(...aside);
  if (main.caffe !== undefined && options.from === undefined && !isKnown(bare)) refuseUndefined(main);
  const hint = hintFor(main, symbol !== undefined);
  const naming = options.from === undefined ? detectNaming(bare, where, hint) : namingByName(options.from);
  checkKind(naming, main);
  const source = withPlainHead(bare, naming);
  const { model, parameters, alike = [] } = findModel(source, naming, where, options.model);
  for (const name of alike) {
    notes.push(`a file of ${name} has the same names and shapes; ${option("model")} ${name} takes it for that`);
  }
  const weights = renameTensors(source, { name: model.name, parameters, eps: epsOf(model.config) }, naming, where);
  checkSound(weights, where, (name) => nameIn(naming, parameters.find((parameter) => parameter.name === name)!));
  const hash = () => (format === "torch" ? sha256(bytes) : Promise.resolve(""));
  const wants =
    told !== undefined
      ? { spec: told, from: "the file" }
      : await wanted(carried, hub, naming, model, () => releaseOf(path, model.name, hash));
  const isOwn = normalization !== undefined && carried.preprocessing === undefined;
  if (isOwn) {
    const { names } = normalization;
    notes.push(`the network subtracts a mean and divides by a deviation itself: ${names.map(shownName).join(", ")}`);
  }
  const own = ownLabels(main.saidLabels ?? [], model, options.labels !== undefined, notes);
  const beside = hubLabels(hub, model, notes);
  const said = carried.labels ?? own ?? beside ?? impliedLabels(naming, model);
  const labels = labelsFor(options.labels, { labels: said, model }, where);
  return {
    checkpoint: { model, labels, preprocessing: isOwn ? normalizedAs(wants.spec, normalization) : wants.spec, weights },
    format,
    naming: naming.name,
    preprocessingFrom: isOwn ? `the file, and the rest from ${wants.from}` : wants.from,
    notes,
  };
}

/** A hint for unknown names; undefined: nothing in particular. */
function hintFor({ format, source }: Extract<Main, { kind: "weights" }>, hasSymbol: boolean): string | undefined {
  if (format === "mxnet" && !hasSymbol) return "give the -symbol.json that MXNet saved with it too";
  if (source.kind !== "tensors") return undefined;
  if (source.tensors.size === 0)
    return "give the file with the network's weights: integers and single numbers are none";
  return format === "numpy" && source.tensors.has(onlyArray)
    ? "one array is no network: give the .npz with all of them, as numpy.savez(OUT, **weights) writes it"
    : undefined;
}

const normalizedAs = (spec: Preprocessing, { scale, mean, std }: OwnNormalization): Preprocessing => ({
  ...spec,
  scale,
  mean,
  std,
});

/** The name of the file at the end of a path. */
const lastOf = (path: string): string => path.split(/[/\\]/).at(-1)!;

/** The part of `crypto.subtle` common to Node and browsers. */
interface Digests {
  digest(algorithm: string, bytes: Uint8Array<ArrayBuffer>): Promise<ArrayBuffer>;
}

/** The digest in hexadecimal; empty if the platform has none, as on pages without TLS. */
async function sha256(bytes: Uint8Array): Promise<string> {
  const { subtle } = globalThis.crypto as { readonly subtle?: Digests };
  // A cast: it is never shared memory.
  const digest = await subtle?.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>);
  return digest === undefined
    ? ""
    : Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The pre-processing for other programs' networks, and its source. */
async function wanted(
  carried: Carried,
  hub: HubConfig | undefined,
  naming: Naming,
  model: Model,
  release: () => Promise<Release | undefined>,
): Promise<{ readonly spec: Preprocessing; readonly from: string }> {
  if (carried.preprocessing !== undefined) return { spec: carried.preprocessing, from: "the file" };
  if (hub !== undefined) return { spec: hub.preprocessing, from: `${hub.where} beside it` };
  // Known releases are all for ImageNet.
  const released = model.classes === 1000 ? await release() : undefined;
  if (released !== undefined) return { spec: released.preprocessing, from: `what ${released.name} was released with` };
  return { spec: naming.preprocessing(model.config), from: `what is usual under the names of ${naming.name}` };
}

/** @param zoo the zoo network suggested by its names */
function graphNetwork(onnx: OnnxModel, zoo: ZooNetwork | undefined, where: string): OnnxNetwork {
  try {
    return openOnnx(onnx, where);
  } catch (error) {
    if (!(error instanceof SenetError) || zoo === undefined) throw error;
    throw new SenetError("weights", "what its graph computes is not understood", {
      where,
      found: error.message.split("\n").map((line) => line.trim()),
      hint: `with ${option("from")} ${zoo.naming.name} its weights are taken by their names, as ${zoo.model.name}`,
      cause: error,
    });
  }
}

/** An ONNX network from its graph. */
function onnxNetwork(
  { where, format }: Main,
  network: OnnxNetwork,
  hub: HubConfig | undefined,
  options: ZooOptions,
  notes: string[],
): Opened {
  const { model, weights, preprocessing, labels: own, ...said } = network;
  checkSound(weights, where);
  const named = own ?? hubLabels(hub, model, notes);
  const labels = labelsFor(options.labels, { labels: named ?? numbersFor(model.classes), model }, where);
  const isUnknown = named === undefined && options.labels === undefined && model.classes === 1000;
  const isOwn = own !== undefined || hub === undefined;
  return {
    checkpoint: { model, labels, preprocessing: isOwn ? preprocessing : hub.preprocessing, weights },
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
function mxnetNetwork(
  main: Extract<Main, { kind: "weights" }>,
  { symbol, where }: Extract<FileContent, { kind: "symbol" }>,
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
    notes.push(`what its graph computes is not understood (${reason}); taken for ${zoo.model.name} by its names`);
    return undefined;
  }
  if (zoo !== undefined && isSameNetwork(zoo, network)) return undefined;
  notes.push(...network.notes);
  if (zoo !== undefined) notes.push(`its graph differs from ${zoo.model.name}: the graph is obeyed`);
  const usual = zoo?.naming.preprocessing(zoo.model.config) ?? usualMxnet(network.imageSize);
  const from =
    zoo === undefined
      ? "what is usual in MXNet, bytes as they are"
      : `what is usual under the names of ${zoo.naming.name}`;
  return definedNetwork(main, { ...network, preprocessing: usual }, zoo?.naming, options, notes, from);
}

/** A network from its file's description of its layers. */
function definedNetwork(
  { where, format }: Main,
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
function caffeNetwork(
  { where, format, source, caffe, carried }: Extract<Main, { kind: "weights" }>,
  given: Definition | undefined,
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

function refuseUndefined({ where, format, source }: Extract<Main, { kind: "weights" }>): never {
  const names = source.kind === "layers" ? [...source.layers.keys()] : [];
  throw new SenetError("weights", "these are the weights of a Caffe network that nothing defines", {
    where,
    expected: "its deploy prototxt beside it, or the names of a known network",
    found: `${format} with the layers ${names.slice(0, 3).map(shownName).join(", ")}, ...`,
    hint: `give its prototxt too: DEPLOY.prototxt ${where}`,
  });
}

function refuseFunction(where: string): never {
  throw new SenetError("usage", "this file does not hold the weights of a network of one's own", {
    where,
    expected: "a .safetensors file that training or Network.save wrote",
    hint: "name a model of the zoo, or leave the model out",
  });
}

const unknownOrder = `the order of its 1,000 classes is not known, so they have numbers for names; ${option("labels")} FILE names them, one per line`;

/** Files that accompany weights. */
type Beside = Extract<FileContent, { kind: "definition" | "symbol" | "mean" }>;
type Main = Exclude<FileContent, Beside>;
type Definition = Extract<FileContent, { kind: "definition" }>;

interface Sorted {
  readonly main: Main;
  readonly definition: Definition | undefined;
  readonly symbol: Extract<FileContent, { kind: "symbol" }> | undefined;
  readonly mean: CaffeMean | undefined;
}

const isBeside = (content: FileContent): content is Beside =>
  content.kind === "definition" || content.kind === "symbol" || content.kind === "mean";

/**
 * Separates the one file with weights from those that may accompany it: a Caffe network's definition and mean, MXNet's
 * graph.
 */
function sorted(contents: readonly FileContent[]): Sorted {
  const definitions = contents.filter((content) => content.kind === "definition");
  const means = contents.filter((content) => content.kind === "mean");
  const symbols = contents.filter((content) => content.kind === "symbol");
  const [main, other] = contents.filter((content) => !isBeside(content));
  const where = contents.map(({ where }) => where).join(", ");
  if (main === undefined) {
    const isMean = definitions.length + symbols.length === 0;
    const what = isMean ? "the mean of a network's pictures" : "the definition of a network";
    const weights = symbols.length > 0 ? ".params" : ".caffemodel";
    throw new SenetError("weights", `this is ${what}, without its weights`, {
      where,
      expected: `a ${weights} beside it`,
      found: contents.map(({ format }) => format).join(" and "),
      hint: `give the ${weights} too`,
    });
  }
  const isCaffe = main.kind === "weights" && main.caffe !== undefined;
  const ofCaffe = definitions.length + means.length;
  const isFitting = (ofCaffe === 0 || isCaffe) && (symbols.length === 0 || main.format === "mxnet");
  if (other !== undefined || definitions.length > 1 || means.length > 1 || symbols.length > 1 || !isFitting) {
    throw new SenetError("usage", "these files do not make one network", {
      where,
      expected:
        "one file of weights; or a prototxt, its caffemodel, and perhaps the mean's binaryproto; or a symbol.json and its .params",
      found: contents.map(({ format }) => format).join(" and "),
    });
  }
  return { main, definition: definitions[0], symbol: symbols[0], mean: means[0] };
}

function checkKind(naming: Naming, { source, where, format }: Extract<Main, { kind: "weights" }>): void {
  if ((naming.style === "torch") === (source.kind === "tensors")) return;
  const names = source.kind === "tensors" ? [...source.tensors.keys()] : [...source.layers.keys()];
  throw new SenetError("usage", `a file of this kind cannot have the names of ${naming.name}`, {
    where,
    expected: naming.style === "torch" ? "tensors by name" : "layers of a Caffe network",
    found: `${format}: ${names.slice(0, 3).map(shownName).join(", ")}, ...`,
    hint: `leave out ${option("from")}: the naming is then detected`,
  });
}
