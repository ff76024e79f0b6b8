/**
 * Resolves the layers of a Caffe definition's test phase and their inputs. In-place layers reuse blob names; here
 * inputs refer to layers.
 */

import { type Fail, failAt, shownName } from "../formats/bytes.ts";
import { v1Types } from "../formats/caffe-schema.ts";
import { allOf, type CaffeMessage, oneOf } from "../formats/prototxt.ts";
import { checkFields } from "./caffe-fields.ts";

/** A layer whose bottoms are the layers that produce them, not names. */
export interface Step {
  /** Unique: the second layer of a name gets a number appended. */
  readonly name: string;
  /** The definition's name, and the number of earlier layers with it, by which weights are found. */
  readonly given: string;
  readonly nth: number;
  readonly type: string;
  readonly message: CaffeMessage;
  readonly inputs: readonly Step[];
  /** The layers that read it. */
  readonly readers: Step[];
  readonly fail: Fail;
}

/** The source of pictures: a layer without bottoms, or the definition itself with its `input`. */
export interface Source {
  /** `picture` for the definition itself. */
  readonly type: string;
  readonly message: CaffeMessage;
  readonly fail: Fail;
}

export interface Network {
  /** In the definition's order, without the picture. */
  readonly steps: readonly Step[];
  readonly logits: Step;
  /** The source of pictures in the test phase, if defined. */
  readonly source: Source | undefined;
  /** The source in the training phase, if it is another layer. */
  readonly trainingSource: Source | undefined;
}

/** Layers after the logits. */
const leftOut: ReadonlySet<string> = new Set([
  ...["Softmax", "ArgMax", "Accuracy", "Silence", "SoftmaxWithLoss", "SigmoidCrossEntropyLoss", "EuclideanLoss"],
  ...["HingeLoss", "InfogainLoss", "MultinomialLogisticLoss"],
]);

/** Type of the step that represents the picture; not a type of Caffe. */
export const picture = "picture";

/** The limit of caffemodel.ts and of our files. */
const mostLayers = 20_000;

const isSource = (type: string, bottoms: readonly string[]) =>
  bottoms.length === 0 && (type === "Input" || type === "Python" || type.endsWith("Data"));

/** Whether a definition says how its layers are connected; a file with only weights has just their names. */
export const isConnected = (definition: CaffeMessage): boolean =>
  layersOf(definition).some((layer) => layer.fields.has("bottom"));

/**
 * @param supported the layer types that the caller supports
 * @throws SenetError `weights`, naming the layer and its line
 */
export function resolveLayers(definition: CaffeMessage, where: string, supported: readonly string[]): Network {
  const messages = layersOf(definition);
  if (messages.length > mostLayers) failAt(where)(`there are more than ${mostLayers} layers`);
  const blobs = new Map<string, Step>();
  const steps: Step[] = [];
  const names = new Names(messages);
  const { source, trainingSource, ...sources } = sourcesOf(definition, where);
  const addSource = ({ message, type, fail }: Source, tops: readonly string[]) => {
    for (const top of tops) {
      const as = top === sources.picture ? picture : type;
      blobs.set(top, { name: top, given: top, nth: 0, type: as, message, inputs: [], readers: [], fail });
    }
  };
  const inputs = allOf(definition, "input", "string");
  if (inputs.length > 0) addSource(definitionAsSource(definition, where), inputs);

  for (const message of messages) {
    if (!isInTestPhase(message)) continue;
    const given = oneOf(message, "name", "string", "");
    const type = typeOf(message);
    const bottoms = allOf(message, "bottom", "string");
    const tops = allOf(message, "top", "string");
    const fail = failIn(message);
    if (isSource(type, bottoms)) {
      addSource({ type, message, fail }, tops);
      continue;
    }
    if (leftOut.has(type)) continue;
    const readsFrom = bottoms.map(
      (bottom) => blobs.get(bottom) ?? fail(`there is no blob ${shownName(bottom)} before this layer`),
    );
    const { name, nth } = names.next(given);
    const step: Step = { name, given, nth, type, message, inputs: readsFrom, readers: [], fail };
    if (type === "Split") {
      if (readsFrom.length !== 1) fail("a Split has one input", { found: `${readsFrom.length}` });
      for (const top of tops) blobs.set(top, readsFrom[0]!);
      continue;
    }
    if (!supported.includes(type)) refuseType(step, supported);
    checkFields(message, type, fail);
    if (tops.length !== 1)
      fail("a layer of this type has one output", { expected: "one top", found: `${tops.length}` });
    for (const input of readsFrom) input.readers.push(step);
    blobs.set(tops[0]!, step);
    steps.push(step);
  }
  return { steps, logits: lastOf(steps, where), source, trainingSource };
}

