/** Finds an earlier run in a folder: whether to continue it, and from where. */

import { existsSync } from "node:fs";
import { option, SenetError } from "../errors.ts";
import { lastFile, readRun } from "./out.node.ts";
import type { PrepareOptions } from "./prepare.node.ts";
import type { Accepting } from "./resume.ts";
import type { Resumable } from "./saved.ts";

export interface EarlierOptions extends Pick<PrepareOptions, "data" | "config" | "build" | "say">, Accepting {
  /** Folder of the run. */
  readonly out: string;
  /** Continue from `last.safetensors` in `out`. */
  readonly resume: boolean;
  /** Start afresh even if `out` holds an earlier run; its files are replaced one by one. */
  readonly fresh?: boolean;
}

/**
 * The run to continue; `undefined` for a new one. @throws SenetError `usage` where `out` holds a run and neither option
 * is set
 */
export async function earlierRun({
  out,
  resume,
  fresh,
  config,
  build,
}: EarlierOptions): Promise<Resumable | undefined> {
  if (!resume) {
    if (existsSync(lastFile(out)) && fresh !== true) {
      throw new SenetError("usage", "there is a run in this folder already", {
        where: out,
        hint: `${option("resume")} to continue it, or another ${option("out")}`,
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
