/** Finds the network's weights in a checkpoint, and class names. */

import { option, SenetError } from "../errors.ts";
import { type Fail, shownName } from "./bytes.ts";
import { attributesOf, PickleDict, PickleObject, type PickleValue } from "./pickle-values.ts";
import { integerOf, pickledArray, pickledBytes, pickledText } from "./python-values.ts";
import { TensorRef, tensorIn } from "./torch-values.ts";

/** Tensors by name, and the path of keys to them, joined by dots: `state_dict_ema`, `model.state_dict`. */
export interface TorchState {
  readonly path: string;
  /** Number of tensors. */
  readonly size: number;
  /** Number of names that look like a network's layers; an optimiser's have other names, or numbers. */
  readonly likeness: number;
  readonly tensors: () => Map<string, TensorRef>;
}

/** Class names by index, and the key under which they were found. */
export interface SaidLabels {
  readonly key: string;
  readonly labels: readonly string[];
}

/** More than the nesting depth of state dicts in checkpoints. */
const deepest = 8;
/** Most dicts and lists visited, outer ones first: an optimiser has one for each tensor of the network. */
const mostVisited = 20_000;
/** Most entries of modules: in a hostile file they may contain each other repeatedly. */
const mostEntries = 100_000;
/** Longest key on the path to weights. */
const longestKey = 200;
/** Most characters in the names of a module's tensors. */
const mostCharacters = 2 ** 22;

/** All dicts of named tensors in a file, and the state dicts of all modules; outer ones first. */
function statesIn(root: PickleValue, fail: Fail): TorchState[] {
  const states: TorchState[] = [];
  const seen = new Set<PickleValue>([root]);
  const queue: { value: PickleValue; path: string; depth: number }[] = [{ value: root, path: "", depth: 0 }];
  // The queue grows during the iteration.
  for (const { value, path, depth } of queue) {
    const child = (key: PickleValue, value: PickleValue) => {
      if (depth >= deepest || typeof value !== "object" || value === null || value instanceof TensorRef) return;
      if (seen.size >= mostVisited || seen.has(value) || (typeof key === "string" && key.length > longestKey)) return;
      seen.add(value);
      queue.push({ value, path: path === "" ? `${key}` : `${path}.${key}`, depth: depth + 1 });
    };
    if (Array.isArray(value)) {
      // Pairs of a state_dict and an optimiser's; longer lists do not contain dicts.
      if (value.length <= 16) for (const [i, item] of value.entries()) child(i, item);
      continue;
    }
    const attributes = attributesOf(value);
    if (attributes === undefined) continue;
    const named = isModule(attributes) ? () => moduleTensors(attributes, fail) : () => dictTensors(attributes);
    let size = 0;
    let likeness = 0;
    for (const [name] of named()) {
      size++;
      if (/(?:^|\.)(?:weight|bias|running_mean|running_var)$/.test(name)) likeness++;
    }
    if (size > 0) states.push({ path, size, likeness, tensors: () => new Map(named()) });
    if (isModule(attributes)) continue;
    for (const [key, item] of attributes.pairs())
      if (typeof key === "string" || typeof key === "number") child(key, item);
  }
  return states;
}

type Named = readonly [name: string, tensor: TensorRef];

function* dictTensors(dict: PickleDict | undefined): Generator<Named> {
  for (const [key, item] of dict?.pairs() ?? []) {
    const tensor = tensorIn(item);
    const name = tensor && pickledText(key);
    if (tensor !== undefined && name !== undefined) yield [name, tensor];
  }
}

/** Whether these are attributes of an nn.Module. */
const isModule = (attributes: PickleDict) =>
  attributes.get("_parameters") !== undefined && attributes.get("_modules") !== undefined;

