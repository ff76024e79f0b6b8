/** TensorBoard's event file in a run's folder: `tensorboard --logdir runs` shows all runs, also while they train. */

import { appendFileSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { writeError } from "../files/files.node.ts";
import { replaceFile } from "../files/replace.node.ts";
import { epochRecord, firstRecords } from "./events.ts";
import type { EpochMetrics } from "./state.ts";

/** TensorBoard recognises its files by `tfevents` in the name and reads them in the order of their names. */
const pattern = /^events\.out\.tfevents\.\d+\.senet$/;

const now = () => Date.now() / 1000;

export class EventFile {
  readonly #path: string;

  private constructor(path: string) {
    this.#path = path;
  }

  /**
   * Creates a file with the epochs done so far and deletes those of earlier processes, in which a killed process may
   * have left out its last epoch, or written one that it could not save. Afterwards the file only grows: TensorBoard
   * keeps files open and follows nothing else.
   * @throws SenetError `io`
   */
  static async create(out: string, history: readonly EpochMetrics[]): Promise<EventFile> {
    const time = now();
    // The epochs' own end times are not stored, so these are estimates that are never too late.
    let end = time;
    const past = [...history].reverse().map((metrics) => {
      const record = epochRecord(metrics, end);
      end -= metrics.seconds;
      return record;
    });
    const name = `events.out.tfevents.${Math.floor(time)}.senet`;
    await replaceFile(join(out, name), [...firstRecords(end), ...past.reverse()]);
    for (const old of await readdir(out)) {
      if (pattern.test(old) && old !== name) await rm(join(out, old), { force: true });
    }
    return new EventFile(join(out, name));
  }

  /** @throws SenetError `io` */
  add(metrics: EpochMetrics): void {
    try {
      appendFileSync(this.#path, epochRecord(metrics, now()));
    } catch (cause) {
      throw writeError("cannot be written", this.#path, cause);
    }
  }
}
