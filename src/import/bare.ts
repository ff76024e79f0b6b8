/** Removes what wrappers and tools add to a network's names. */

import { option, SenetError } from "../errors.ts";
import { shownName } from "../formats/bytes.ts";
import { sameShape, sizeOf, type Tensor } from "../tensor.ts";
import type { Naming, TorchNaming } from "./naming.ts";
import { namings } from "./namings.ts";
import { type OwnNormalization, ownNormalization } from "./own-normalization.ts";
import { portFile } from "./port-files.ts";
import { torchName, type WeightSource } from "./rename.ts";

/** Tensors with the network's own names. */
export interface Bare {
  readonly source: WeightSource;
  /** What was ignored, one line each. */
  readonly notes: readonly string[];
  /** What the network subtracts and divides by itself. */
  readonly normalization?: OwnNormalization;
}

/**
 * Removes the prefix that DataParallel (`module.`), Lightning (`model.`), torch.compile (`_orig_mod.`) and others put
 * before the network's names, once or repeatedly, and tensors that do not belong to the network, such as a loss's.
 * Files of ports first go through port-files.ts.
 * @throws SenetError `weights` where two networks have such names, and neither is an average of the other
 */
export function withoutPrefix(source: WeightSource, where: string): Bare {
  if (source.kind !== "tensors") return { source, notes: [] };
  const file = portFile(source.tensors, where);
  const normalization = ownNormalization(file.tensors);
  const { prefix, others, twins } = prefixOf(file.tensors, where);
  const isOther = (name: string) => others.some((other) => name.startsWith(other));
  const notes: string[] = [];
  if (twins.length > 0) notes.push(`the same network is in it more than once: ${shownList([prefix, ...twins])}`);
  if (others.length > 0)
    notes.push(`the averaged weights are taken, those under ${shownName(prefix)}; not ${shownList(others)}`);
  const aside = [...file.aside];
  const tensors = new Map<string, Tensor>();
  for (const [name, tensor] of file.tensors) {
    if (isLeftover(name) || normalization?.names.includes(name) || twins.some((twin) => name.startsWith(twin)))
      continue;
    const own = ownName(name, prefix);
    if (name.startsWith(prefix)) tensors.set(own, tensor);
    else if (isOther(name) || isBeside(own) || (prefix !== "" && isOfNoLayer(name, tensor))) aside.push(name);
    // Never replaces a tensor that has the whole prefix.
    else tensors.set(file.tensors.has(prefix + own) ? name : own, tensor);
  }
  if (aside.length > 0) {
    notes.push(`left aside ${aside.length} tensors that are not part of the network: ${shownList(aside)}`);
  }
  return { source: { kind: "tensors", tensors }, notes, ...(normalization && { normalization }) };
}

/** Removes the prefix, or as much of it as the name has: the classifier may be outside the body, as `module.fc`. */
function ownName(name: string, prefix: string): string {
  for (let outer = prefix; outer !== ""; outer = outer.replace(/[^./]*[./]$/, "")) {
    if (name.startsWith(outer)) return name.slice(outer.length);
  }
  return name;
}

/** Counters of profilers (thop), batch norm and averaging, which no computation needs. */
const isLeftover = (name: string): boolean =>
  /(?:^|\.)(?:total_ops|total_params|num_batches_tracked|n_averaged)$/.test(name);

/** Whether a tensor belongs to a loss or metric. */
const isBeside = (name: string): boolean =>
  /^(?:criterion|\w*loss(?:_\w+)?|\w*metrics?|\w*acc(?:uracy)?|\w*auroc|\w*f1)(?:\.|$)/i.test(name);

/**
 * Whether a tensor beside a wrapped network is no layer's parameter, but a module's own buffer (`class_weights`), a
 * counter (`step` of an average) or a metric's state. A layer there, such as another classifier, must stay to be refused.
 */
function isOfNoLayer(name: string, { shape, dtype }: Tensor): boolean {
  const isVector = sizeOf(shape) === Math.max(1, ...shape);
  const leaf =
    /(?:^|[./])(?:(?:weight|bias)\w*|original\d*|kernel|gamma|beta|(?:running|moving)_\w+|\w*(?:mean|std)|W|b)$/;
  return (isVector || dtype === "int32") && !leaf.test(name);
}