/** The state_dict of a module with these attributes. */
function* moduleTensors(attributes: PickleDict, fail: Fail): Generator<Named> {
  let visited = 0;
  let characters = 0;
  const count = (entries: number, prefix: string) => {
    visited += entries + 1;
    characters += prefix.length * (entries + 1);
    if (visited > mostEntries || characters > mostCharacters) fail("the file has more modules than any network");
  };
  const stack = [{ attributes, prefix: "" }];
  for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
    const { attributes, prefix } = top;
    count(attributes.size, prefix);
    const [parameters, buffers, modules] = ["_parameters", "_buffers", "_modules"].map((kind) =>
      attributesOf(attributes.get(kind)),
    );
    for (const tensors of [parameters, buffers]) {
      count(tensors?.size ?? 0, prefix);
      for (const [name, tensor] of dictTensors(tensors)) yield [prefix + name, tensor];
    }
    count(modules?.size ?? 0, prefix);
    for (const [key, item] of modules?.pairs() ?? []) {
      const inner = attributesOf(item);
      if (typeof key !== "string" || inner === undefined || key.length > longestKey) continue;
      stack.push({ attributes: inner, prefix: `${prefix}${key}.` });
    }
  }
}

const isOptimiser = (path: string) =>
  /(?:^|[._])(?:opt|optim\w*|momentum\w*|velocit\w*|exp_avg\w*|grads?|scheduler|scaler)(?:[._]|$)/i.test(path);

/** Moving averages of weights, which are preferred, as in timm. */
const isAverage = (path: string) =>
  path
    .replace(/([a-z])([A-Z])/g, "$1_$2")
    .split(/[._]/)
    .some((word) => /^(?:ema|swa|avg|averaged?|shadow)$/i.test(word));

const shownPath = (path: string) => (path === "" ? "the file's own" : shownName(path));
const shownPaths = (states: readonly TorchState[]) => {
  const more = states.length > 10 ? `, and ${states.length - 10} more` : "";
  return (
    states
      .slice(0, 10)
      .map(({ path }) => shownPath(path))
      .join(", ") + more
  );
};

export interface ChosenState {
  readonly state: TorchState;
  readonly notes: readonly string[];
}

/** The tensors whose names start with this part, such as one of several networks in a Lightning checkpoint. */
function partOf(state: TorchState, name: string): TorchState | undefined {
  const tensors = new Map([...state.tensors()].filter(([key]) => key.startsWith(`${name}.`)));
  if (tensors.size === 0) return undefined;
  return { path: name, size: tensors.size, likeness: tensors.size, tensors: () => tensors };
}

/**
 * The state that looks most like a network; among equals a moving average, then the first.
 * @param name path of the wanted state, or its end, or the prefix of its names in a dict of several
 * @throws SenetError `weights` where there is none; `usage` where there is none of that name
 */
export function chooseState(root: PickleValue, where: string, fail: Fail, name?: string): ChosenState {
  const states = statesIn(root, fail)
    .filter(({ path }) => !isOptimiser(path))
    .sort((a, b) => b.likeness - a.likeness || b.size - a.size);
  if (name !== undefined) {
    const asked =
      states.find(({ path }) => path === name) ?? states.find(({ path }) => path.split(".").at(-1) === name);
    if (asked !== undefined) return { state: asked, notes: [] };
    const part = states.map((state) => partOf(state, name)).find((state) => state !== undefined);
    if (part !== undefined) return { state: part, notes: [] };
    throw new SenetError("usage", `there are no weights ${shownName(name)} in this file`, {
      where,
      expected: states.length === 0 ? "no name: the file has none" : shownPaths(states),
    });
  }
  const best = states[0];
  if (best === undefined) {
    return fail("the file holds no tensors by name", {
      expected: "a state_dict, at the top or under any key, or a module",
      found: contentOf(root),
      hint: "save the weights alone: torch.save(model.state_dict(), FILE)",
    });
  }
  const equal = states.filter(({ likeness }) => likeness === best.likeness);
  const state = equal.find(({ path }) => isAverage(path)) ?? best;
  const others = states.filter((other) => other !== state && other.likeness > 0 && other.likeness >= best.likeness / 2);
  if (others.length === 0) return { state, notes: [] };
  const average = isAverage(state.path) ? ", a moving average," : "";
  const taken = `the weights ${shownPath(state.path)}${average} are taken`;
  return { state, notes: [`${taken}; the file also has ${shownPaths(others)} (${option("state")} NAME chooses)`] };
}

