/**
 * A queue of events for one slow reader. An event that supersedes the last one (the same news with newer numbers)
 * replaces it if nobody has taken that yet, so that nothing piles up.
 */
export class EventQueue<T> implements AsyncIterable<T> {
  readonly #events: T[] = [];
  readonly #replaces: (next: T, last: T) => boolean;
  #isEnded = false;
  #wake = () => {};

  /** @param replaces whether `next` supersedes `last`; default: never */
  constructor(replaces: (next: T, last: T) => boolean = () => false) {
    this.#replaces = replaces;
  }

  add(event: T): void {
    const last = this.#events.at(-1);
    if (last !== undefined && this.#replaces(event, last)) this.#events.pop();
    this.#events.push(event);
    this.#wake();
  }

  /** Marks the end: no more events will come. */
  end(): void {
    this.#isEnded = true;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    for (;;) {
      while (this.#events.length > 0) yield this.#events.shift()!;
      if (this.#isEnded) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
