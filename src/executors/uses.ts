/** Coordinates the use of a disposable resource: calls in turn where they must not overlap, and none after disposal. */

import { SenetError } from "../errors.ts";

export class Uses {
  /** Name of the resource, for errors. */
  readonly #name: string;
  readonly #underWay = new Set<Promise<unknown>>();
  #last: Promise<unknown> = Promise.resolve();
  #disposal: Promise<void> | undefined;

  constructor(name: string) {
    this.#name = name;
  }

  /** Uses it now, concurrently with other uses. @throws SenetError `executor` after disposal */
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

  /** Uses it after all earlier `inTurn` uses have ended, successfully or not. @throws SenetError as `now` */
  inTurn<T>(use: () => Promise<T> | T): Promise<T> {
    return this.now(() => {
      const turn = this.#last.then(use);
      this.#last = turn.catch(() => {});
      return turn;
    });
  }

  /** Frees it once all uses have ended; repeated calls wait for the same. */
  dispose(free: () => Promise<void> | void): Promise<void> {
    this.#disposal ??= Promise.allSettled(this.#underWay).then(free);
    return this.#disposal;
  }
}