/** Describes what a file contains instead of weights. */
function contentOf(root: PickleValue): string {
  if (!(root instanceof PickleDict)) return kindOf(root);
  if (root.size === 0) return "an empty dict";
  const entries = [...root.pairs()].slice(0, 5);
  const shown = entries.map(
    ([key, value]) => `${typeof key === "string" ? shownName(key) : kindOf(key)} (${kindOf(value)})`,
  );
  return shown.join(", ") + (root.size > 5 ? `, and ${root.size - 5} more` : "");
}

function kindOf(value: PickleValue): string {
  if (value === null) return "None";
  if (value instanceof PickleDict) return `a dict of ${value.size}`;
  if (value instanceof PickleObject) return shownName(value.name);
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (value instanceof TensorRef) return "a tensor";
  return value instanceof Uint8Array ? "bytes" : typeof value;
}

const labelKey =
  /^(?:vocab|class(?:es)?|(?:class|label|category)_?names?|labels?|categories|names|class_to_(?:idx|index|id)|(?:idx|index|id)_?(?:to|2)_?(?:class|label|name)|label(?:_to_|2)(?:idx|index|id))$/i;

/**
 * Class names stored with the weights: at the top level, or in a dict or object there (`meta`, `args`,
 * `hyper_parameters`).
 */
export function labelsIn(root: PickleValue): SaidLabels[] {
  const found: SaidLabels[] = [];
  const look = (attributes: PickleDict | undefined, path: string, depth: number) => {
    if (attributes === undefined || attributes.size > 1000) return;
    for (const [key, value] of attributes.pairs()) {
      if (typeof key !== "string" || found.length >= 10) continue;
      const labels = labelKey.test(key) ? namesOf(value) : undefined;
      if (labels !== undefined) found.push({ key: path + key, labels });
      else if (depth < 2) look(attributesOf(value), `${path}${key}.`, depth + 1);
    }
  };
  look(attributesOf(root), "", 0);
  return found;
}

/** The texts of a one-dimensional NumPy array: objects, or zero-padded four-byte characters. */
function arrayItems(value: PickleValue): readonly PickleValue[] | undefined {
  const array = pickledArray(value);
  if (array === undefined || array.shape.length !== 1) return undefined;
  const length = Number(/^[<=|]?U(\d{1,6})$/.exec(array.type)?.[1]);
  if (Array.isArray(array.elements)) return array.elements;
  const [count = 0] = array.shape;
  const content = length > 0 ? pickledBytes(array.elements) : undefined;
  if (content === undefined || count * length * 4 !== content.length) return undefined;
  const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
  return Array.from({ length: count }, (_, i) => {
    let text = "";
    for (let at = i * length * 4; at < (i + 1) * length * 4; at += 4) {
      const code = view.getUint32(at, true);
      if (code > 0x10ffff) return null;
      if (code !== 0) text += String.fromCodePoint(code);
    }
    return text;
  });
}

/** Names from a list of strings, numbers by name, or names by number. */
function namesOf(value: PickleValue): string[] | undefined {
  const list = Array.isArray(value) ? value : arrayItems(value);
  if (list !== undefined) {
    const names = list.map(pickledText);
    return names.length > 0 && names.every((name) => name !== undefined) ? names : undefined;
  }
  const dict = attributesOf(value);
  if (dict === undefined || dict.size === 0) return undefined;
  const labels: string[] = new Array(dict.size);
  for (const [key, item] of dict.pairs()) {
    const isByName = typeof item !== "string";
    const name = isByName ? key : item;
    const written = typeof key === "string" && /^\d{1,9}$/.test(key) ? Number(key) : key;
    const index = integerOf(isByName ? item : written);
    if (typeof name !== "string" || index === undefined || index < 0 || index >= dict.size) return undefined;
    if (labels[index] !== undefined) return undefined;
    labels[index] = name;
  }
  return labels;
}
