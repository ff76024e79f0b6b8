/** Resuming: which options a resumed run accepts, and where it continues. */

import { quote } from "../data/classes.ts";
import { option, SenetError } from "../errors.ts";
import { plain } from "../text-output.ts";
import { learningRateOf, type TrainingConfig, trainingConfig } from "./config.ts";
import { changesBetween, type Fingerprint } from "./fingerprint.ts";
import type { Resumable } from "./saved.ts";
import { learningRateAt } from "./schedule.ts";
import type { TrainingState } from "./state.ts";

/** The configuration keys that the user gave, and their names for them. */
export interface Given {
  readonly values: Readonly<Record<string, unknown>>;
  /** The user's name for a key: `--lr`, or `"learningRate" in FILE`. */
  readonly nameOf: (key: string) => string;
}

/** Takes out `batchSize: "auto"` (`RunOptions.fitBatch`), which no configuration has. */
export function withoutAuto<T extends { readonly values: Given["values"] }>(
  given: T,
): T & { readonly fitBatch: boolean } {
  const { batchSize, ...values } = given.values;
  return batchSize === "auto" ? { ...given, values, fitBatch: true } : { ...given, fitBatch: false };
}

/** A run's configuration and progress. */
export interface SavedPosition {
  readonly config: TrainingConfig;
  readonly state: TrainingState;
}

/**
 * The configuration of a resumed run: its own, with more epochs if they are asked for.
 * @param say is told what more epochs mean for the schedule
 * @throws SenetError `usage` where anything else was changed
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

/** Changes since the run was saved that are accepted. */
export interface Accepting {
  /** Resume even if the pictures have changed, as long as the classes are the same. */
  readonly acceptChanges?: boolean;
}

interface ResumeOptions extends Accepting {
  /** The run's file and the pictures' path, for errors. */
  readonly file: string;
  readonly pictures: string;
  readonly say?: ((line: string) => void) | undefined;
}

/**
 * The state in which a run resumes, with the pictures as they are now.
 * @throws SenetError `usage` where the pictures are not those of the run; `weights` where the saved state is impossible
 */
export function startFrom(
  { labels, run }: Pick<Resumable, "labels" | "run">,
  { file, pictures, say = () => {}, acceptChanges = false }: ResumeOptions,
  classes: readonly string[],
  data: Fingerprint,
  stepsPerEpoch: number,
): TrainingState {
  if (labels.join("\0") !== classes.join("\0")) {
    const missing = labels.filter((name) => !classes.includes(name));
    const more = classes.filter((name) => !labels.includes(name));
    throw new SenetError("weights", "the run was trained on different classes", {
      where: file,
      expected: `${labels.length} classes${missing.length === 0 ? "" : `, with ${quote(missing)}`}`,
      found: `${classes.length}${more.length === 0 ? "" : `, with ${quote(more)}`} in ${pictures}`,
      hint: `the data folder as it was, or a new run in another ${option("out")}`,
    });
  }
  const changes = run.data === undefined ? [] : changesBetween(run.data, data, classes);
  const isBeyond = run.state.step > stepsPerEpoch;
  if (isBeyond && changes.length === 0) {
    changes.push(`an epoch of ${stepsPerEpoch} steps, of which the run has done ${run.state.step}`);
    if (run.data !== undefined) {
      throw new SenetError("weights", "the state of the run cannot be used", {
        where: file,
        found: changes.join("; "),
      });
    }
  }
  if (changes.length > 0 && !acceptChanges) {
    throw new SenetError("usage", "the pictures are not those that the run was trained on", {
      where: pictures,
      found: changes.join("; "),
      hint: `the data folder as it was; or ${option("acceptChanges")}, to continue with the current pictures`,
    });
  }
  for (const change of changes) say(`changed since the run was saved: ${change}`);
  if (run.data === undefined)
    say("the run was saved without a list of its pictures, so it is unknown whether they have changed");
  return isBeyond ? { ...run.state, step: stepsPerEpoch } : run.state;
}

const shown = (value: unknown): string => (value === null ? "by default" : String(value));
