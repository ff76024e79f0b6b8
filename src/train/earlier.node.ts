/** The run that stands in a folder already: whether to go on with it, and from where. */

import { existsSync } from "node:fs";
import { quote } from "../data/classes.ts";
import { option, SenetError } from "../errors.ts";
import { changesBetween, type Fingerprint } from "./fingerprint.node.ts";
import { lastFile, readRun } from "./out.node.ts";
import type { PrepareOptions } from "./prepare.node.ts";
import type { TrainingState } from "./state.ts";

export interface EarlierOptions extends Pick<PrepareOptions, "data" | "config" | "build" | "say"> {
  /** Where the run's files are. */
  readonly out: string;
  /** Go on from `last.safetensors` in `out`. */
  readonly resume: boolean;
  /** Go on also with other pictures of the same classes than the run had. */
  readonly acceptChanges?: boolean;
  /** Start anew even where `out` holds an earlier run; its files are replaced one by one. */
  readonly fresh?: boolean;
}

export type Earlier = Awaited<ReturnType<typeof readRun>>;

/** The run to go on with; `undefined` for a new one. @throws SenetError `usage` where `out` has one that is not wanted */
export async function earlierRun({ out, resume, fresh, config, build }: EarlierOptions): Promise<Earlier | undefined> {
  if (!resume) {
    if (existsSync(lastFile(out)) && fresh !== true) {
      throw new SenetError("usage", "there is a run in this folder already", {
        where: out,
        hint: `${option("resume")} to go on with it, or another ${option("out")}`,
      });
    }
    return undefined;
  }
  const earlier = await readRun(out, build);
  if (earlier.model.name !== config.model) {
    throw new SenetError("weights", "the run is for another model", {
      where: lastFile(out),
      expected: config.model,
      found: earlier.model.name,
    });
  }
  return earlier;
}

/**
 * Where an earlier run goes on, with the pictures as they are now.
 * @throws SenetError `usage` where they are not those it was trained on, `weights` where no run can be in its state
 */
export function startFrom(
  { labels, run }: Earlier,
  { out, data: folder, say = () => {}, acceptChanges = false }: EarlierOptions,
  classes: readonly string[],
  data: Fingerprint,
  stepsPerEpoch: number,
): TrainingState {
  if (labels.join("\0") !== classes.join("\0")) {
    const missing = labels.filter((name) => !classes.includes(name));
    const more = classes.filter((name) => !labels.includes(name));
    throw new SenetError("weights", "the run was trained on different classes", {
      where: lastFile(out),
      expected: `${labels.length} classes${missing.length === 0 ? "" : `, with ${quote(missing)}`}`,
      found: `${classes.length}${more.length === 0 ? "" : `, with ${quote(more)}`} in ${folder}`,
      hint: `the data folder as it was, or a new run in another ${option("out")}`,
    });
  }
  const changes = run.data === undefined ? [] : changesBetween(run.data, data, classes);
  const isBeyond = run.state.step > stepsPerEpoch;
  if (isBeyond && changes.length === 0) {
    changes.push(`an epoch of ${stepsPerEpoch} steps, of which the run has done ${run.state.step}`);
    if (run.data !== undefined) {
      throw new SenetError("weights", "the state of the run cannot be used", {
        where: lastFile(out),
        found: changes.join("; "),
      });
    }
  }
  if (changes.length > 0 && !acceptChanges) {
    throw new SenetError("usage", "the pictures are not those that the run was trained on", {
      where: folder,
      found: changes.join("; "),
      hint: `the data folder as it was; or ${option("acceptChanges")}, to go on with the pictures that are there now`,
    });
  }
  for (const change of changes) say(`changed since the run was saved: ${change}`);
  if (run.data === undefined)
    say("the run was saved without a list of its pictures, so nobody can tell whether they are still the same");
  return isBeyond ? { ...run.state, step: stepsPerEpoch } : run.state;
}
