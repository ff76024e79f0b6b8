/** Opens weight files of any format that is read, as a network ready to run. */

import { createHash } from "node:crypto";
import { basename, resolve } from "node:path";
import { SenetError } from "../errors.ts";
import { readBytes } from "../files/files.node.ts";
import type { Preprocessing } from "../images/preprocess.ts";
import type { Model } from "../zoo/index.ts";
import { shownName } from "./bytes.ts";
import { importCaffeNetwork } from "./caffe-network.ts";
import type { Carried } from "./carried.ts";
import type { Checkpoint } from "./checkpoint.ts";
import type { WeightFormat } from "./detect.ts";
import { hubBeside, weightsIn } from "./folder.node.ts";
import type { HubConfig } from "./hub.ts";
import { withIds } from "./imagenet-classes.ts";
import { impliedLabels } from "./labels.ts";
import { withoutPrefix, withPlainHead } from "./maps/bare.ts";
import { findModel } from "./maps/find-model.ts";
import { type Naming, usualCaffe } from "./maps/namings.ts";
import { detectNaming, isKnown, nameIn, namingByName, renameTensors, withDefinitions } from "./maps/rename.ts";
import { checkArchitecture, type Release, releaseOf } from "./released.ts";
import { checkSound } from "./sound.ts";
import { type FileContent, readContent, type WeightFile } from "./source.node.ts";

export interface OpenOptions {
  /** The zoo model that the weights are of; absent: the one that fits. */
  readonly model?: string;
  /** Whose names the file has (namings.ts); absent: it shows. */
  readonly from?: string;
  /** Class names, by index; absent: the file's own, ImageNet's for 1,000 classes, else numbers. */
  readonly labels?: readonly string[];
  /** Which weights of a PyTorch checkpoint that has several, by their key; absent: a moving average, or else the first. */
  readonly state?: string;
}

/** A network, and what it was opened from. */
export interface Opened {
  readonly checkpoint: Checkpoint;
  readonly format: WeightFormat;
  /** Whose names the file has, `senet` for our own files; absent where a Caffe network has names of its own. */
  readonly naming?: string;
  /** Where the pre-processing was found, in words that go on "from". */
  readonly preprocessingFrom: string;
  /** What was guessed or chosen, and what was left aside: a line each, for whoever asked to open it. */
  readonly notes: readonly string[];
}

/**
 * The network in a weight file, with the labels and the pre-processing that it wants. The format is known by content,
 * the model by the names and shapes of its tensors. A Caffe network that is not of the zoo is built by its definition.
 * @param paths a file; or a prototxt and its caffemodel, in any order
 * @throws SenetError `io`; `weights` where a file is damaged, in no format that is read or of no network that is known;
 * `usage` where an option does not fit it
 */
export async function openWeights(paths: string | readonly string[], options: OpenOptions = {}): Promise<Checkpoint> {
  return (await openPaths(paths, options)).checkpoint;
}

/** As `openWeights`, with what the network was opened from. */
export async function openPaths(paths: string | readonly string[], options: OpenOptions = {}): Promise<Opened> {
  return openFiles(await Promise.all([paths].flat().map(fileAt)), options);
}

async function fileAt(path: string): Promise<WeightFile> {
  const where = await weightsIn(path);
  return { where, bytes: await readBytes(where), hub: await hubBeside(where) };
}

/** As `openWeights`, of files that are in memory; the weights may be views on their bytes. */
export async function openFiles(files: readonly WeightFile[], options: OpenOptions = {}): Promise<Opened> {
  const contents = await Promise.all(files.map((file) => readContent(file, options.state)));
  const { main, definition } = sorted(contents);
  const { format, where } = main;
  const notes = contents.flatMap(({ notes = [] }) => notes);
  if (main.kind === "checkpoint") {
    const { checkpoint } = main;
    const { model, from } = options;
    if ((model ?? checkpoint.model.name) !== checkpoint.model.name || (from ?? "senet") !== "senet") {
      throw new SenetError("usage", "this file says itself what it is", {
        where,
        expected: `${checkpoint.model.name} under the names of senet`,
        found: [model && `--model ${model}`, from && `--from ${from}`].filter(Boolean).join(" "),
      });
    }
    const labels = labelsFor(options, checkpoint, where);
    return { checkpoint: { ...checkpoint, labels }, format, naming: "senet", preprocessingFrom: "the file", notes };
  }
  const { carried } = main;
  const { hub, bytes } = files.find((file) => file.where === where)!;
  checkArchitecture(hub?.architecture ?? basename(where), where);
  const defined = definition === undefined ? main.source : withDefinitions(main.source, definition.definition);
  const { source: bare, notes: aside } = withoutPrefix(defined, where);
  notes.push(...aside);
  const isForeign = options.from === undefined && options.model === undefined && !isKnown(bare);
  const foreign = isForeign ? foreignNetwork(main, definition, options, notes) : undefined;
  if (foreign !== undefined) return foreign;
  const naming = options.from === undefined ? detectNaming(bare, where) : namingByName(options.from);
  checkKind(naming, main);
  const source = withPlainHead(bare, naming);
  const { model, parameters } = findModel(source, naming, where, options.model);
  const weights = renameTensors(source, { name: model.name, parameters }, naming, where);
  checkSound(weights, where, (name) => nameIn(naming, parameters.find((parameter) => parameter.name === name)!));
  const hash = () => (format === "torch" ? createHash("sha256").update(bytes).digest("hex") : "");
  const wants = wanted(carried, hub, naming, model, () => releaseOf(resolve(where), model.name, hash));
  const own = main.saidLabels?.find(({ labels }) => labels.length === model.classes);
  const [other] = main.saidLabels ?? [];
  if (own !== undefined) notes.push(`its classes are called as its ${shownName(own.key)} says`);
  else if (other !== undefined && options.labels === undefined) {
    const names = `its ${shownName(other.key)} has ${other.labels.length} names`;
    notes.push(`${names}, and the network ${model.classes} classes: they are not used`);
  }
  const beside = hubLabels(hub, model, notes);
  const said = carried.labels ?? own?.labels ?? beside ?? impliedLabels(naming, model.classes);
  const labels = labelsFor(options, { labels: said, model }, where);
  return {
    checkpoint: { model, labels, preprocessing: wants.spec, weights },
    format,
    naming: naming.name,
    preprocessingFrom: wants.from,
    notes,
  };
}