const isAverage = (prefix: string): boolean => /(?:^|[._])(?:ema|averaged|swa)(?:[._]|$)/i.test(prefix);

interface Prefix {
  readonly prefix: string;
  /** Prefixes of averages of the same network. */
  readonly others: readonly string[];
  /** Prefixes of copies with the same weights. */
  readonly twins: readonly string[];
}

/** The shortest prefix before names that identify a naming (`backbone.` may belong to the naming itself). */
function prefixOf(tensors: ReadonlyMap<string, Tensor>, where: string): Prefix {
  const names = [...tensors.keys()];
  const torch = namings.filter((naming): naming is TorchNaming => naming.style === "torch");
  const all = new Set(names);
  const found = new Set<string>();
  // Longer names only cost time.
  for (const name of names.filter((name) => name.length < 500)) {
    if (found.size > 16) break;
    for (let at = 0; at !== -1; at = nextPart(name, at)) {
      const own = name.slice(at);
      const prefix = name.slice(0, at);
      if (torch.some(({ mark, besides }) => mark.test(own) && (besides === undefined || all.has(prefix + besides)))) {
        found.add(prefix);
        break;
      }
    }
  }
  // A naming with two parts is found at the shorter prefix, and its body again at the longer one.
  const outermost = (all: readonly string[]) =>
    all.filter((prefix) => !all.some((other) => other !== prefix && prefix.startsWith(other)));
  const averages = outermost([...found].filter(isAverage));
  const raw = outermost([...found].filter((prefix) => !isAverage(prefix)));
  if (averages.length === 1) return { prefix: averages[0]!, others: raw, twins: [] };
  const outer = raw.length > 0 ? raw : averages;
  const [prefix = "", ...twins] = outer;
  if (twins.every((twin) => areTwins(tensors, prefix, twin))) return { prefix, others: [], twins };
  throw new SenetError("weights", "there is more than one network in this file", {
    where,
    expected: "one network, under any one prefix",
    found: shownList(outer),
    hint: `of a PyTorch file ${option("state")} NAME takes those that begin so; or save only the network that is wanted`,
  });
}

/** Whether the tensors under two prefixes have the same names and values, as those of a module that is stored twice. */
function areTwins(tensors: ReadonlyMap<string, Tensor>, one: string, other: string): boolean {
  const under = (prefix: string) => [...tensors].filter(([name]) => name.startsWith(prefix));
  const firsts = under(one);
  return (
    firsts.length === under(other).length &&
    firsts.every(([name, tensor]) => {
      const twin = tensors.get(other + name.slice(one.length));
      return twin !== undefined && sameTensor(tensor, twin);
    })
  );
}

/** Start of the name's next part. */
function nextPart(name: string, at: number): number {
  const end = name.slice(at).search(/[./]/);
  return end === -1 ? -1 : at + end + 1;
}

function shownList(names: readonly string[]): string {
  const shown = names.slice(0, 5).map((name) => shownName(name.slice(0, 80)));
  return shown.join(", ") + (names.length > shown.length ? ", ..." : "");
}

/**
 * Gives the classifier its plain name if it is the only layer with weights in a sequence: `fc.1` or `fc.out` of
 * (dropout, linear).
 */
export function withPlainHead(source: WeightSource, naming: Naming): WeightSource {
  if (source.kind !== "tensors" || naming.style !== "torch" || naming.leaves !== undefined) return source;
  const head = torchName(naming, "fc.weight")!.replace(/weight$/, "");
  const within = [...source.tensors.keys()].filter((name) => name.startsWith(head));
  const parts = new Set(within.map((name) => /^(\w+)\.(?:weight|bias)$/.exec(name.slice(head.length))?.[1]));
  const [part] = parts;
  if (parts.size !== 1 || part === undefined) return source;
  const plain = (name: string) => (name.startsWith(head) ? head + name.slice(head.length + part.length + 1) : name);
  return { ...source, tensors: new Map([...source.tensors].map(([name, tensor]) => [plain(name), tensor])) };
}

/** Whether two tensors have the same shape and values; NaN is the same as NaN. */
function sameTensor(a: Tensor, b: Tensor): boolean {
  return sameShape(a.shape, b.shape) && (a.data === b.data || a.data.every((value, i) => Object.is(value, b.data[i])));
}
