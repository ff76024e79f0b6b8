/** What may be asked of a run that goes on. */

import { option, SenetError } from "../errors.ts";
import { plain } from "../text.ts";
import { learningRateOf, type TrainingConfig, trainingConfig } from "./config.ts";
import { learningRateAt } from "./schedule.ts";
import type { TrainingState } from "./state.ts";

/** What the user said of the config, and how. */
export interface Given {
  readonly values: Readonly<Record<string, unknown>>;
  /** What the user calls a key: `--lr`, or `"learningRate" in FILE`. */
  readonly nameOf: (key: string) => string;
}

/** Whether the batch is to be found by itself (`RunOptions.fitBatch`): `auto` is no number, and no configuration has it. */
export function withoutAuto<T extends { readonly values: Given["values"] }>(
  given: T,
): T & { readonly fitBatch: boolean } {
  const { batchSize, ...values } = given.values;
  return batchSize === "auto" ? { ...given, values, fitBatch: true } : { ...given, fitBatch: false };
}

/** What a run was told to do, and how far it came. */
export interface SavedPosition {
  readonly config: TrainingConfig;
  readonly state: TrainingState;
}

/**
 * The config of a run that goes on: its own, but for more epochs where they were asked for.
 * @param say told what more epochs mean
 * @throws SenetError `usage` where something else was asked for
 */
export function resumedConfig(
  { config: saved, state }: SavedPosition,
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
    throw new SenetError("usage", `a resumed run keeps its options; only ${option("epochs")} may be raised`, {
      where,
      expected: show(saved),
      found: show(config),
      hint: `leave out ${refused.map(nameOf).join(", ")}, or start a new run in another ${option("out")}`,
    });
  }
  if (differs.length > 0) {
    const rate = (by: TrainingConfig) =>
      plain(learningRateAt({ ...by, learningRate: learningRateOf(by) }, state.epoch, 1));
    say(
      `${config.epochs} epochs instead of ${saved.epochs}: the ${config.schedule} schedule now spans ` +
        `${config.epochs} epochs, and the rate continues at ${rate(config)} (it was ${rate(saved)})`,
    );
  }
  return config;
}

const shown = (value: unknown): string => (value === null ? "by default" : String(value));
