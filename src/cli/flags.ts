/** The flags of the options that the library's messages name. */

import type { OptionKey } from "../errors.ts";

export const flags: Readonly<Record<OptionKey, string>> = {
  acceptChanges: "--accept-changes",
  act: "--act",
  allowMissing: "--allow-missing",
  batchSize: "--batch-size",
  cache: "--cache",
  data: "--data",
  dropPath: "--drop-path",
  epochs: "--epochs",
  executor: "--executor",
  force: "--force",
  freeze: "--freeze",
  from: "--from",
  imageSize: "--image-size",
  inChans: "--in-chans",
  journal: "--journal",
  labels: "--labels",
  learningRate: "--lr",
  list: "--list",
  listOrder: "--list-order",
  mean: "--mean",
  model: "--model",
  offline: "--offline",
  out: "--out",
  pretrained: "--pretrained",
  precision: "--precision",
  recompute: "--recompute",
  recursive: "--no-recursive",
  resume: "--resume",
  state: "--state",
  syncBn: "--sync-bn",
  valList: "--val-list",
  valSplit: "--val-split",
  warmupEpochs: "--warmup-epochs",
  weights: "--weights",
  workers: "--workers",
};

/** Rewrites a library message for the command line: each option becomes its flag. */
export const withFlags = (message: string): string =>
  message.replace(/`(\w+)`/g, (named, key: string) => (Object.hasOwn(flags, key) ? flags[key as OptionKey] : named));
