/** Which of the things in a checkpoint are a network's weights, and what it says of the classes. */

import { SenetError } from "../errors.ts";
import { type Fail, shownName } from "./bytes.ts";
import { attributesOf, PickleDict, PickleObject, type PickleValue } from "./pickle.ts";
import { integerOf, TensorRef } from "./torch-values.ts";

/** Tensors by name, and the keys that lead to them, joined by dots: `state_dict_ema`, `model.state_dict`. */
export interface TorchState {
  readonly path: string;
  readonly tensors: ReadonlyMap<string, TensorRef>;
}

/** Names of classes, by index, and the key that they stood under. */
export interface SaidLabels {
  readonly key: string;
  readonly labels: readonly string[];
}

/** As deep as checkpoints nest their state dicts, and more. */
const deepest = 8;
/** Lists and modules in all: those of a hostile file may be in each other again and again. */
const mostVisited = 300_000;

/** Every dict of tensors by name in a file, and every module, as the state_dict that it has; outer ones first. */
export function statesIn(root: PickleValue, fail: Fail): TorchState[] {
  const states: TorchState[] = [];
  const seen = new Set<PickleValue>();
  const budget = { left: mostVisited };
  const queue: { value: PickleValue; path: string; depth: number }[] = [{ value: root, path: "", depth: 0 }];
  // The queue grows while it is walked.
  for (const { value, path, depth } of queue) {
    if (seen.has(value) || --budget.left < 0) continue;
    const child = (key: PickleValue, value: PickleValue) => {
      if (depth >= deepest || typeof value !== "object" || value === null || value instanceof TensorRef) return;
      queue.push({ value, path: path === "" ? `${key}` : `${path}.${key}`, depth: depth + 1 });
    };
    if (Array.isArray(value)) {
      seen.add(value);
      // Pairs of a state_dict and an optimiser's; longer lists are none of dicts.
      if (value.length <= 16) for (const [i, item] of value.entries()) child(i, item);
      continue;
    }
    const attributes = attributesOf(value);
    if (attributes === undefined) continue;
    seen.add(value);
    if (isModule(attributes)) {
      const tensors = new Map<string, TensorRef>();
      addModule(attributes, "", tensors, budget, fail);
      if (tensors.size > 0) states.push({ path, tensors });
      continue;
    }
    const tensors = new Map<string, TensorRef>();
    for (const [key, item] of attributes.pairs()) {
      if (typeof key === "string" && item instanceof TensorRef) tensors.set(key, item);
      else if (typeof key === "string" || typeof key === "number") child(key, item);
    }
    if (tensors.size > 0) states.push({ path, tensors });
  }
  return states;
}

/** Of an nn.Module. */
const isModule = (attributes: PickleDict) =>
  attributes.get("_parameters") !== undefined && attributes.get("_modules") !== undefined;

/** The state_dict of a module with these attributes. */
function addModule(
  attributes: PickleDict,
  prefix: string,
  tensors: Map<string, TensorRef>,
  budget: { left: number },
  fail: Fail,
): void {
  if (--budget.left < 0) fail(`the file has more than ${mostVisited} modules`);
  if (prefix.length > 1000) fail("the modules of the file are nested too deeply");
  for (const kind of ["_parameters", "_buffers"]) {
    const entries = attributesOf(attributes.get(kind));
    for (const [key, item] of entries?.pairs() ?? []) {
      if (--budget.left < 0) fail(`the file has more than ${mostVisited} modules`);
      if (typeof key === "string" && item instanceof TensorRef) tensors.set(prefix + key, item);
    }
  }
  for (const [key, item] of attributesOf(attributes.get("_modules"))?.pairs() ?? []) {
    const inner = attributesOf(item);
    if (typeof key === "string" && inner !== undefined) addModule(inner, `${prefix}${key}.`, tensors, budget, fail);
  }
}

const isOptimiser = (path: string) =>
  /(?:^|[._])(?:opt|optim\w*|momentum\w*|velocit\w*|exp_avg\w*|grads?|scheduler|scaler)(?:[._]|$)/i.test(path);

/** How much it looks like a network: the tensors that layers have. */
function likeness({ tensors }: TorchState): number {
  let count = 0;
  for (const name of tensors.keys()) if (/(?:^|\.)(?:weight|bias|running_mean|running_var)$/.test(name)) count++;
  return count;
}

/** Moving averages of weights, which are what was meant to be used: timm takes them, too. */
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

/**
 * The state that is most like a network; of several that are equally so a moving average, then the first.
 * @param name the path of the one that is wanted, or its end
 * @throws SenetError `weights` where there is none, `usage` where there is none of that name
 */
export function chooseState(root: PickleValue, where: string, fail: Fail, name?: string): ChosenState {
  const scored = statesIn(root, fail)
    .filter(({ path }) => !isOptimiser(path))
    .map((state) => ({ state, score: likeness(state), size: state.tensors.size }));
  const networks = scored.sort((a, b) => b.score - a.score || b.size - a.size);
  const states = networks.map(({ state }) => state);
  if (name !== undefined) {
    const asked =
      states.find(({ path }) => path === name) ?? states.find(({ path }) => path.split(".").at(-1) === name);
    if (asked !== undefined) return { state: asked, notes: [] };
    throw new SenetError("usage", `there are no weights ${shownName(name)} in this file`, {
      where,
      expected: states.length === 0 ? "no name: the file has none" : shownPaths(states),
    });
  }
  const best = networks[0];
  if (best === undefined) {
    return fail("the file holds no tensors by name", {
      expected: "a state_dict, at the top or under any key, or a module",
      found: contentOf(root),
      hint: "save the weights alone: torch.save(model.state_dict(), FILE)",
    });
  }
  const equal = states.filter((_, i) => networks[i]!.score === best.score);
  const state = equal.find(({ path }) => isAverage(path)) ?? best.state;
  const others = states.filter((other, i) => other !== state && networks[i]!.score >= best.score / 2);
  if (others.length === 0) return { state, notes: [] };
  const average = isAverage(state.path) ? ", a moving average," : "";
  const taken = `the weights ${shownPath(state.path)}${average} are taken`;
  return { state, notes: [`${taken}; the file also has ${shownPaths(others)} (--state NAME chooses)`] };
}

/** What a file holds instead of weights. */
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
  /^(?:class(?:es)?|(?:class|label|category)_?names?|labels?|categories|names|class_to_(?:idx|index|id)|(?:idx|index|id)_?(?:to|2)_?(?:class|label|name)|label(?:_to_|2)(?:idx|index|id))$/i;

/** Names of classes beside the weights: at the top, or in a dict or an object there (`meta`, `args`, `hyper_parameters`). */
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

/** A list of strings, numbers by name, or names by number. */
function namesOf(value: PickleValue): string[] | undefined {
  if (Array.isArray(value))
    return value.length > 0 && value.every((name) => typeof name === "string") ? value : undefined;
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
