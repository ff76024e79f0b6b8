/** The configuration of a training run from flags, a file, or the run that is to go on; faults by the user's own names. */

import { readFileSync } from "node:fs";
import type { Command } from "commander";
import { SenetError } from "../errors.ts";
import { decodeText } from "../text-file.ts";
import { learningRateOf, type TrainingConfig, trainingConfig } from "../train/config.ts";
import type { SavedRun } from "../train/out.node.ts";
import { learningRateAt } from "../train/schedule.ts";
import { zooEntry } from "../zoo/index.ts";
import { plain } from "./output.ts";

/** Options of the command line that are not keys of the config under the same name. */
const renamed: Readonly<Record<string, keyof TrainingConfig>> = { lr: "learningRate" };

/** What the user said of the config, and how. */
export interface Given {
  readonly values: Readonly<Record<string, unknown>>;
  /** `--lr`, or `"learningRate" in FILE`. */
  readonly nameOf: (key: string) => string;
}

/** What flags say, over what the file of --config says. @throws SenetError `usage` where that cannot be read */
export function givenConfig(command: Command): Given {
  const options = command.opts<Record<string, unknown>>();
  const known = new Set(Object.keys(trainingConfig({})));
  const flags = new Map<string, { readonly flag: string; readonly value: unknown }>();
  for (const option of command.options) {
    const attribute = option.attributeName();
    const key = renamed[attribute] ?? attribute;
    if (!known.has(key) || command.getOptionValueSource(attribute) !== "cli") continue;
    flags.set(key, { flag: option.long!, value: options[attribute] });
  }
  const file = typeof options.config === "string" ? options.config : undefined;
  const values = {
    ...(file === undefined ? {} : readConfig(file)),
    ...Object.fromEntries([...flags].map(([key, { value }]) => [key, value])),
  };
  return { values, nameOf: (key) => flags.get(key)?.flag ?? (file === undefined ? key : `"${key}" in ${file}`) };
}

/** The config of a new run: what was given, over the defaults. @throws SenetError `usage` */
export function newConfig({ values, nameOf }: Given): TrainingConfig {
  const name = typeof values.model === "string" ? values.model : trainingConfig({}).model;
  return trainingConfig({ imageSize: zooEntry(name).imageSize, ...values }, undefined, nameOf);
}

/**
 * The config of a run that goes on: its own, but for more epochs where they were asked for.
 * @param say told what more epochs mean
 * @throws SenetError `usage` where something else was asked for
 */
export function resumedConfig(
  { config: saved, state }: Pick<SavedRun, "config" | "state">,
  { values, nameOf }: Given,
  where: string,
  say: (line: string) => void,
): TrainingConfig {
  const config = trainingConfig({ ...saved, ...values }, undefined, nameOf);
  const keys = Object.keys(saved) as (keyof TrainingConfig)[];
  const differs = keys.filter((key) => JSON.stringify(saved[key]) !== JSON.stringify(config[key]));
  const refused = differs.filter((key) => !(key === "epochs" && config.epochs > saved.epochs));
  if (refused.length > 0) {
    const show = (values: TrainingConfig) => refused.map((key) => `${nameOf(key)} ${shown(values[key])}`).join(", ");
    throw new SenetError("usage", `a resumed run keeps its options; only --epochs may be raised`, {
      where,
      expected: show(saved),
      found: show(config),
      hint: `leave out ${refused.map(nameOf).join(", ")}, or start a new run in another --out`,
    });
  }
  if (differs.length > 0) {
    const rate = (by: TrainingConfig) =>
      plain(learningRateAt({ ...by, learningRate: learningRateOf(by) }, state.epoch, 1));
    say(
      `${config.epochs} epochs instead of ${saved.epochs}: the ${config.schedule} schedule is now that of ` +
        `${config.epochs} epochs, and the rate goes on at ${rate(config)} (it was ${rate(saved)})`,
    );
  }
  return config;
}

const shown = (value: unknown): string => (value === null ? "by default" : String(value));

function readConfig(path: string): Record<string, unknown> {
  let config: unknown;
  try {
    config = JSON.parse(decodeText(readFileSync(path)));
  } catch (cause) {
    throw new SenetError("usage", "the config cannot be read", { where: path, found: String(cause), cause });
  }
  if (typeof config === "object" && config !== null && !Array.isArray(config)) return { ...config };
  throw new SenetError("usage", "the config cannot be used", {
    where: path,
    expected: "a JSON object such as a run's config.json",
    found: JSON.stringify(config).slice(0, 80),
  });
}
