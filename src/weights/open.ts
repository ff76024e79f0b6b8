/** Opens the bytes of weight files, in any supported format, as a network ready to run. */

import { option, SenetError } from "../errors.ts";
import { shownName } from "../formats/bytes.ts";
import { onlyArray } from "../formats/numpy.ts";
import type { Preprocessing } from "../images/preprocess.ts";
import { withoutPrefix, withPlainHead } from "../import/bare.ts";
import { findModel } from "../import/find-model.ts";
import type { HubConfig } from "../import/hub.ts";
import { impliedLabels } from "../import/labels.ts";
import { importMatconvnet } from "../import/matconvnet-network.ts";
import type { Naming } from "../import/naming.ts";
import type { OwnNormalization } from "../import/own-normalization.ts";
import { checkArchitecture, type Release, releaseOf } from "../import/released.ts";
import { detectNaming, isKnown, nameIn, namingByName, renameTensors } from "../import/rename.ts";
import { epsOf } from "../zoo/families.ts";
import type { Model } from "../zoo/index.ts";
import type { Carried } from "./carried.ts";
import { checkPictureSize, weightsInUse } from "./checkpoint.ts";
import { hubLabels, labelsFor, ownLabels } from "./class-names.ts";
import { type MainContent, sortContents, type WeightsContent } from "./contents.ts";
import {
  caffeNetwork,
  definedNetwork,
  graphNetwork,
  mxnetNetwork,
  onnxNetwork,
  refuseUndefined,
} from "./open-defined.ts";
import { isToldByGraph } from "./open-onnx.ts";
import type { Opened, OpenOptions, ZooOptions } from "./opened.ts";
import { lastOf, together } from "./parts.ts";
import { checkSound } from "./sound.ts";
import { readContent, type WeightFile } from "./source.ts";
import { isSameNetwork, zooNetwork } from "./zoo-network.ts";

/**
 * Opens the network in weight files in memory, with its labels and pre-processing. The format is recognised by content,
 * the model by the names and shapes of its tensors. A Caffe network that is not in the zoo is built from its
 * definition. The weights may be views of the files' bytes.
 * @throws SenetError (as a rejection) `weights` where a file is damaged, in no supported format or of an unknown
 * network; `usage` where an option does not fit it
 */
export async function openFiles(files: readonly WeightFile[], options: OpenOptions = {}): Promise<Opened> {
  const opened = await openContents(together(files), options);
  const { model, preprocessing } = opened.checkpoint;
  checkPictureSize(model, preprocessing.crop, files.map(({ where }) => where).join(", "));
  return opened;
}

async function openContents(files: readonly WeightFile[], given: OpenOptions): Promise<Opened> {
  const { state, model: asked } = given;
  const build = typeof asked === "function" ? asked : undefined;
  const contents = await Promise.all(files.map((file) => readContent(file, { state, build })));
  const { main, definition, symbol, mean } = sortContents(contents);
  const { where } = main;
  const notes = contents.flatMap(({ notes = [] }) => notes);
  if (build !== undefined && main.kind !== "checkpoint") refuseFunction(where);
  const { model: _, ...others } = given;
  const options: ZooOptions = typeof asked === "string" ? { ...others, model: asked } : others;
  if (main.kind === "checkpoint") return openCheckpoint(main, options, notes);
  const { onnx } = main;
  const file = files.find((each) => each.where === where)!;
  const { hub } = file;
  checkArchitecture(hub?.architecture ?? lastOf(where), where);
  const isAsked = options.from !== undefined || options.model !== undefined;
  if (onnx !== undefined && !isAsked) {
    const zoo = isToldByGraph(onnx) ? undefined : zooNetwork(main.source, where);
    const network = graphNetwork(onnx, zoo, where);
    // The zoo's network would not normalise.
    const isZoo = zoo !== undefined && network.normalization === undefined && isSameNetwork(zoo, network);
    if (!isZoo) {
      if (zoo !== undefined && network.normalization === undefined)
        notes.push(`its graph differs from ${zoo.model.name}: its graph is used`);
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
      if (zoo !== undefined) notes.push(`its layers differ from ${zoo.model.name}: its layers are used`);
      return definedNetwork(main, network, zoo?.naming, options, notes);
    }
  }
  if (symbol !== undefined && !isAsked) {
    const network = mxnetNetwork(main, symbol, options, notes);
    if (network !== undefined) return network;
  }
  const defined = main.caffe && caffeNetwork(main, definition, mean, options, notes);
  if (defined !== undefined) return defined;
  return openNamed(main, file, options, { told, hasSymbol: symbol !== undefined }, notes);
}

