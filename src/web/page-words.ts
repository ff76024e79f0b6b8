/** What the library's messages speak of, as a page has it. */

import type { OptionKey } from "../errors.ts";

/** `null`: a page has nothing like it. */
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

/** Whether it is of an option, a command or a package that only Node has. */
const isOfNode = (text: string): boolean =>
  /\bsenet [a-z]+|\bnpm /.test(text) ||
  [...text.matchAll(optionNames)].some(([, key]) => Object.hasOwn(options, key!) && options[key as OptionKey] === null);

/** Without what is in brackets and a page cannot do. */
const trimmed = (text: string): string =>
  text.replace(/ \(([^()]*)\)/g, (whole, within: string) => (isOfNode(within) ? "" : whole));

/** A line for people. */
export const pageLine = (line: string): string =>
  trimmed(line).replace(optionNames, (named, key: string) =>
    Object.hasOwn(options, key) ? `\`${options[key as OptionKey] ?? key}\`` : named,
  );

/** What to try, of what a page can; `undefined` where nothing is left. */
export function pageHint(hint: string): string | undefined {
  const ways = trimmed(hint)
    .split(/[,;] or /)
    .filter((way) => !isOfNode(way));
  return ways.length === 0 ? undefined : pageLine(ways.join(", or "));
}
