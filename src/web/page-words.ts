/** Translates the library's messages to a page's terms. */

import type { OptionKey } from "../errors.ts";

/** The page's name of each option; `null`: it has no such option. */
const options: Readonly<Record<OptionKey, string | null>> = {
  acceptChanges: "acceptChanges",
  act: "act",
  allowMissing: null,
  batchSize: "batchSize",
  cache: null,
  data: null,
  dropPath: "dropPath",
  epochs: "epochs",
  executor: null,
  force: null,
  freeze: "freeze",
  from: "from",
  imageSize: "imageSize",
  inChans: "inChans",
  journal: null,
  labels: "labels",
  learningRate: "learningRate",
  list: null,
  listOrder: null,
  mean: "preprocessing.mean",
  model: "model",
  offline: null,
  out: null,
  precision: null,
  pretrained: null,
  recompute: null,
  recursive: null,
  resume: "resume",
  state: null,
  syncBn: null,
  valList: null,
  valSplit: "valSplit",
  warmupEpochs: "warmupEpochs",
  weights: null,
  workers: null,
};

const optionNames = /`(\w+)`/g;

/** Whether the text mentions an option, a command or a package that only Node has. */
const isOfNode = (text: string): boolean =>
  /\bsenet [a-z]+|\bnpm /.test(text) ||
  [...text.matchAll(optionNames)].some(([, key]) => Object.hasOwn(options, key!) && options[key as OptionKey] === null);

/** Removes parenthesised parts that do not apply to a page. */
const trimmed = (text: string): string =>
  text.replace(/ \(([^()]*)\)/g, (whole, within: string) => (isOfNode(within) ? "" : whole));

/** Translates one line. */
export const pageLine = (line: string): string =>
  trimmed(line).replace(optionNames, (named, key: string) =>
    Object.hasOwn(options, key) ? `\`${options[key as OptionKey] ?? key}\`` : named,
  );

/** The part of a hint that applies to a page; `undefined` if nothing is left. */
export function pageHint(hint: string): string | undefined {
  const ways = trimmed(hint)
    .split(/[,;] or /)
    .filter((way) => !isOfNode(way));
  return ways.length === 0 ? undefined : pageLine(ways.join(", or "));
}
