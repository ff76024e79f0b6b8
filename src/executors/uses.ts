/** Who may use what has to be disposed of: in turn where they must not meet, and nobody any more afterwards. */

import { SenetError } from "../errors.ts";

export class Uses {
  /** What is used, for errors. */
  readonly #name: string;
  readonly #underWay = new Set<Promise<unknown>>();
  #last: Promise<unknown> = Promise.resolve();
  #disposal: Promise<void> | undefined;

  constructor(name: string) {
    this.#name = name;
  }

  /** Uses it now, beside whoever else does. @throws SenetError `executor` where it was disposed of */
  async now<T>(use: () => Promise<T> | T): Promise<T> {
    if (this.#disposal !== undefined) {
      throw new SenetError("executor", "it was disposed of and cannot run", { where: this.#name });
    }
    const using = (async () => use())();
    this.#underWay.add(using);
    try {
      return await using;
    } finally {
      this.#underWay.delete(using);
    }
  }

  /** Uses it once all uses in turn that were begun before have ended, well or not. @throws SenetError as `now` */
  inTurn<T>(use: () => Promise<T> | T): Promise<T> {
    return this.now(() => {
      const turn = this.#last.then(use);
      this.#last = turn.catch(() => {});
      return turn;
    });
  }

  /** Frees it once all uses that were begun have ended; asked for again, it waits for the same. */
  dispose(free: () => Promise<void> | void): Promise<void> {
    this.#disposal ??= Promise.allSettled(this.#underWay).then(free);
    return this.#disposal;
  }
}
