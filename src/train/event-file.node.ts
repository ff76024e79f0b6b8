/** TensorBoard's event file in a run's folder: `tensorboard --logdir runs` shows all runs below it, also as they go on. */

import { appendFileSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { writeError } from "../files/files.node.ts";
import { replaceFile } from "../files/replace.node.ts";
import { epochRecord, firstRecords } from "./events.ts";
import type { EpochMetrics } from "./state.ts";

/** TensorBoard takes files for its own by `tfevents`, and reads those of a folder in the order of their names. */
const pattern = /^events\.out\.tfevents\.\d+\.senet$/;

const now = () => Date.now() / 1000;

export class EventFile {
  readonly #path: string;

  private constructor(path: string) {
    this.#path = path;
  }

  /**
   * A new file that begins with the epochs that are done, in place of those of earlier processes: what one that was killed
   * has not written, or has written of an epoch that it could not save, is put right. TensorBoard keeps files open, so
   * that only a file that grows is followed.
   * @throws SenetError `io`
   */
  static async create(out: string, history: readonly EpochMetrics[]): Promise<EventFile> {
    const time = now();
    // No later than they were: runs do not keep when an epoch ended.
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