/** The pre-processing that a network of others wants, and who says so. */
function wanted(
  carried: Carried,
  hub: HubConfig | undefined,
  naming: Naming,
  model: Model,
  release: () => Release | undefined,
): { readonly spec: Preprocessing; readonly from: string } {
  if (carried.preprocessing !== undefined) return { spec: carried.preprocessing, from: "the file" };
  if (hub !== undefined) return { spec: hub.preprocessing, from: `${hub.where} beside it` };
  // Only of ImageNet's networks others have released some.
  const released = model.classes === 1000 ? release() : undefined;
  if (released !== undefined) return { spec: released.preprocessing, from: `what ${released.name} was released with` };
  return { spec: naming.preprocessing(model.config), from: `what is usual under the names of ${naming.name}` };
}

/** Where they fit the network. */
function hubLabels(hub: HubConfig | undefined, { classes }: Model, notes: string[]): readonly string[] | undefined {
  const said = hub?.labels?.length ?? hub?.classes;
  if (hub !== undefined && said !== undefined && said !== classes) {
    notes.push(`${hub.where} speaks of ${said} classes, the network has ${classes}: its names are left aside`);
    return undefined;
  }
  return hub?.labels;
}

/** A Caffe network that has no names of ours, by its definition; a caffemodel holds its own. */
function foreignNetwork(
  { where, format, source, caffe }: Extract<Main, { kind: "weights" }>,
  beside: Definition | undefined,
  options: OpenOptions,
  notes: readonly string[],
): Opened | undefined {
  const definition = beside?.definition ?? caffe?.definition;
  if (caffe === undefined || definition === undefined || source.kind !== "layers") return undefined;
  const { model, weights, ...said } = importCaffeNetwork(definition, caffe.layers, beside?.where ?? where);
  checkSound(weights, where);
  const { config, classes } = model;
  const imageSize = config.family === "layers" ? config.imageSize : 224;
  const preprocessing = said.preprocessing ?? usualCaffe(imageSize);
  const preprocessingFrom = said.preprocessing === undefined ? "what is usual for Caffe's networks" : "its definition";
  const labels = labelsFor(options, { labels: impliedLabels({ classOrder: "devkit" }, classes), model }, where);
  return { checkpoint: { model, labels, preprocessing, weights }, format, preprocessingFrom, notes };
}

type Main = Exclude<FileContent, { kind: "definition" }>;
type Definition = Extract<FileContent, { kind: "definition" }>;

/** The one file with weights, and the one definition that may stand beside a Caffe network's. */
function sorted(contents: readonly FileContent[]): { main: Main; definition: Definition | undefined } {
  const definitions = contents.filter((content) => content.kind === "definition");
  const [main, other] = contents.filter((content) => content.kind !== "definition");
  const [definition] = definitions;
  if (main === undefined) {
    throw new SenetError("weights", "this is the definition of a network, without its weights", {
      where: definitions.map(({ where }) => where).join(", "),
      hint: "give the .caffemodel too",
    });
  }
  const fits = definition === undefined || (main.kind === "weights" && main.caffe !== undefined);
  if (other !== undefined || definitions.length > 1 || !fits) {
    throw new SenetError("usage", "these files do not make one network", {
      where: contents.map(({ where }) => where).join(", "),
      expected: "one file of weights, or a prototxt and its caffemodel",
      found: contents.map(({ format }) => format).join(" and "),
    });
  }
  return { main, definition };
}

function checkKind(naming: Naming, { source, where, format }: Extract<Main, { kind: "weights" }>): void {
  if ((naming.style === "torch") === (source.kind === "tensors")) return;
  const names = source.kind === "tensors" ? [...source.tensors.keys()] : [...source.layers.keys()];
  throw new SenetError("usage", `a file of this kind has not the names of ${naming.name}`, {
    where,
    expected: naming.style === "torch" ? "tensors by name" : "layers of a Caffe network",
    found: `${format}: ${names.slice(0, 3).map(shownName).join(", ")}, ...`,
    hint: "without --from, whose names they are shows",
  });
}

function labelsFor(
  { labels }: OpenOptions,
  checkpoint: Pick<Checkpoint, "labels" | "model">,
  where: string,
): readonly string[] {
  const chosen = withIds(labels ?? checkpoint.labels);
  const { classes, name } = checkpoint.model;
  if (chosen.length === classes) return chosen;
  throw new SenetError(labels === undefined ? "weights" : "usage", "labels do not fit the model", {
    where,
    expected: `${classes} labels, as ${name} has classes here`,
    found: `${chosen.length}`,
  });
}