/** Opens a file of our own. */
function openCheckpoint(
  { checkpoint, format, where }: Extract<MainContent, { kind: "checkpoint" }>,
  { model, from, labels: asked }: ZooOptions,
  notes: string[],
): Opened {
  if ((model ?? checkpoint.model.name) !== checkpoint.model.name || (from ?? "senet") !== "senet") {
    throw new SenetError("usage", "this file already says which model it holds", {
      where,
      expected: `${checkpoint.model.name} under the names of senet`,
      found: [model && `${option("model")} ${model}`, from && `${option("from")} ${from}`].filter(Boolean).join(" "),
    });
  }
  const labels = labelsFor(asked, checkpoint, where);
  const opened = { ...checkpoint, labels, weights: weightsInUse(checkpoint, notes) };
  return { checkpoint: opened, format, naming: "senet", preprocessingFrom: "the file", notes };
}

/**
 * Opens a network of the zoo, found by its tensors' names and shapes.
 * @param known.told the pre-processing that the file's description of the layers states
 */
async function openNamed(
  main: WeightsContent,
  { hub, bytes, path = main.where }: WeightFile,
  options: ZooOptions,
  known: { readonly told: Preprocessing | undefined; readonly hasSymbol: boolean },
  notes: string[],
): Promise<Opened> {
  const { carried, format, where } = main;
  const { told, hasSymbol } = known;
  const { source: bare, notes: aside, normalization } = withoutPrefix(main.source, where);
  notes.push(...aside);
  if (main.caffe !== undefined && options.from === undefined && !isKnown(bare)) refuseUndefined(main);
  const hint = hintFor(main, hasSymbol);
  const naming = options.from === undefined ? detectNaming(bare, where, hint) : namingByName(options.from);
  checkKind(naming, main);
  const source = withPlainHead(bare, naming);
  const { model, parameters, alike = [] } = findModel(source, naming, where, options.model);
  for (const name of alike) {
    notes.push(`a file of ${name} has the same names and shapes; ${option("model")} ${name} selects it`);
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
function hintFor({ format, source }: WeightsContent, hasSymbol: boolean): string | undefined {
  if (format === "mxnet" && !hasSymbol) return "give the -symbol.json that MXNet saved with it too";
  if (source.kind !== "tensors") return undefined;
  if (source.tensors.size === 0)
    return "give the file with the network's weights: integers and single numbers are none";
  return format === "numpy" && source.tensors.has(onlyArray)
    ? "a single array is not a network: give the .npz with all of them, as numpy.savez(OUT, **weights) writes it"
    : undefined;
}

const normalizedAs = (spec: Preprocessing, { scale, mean, std }: OwnNormalization): Preprocessing => ({
  ...spec,
  scale,
  mean,
  std,
});

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

function refuseFunction(where: string): never {
  throw new SenetError("usage", "this file does not hold the weights of a network of your own", {
    where,
    expected: "a .safetensors file that training or Network.save wrote",
    hint: "name a model of the zoo, or leave the model out",
  });
}

function checkKind(naming: Naming, { source, where, format }: WeightsContent): void {
  if ((naming.style === "torch") === (source.kind === "tensors")) return;
  const names = source.kind === "tensors" ? [...source.tensors.keys()] : [...source.layers.keys()];
  throw new SenetError("usage", `a file of this kind cannot have the names of ${naming.name}`, {
    where,
    expected: naming.style === "torch" ? "tensors by name" : "layers of a Caffe network",
    found: `${format}: ${names.slice(0, 3).map(shownName).join(", ")}, ...`,
    hint: `leave out ${option("from")}: the naming is then detected`,
  });
}
