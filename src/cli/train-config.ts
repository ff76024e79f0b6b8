/** The configuration of a training run from flags, a file, or the run that is to go on; faults by the user's own names. */

import type { Command } from "commander";
import { SenetError } from "../errors.ts";
import { readBytesSync } from "../files/files.node.ts";
import { decodeText } from "../text-file.ts";
import { type TrainingConfig, trainingConfig } from "../train/config.ts";
import type { Given } from "../train/resume.ts";
import { type SourceNetwork, sourceDefaults } from "../train/start.ts";
import { weightsOf } from "./weights.ts";

/** Options of the command line that are not keys of the config under the same name. */
const renamed: Readonly<Record<string, keyof TrainingConfig>> = { lr: "learningRate" };

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

/** The config of a new run: what was given, over what the source says, over the defaults. @throws SenetError `usage` */
export function newConfig({ values, nameOf }: Given, source: SourceNetwork | undefined): TrainingConfig {
  return trainingConfig({ ...(source && sourceDefaults(source)), ...values }, undefined, nameOf);
}

/** The network that a new run begins with, where `weights` names one. @throws SenetError as `weightsOf` */
export async function sourceOf({ values: { weights } }: Given): Promise<SourceNetwork | undefined> {
  return typeof weights === "string" ? { ...(await weightsOf(weights)), from: weights } : undefined;
}

function readConfig(path: string): Record<string, unknown> {
  const bytes = readBytesSync(path, "the config cannot be read");
  let config: unknown;
  try {
    config = JSON.parse(decodeText(bytes));
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
