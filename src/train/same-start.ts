/** Checks that all ranks start alike: a difference would otherwise only show as a network that learns nothing. */

import { option, SenetError } from "../errors.ts";
import type { Weights } from "../executors/executor.ts";
import type { Ranks } from "../ranks.ts";
import { hexOf, sha256 } from "../sha256.ts";
import type { TrainingConfig } from "./config.ts";
import { changesBetween, type Fingerprint } from "./fingerprint.ts";

export interface Beginning {
  /** Version of senet. */
  readonly version: string;
  readonly config: TrainingConfig;
  readonly data: Fingerprint;
  readonly classes: readonly string[];
  /** The engine and its layout of gradients, which are summed as they lie in memory. */
  readonly engine: string;
  readonly weights: Weights;
}

/** A `Beginning` with a digest instead of each weight. */
type Told = Omit<Beginning, "weights"> & { readonly weights: Readonly<Record<string, string>> };

/**
 * Compares the ranks' beginnings. All ranks must call it.
 * @throws SenetError `usage`, on all ranks alike, naming the first rank that differs from rank 0, and how
 */
export async function requireAlike(ranks: Ranks, own: Beginning): Promise<void> {
  if (ranks.count === 1) return;
  const weights = Object.fromEntries([...own.weights].map(([name, { data }]) => [name, digestOf(data)]));
  const told: Told = { ...own, weights };
  const text = JSON.stringify(told);
  const digests = await ranks.gather(sha256(text));
  const [first] = digests;
  if (digests.every((digest) => hexOf(digest) === hexOf(first!))) return;
  const all = await ranks.gather(new TextEncoder().encode(text));
  const [expected, ...others] = all.map((bytes) => JSON.parse(new TextDecoder().decode(bytes)) as Told);
  for (const [i, found] of others.entries()) {
    const differences = differencesOf(expected!, found);
    if (differences.length === 0) continue;
    throw new SenetError("usage", "this process starts differently from the first one", {
      where: ranks.name(i + 1),
      expected: differences.map(([wanted]) => wanted),
      found: differences.map(([, has]) => has),
      hint: `the same senet, command and pictures on all hosts; for a resumed run, ${option("out")} on a disk that all can read`,
    });
  }
}

/**
 * Checks during the run that all ranks still have the same weights, since processors may round differently.
 * @throws SenetError `training` naming the first rank whose weights differ from rank 0's
 */
export async function requireSameWeights(ranks: Ranks, weights: Weights): Promise<void> {
  if (ranks.count === 1) return;
  const own = [...weights.values()].map(({ data }) => digestOf(data)).join(" ");
  const [first, ...others] = (await ranks.gather(sha256(own))).map(hexOf);
  const rank = 1 + others.findIndex((digest) => digest !== first);
  if (rank === 0) return;
  throw new SenetError("training", "its weights are no longer those of the first process", {
    where: ranks.name(rank),
    expected: "the same to the last bit, as at the start",
    hint: "hosts with the same kind of processor and the same libraries",
  });
}

type Difference = readonly [expected: string, found: string];

function differencesOf(expected: Told, found: Told): Difference[] {
  const differences: Difference[] = [];
  const compare = (what: string, a: unknown, b: unknown) => {
    const [wanted, has] = [JSON.stringify(a), JSON.stringify(b)];
    if (wanted !== has) differences.push([`${what} ${wanted}`, `${what} ${has}`]);
  };
  compare("senet", expected.version, found.version);
  compare("the engine", expected.engine, found.engine);
  for (const key of new Set([...Object.keys(expected.config), ...Object.keys(found.config)])) {
    compare(key, expected.config[key as keyof TrainingConfig], found.config[key as keyof TrainingConfig]);
  }
  compare("classes", expected.classes, found.classes);
  if (differences.length === 0) {
    const changes = changesBetween(expected.data, found.data, expected.classes);
    differences.push(...changes.map((change): Difference => ["the pictures of the first", change]));
  }
  const names = Object.keys(expected.weights).filter((name) => expected.weights[name] !== found.weights[name]);
  if (differences.length === 0 && names.length > 0) {
    const which = `${names.length} of ${Object.keys(expected.weights).length} tensors, the first "${names[0]}"`;
    differences.push(["the same weights", `others: ${which}`]);
  }
  return differences;
}

/** A fast digest of all bits: a network has a hundred million of them. */
function digestOf(data: ArrayBufferView): string {
  const words = new Int32Array(data.buffer, data.byteOffset, data.byteLength >> 2);
  let [a, b] = [0x811c9dc5 | 0, 0x9e3779b9 | 0];
  for (const word of words) {
    a = Math.imul(a ^ word, 0x01000193);
    b = Math.imul(b + word, 0x85ebca6b) ^ (b >>> 13);
  }
  return `${(a >>> 0).toString(16)}${(b >>> 0).toString(16)}`;
}