/** The sources of a definition's pictures; a source's first blob is the picture, the others are labels. */
export function sourcesOf(
  definition: CaffeMessage,
  where: string,
): Pick<Network, "source" | "trainingSource"> & { readonly picture: string | undefined } {
  const [input] = allOf(definition, "input", "string");
  let name = input;
  let source = input === undefined ? undefined : definitionAsSource(definition, where);
  let trainingSource: Source | undefined;
  for (const message of layersOf(definition)) {
    const type = typeOf(message);
    if (!isSource(type, allOf(message, "bottom", "string"))) continue;
    const tops = allOf(message, "top", "string");
    name ??= tops[0];
    if (name === undefined || !tops.includes(name)) continue;
    const from = { type, message, fail: failIn(message) };
    if (isInTestPhase(message)) source ??= from;
    else trainingSource ??= from;
  }
  return { source, trainingSource, picture: name };
}

const definitionAsSource = (definition: CaffeMessage, where: string): Source => ({
  type: picture,
  message: definition,
  fail: failAt(where),
});

function failIn(message: CaffeMessage): Fail {
  const name = shownName(oneOf(message, "name", "string", ""));
  return failAt(message.where.includes(name) ? message.where : `${message.where}: layer ${name}`);
}

function lastOf(steps: readonly Step[], where: string): Step {
  const ends = steps.filter(({ readers }) => readers.length === 0);
  const [logits] = ends;
  if (logits === undefined) return failAt(where)("there is no layer with an output in this definition");
  if (ends.length === 1) return logits;
  return failAt(where)("the network has several outputs", {
    expected: "one, the logits",
    found: ends
      .slice(0, 5)
      .map(({ name }) => shownName(name))
      .join(", "),
    hint: "take the other branches out of the definition",
  });
}

function refuseType(step: Step, supported: readonly string[]): never {
  return step.fail(`layers of the type ${shownName(step.type)} are not supported`, {
    expected: [...supported, "Split", "data layers", ...leftOut].join(", "),
    hint: "only a network of these layers can be imported; its weights alone can be read",
  });
}

/** Makes names unique: Caffe allows several layers with the same name. */
class Names {
  readonly #given: ReadonlySet<string>;
  readonly #counts = new Map<string, number>();

  constructor(messages: readonly CaffeMessage[]) {
    this.#given = new Set(messages.map((message) => oneOf(message, "name", "string", "")));
  }

  next(given: string): { readonly name: string; readonly nth: number } {
    const nth = this.#counts.get(given) ?? 0;
    this.#counts.set(given, nth + 1);
    let name = nth === 0 ? given : `${given}#${nth + 1}`;
    while (nth > 0 && this.#given.has(name)) name += "#";
    return { name, nth };
  }
}

/** The layers, in today's format or that before 2014, whose types are an enum. */
export function layersOf(definition: CaffeMessage): readonly CaffeMessage[] {
  const today = allOf(definition, "layer", "message");
  return today.length > 0 ? today : allOf(definition, "layers", "message");
}

const oldTypes: ReadonlyMap<string, string> = new Map([
  ...Object.values(v1Types).map((type): [string, string] => [type.toUpperCase(), type]),
  ["SOFTMAXLOSS", "SoftmaxWithLoss"],
]);

function typeOf(message: CaffeMessage): string {
  const type = oneOf(message, "type", "string", "");
  return (/^[A-Z_0-9]+$/.test(type) ? oldTypes.get(type.replaceAll("_", "")) : undefined) ?? type;
}

/** Whether Caffe saved the definition while training: then each layer has its phase, and no rules. */
export const wasTraining = (message: CaffeMessage): boolean =>
  oneOf(message, "phase", "string", "TEST") === "TRAIN" && !message.fields.has("include");

/**
 * Whether a layer belongs to the test phase. In a saved network each layer has its phase, and the rules have already
 * been applied.
 */
function isInTestPhase(message: CaffeMessage): boolean {
  if (message.fields.has("phase")) return true;
  const includes = allOf(message, "include", "message");
  const excludes = allOf(message, "exclude", "message");
  return includes.length > 0 ? includes.some(meetsTest) : !excludes.some(meetsTest);
}

const meetsTest = (rule: CaffeMessage): boolean =>
  oneOf(rule, "phase", "string", "TEST") === "TEST" &&
  oneOf(rule, "min_level", "number", 0) <= 0 &&
  oneOf(rule, "max_level", "number", 0) >= 0 &&
  !rule.fields.has("stage");
