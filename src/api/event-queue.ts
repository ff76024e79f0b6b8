/**
 * Events for whoever comes to take them, in their order. One that says again what the last one said, with newer numbers,
 * takes its place as long as nobody has taken that: whoever is slow misses some of these, and nothing piles up.
 */
export class EventQueue<T> implements AsyncIterable<T> {
  readonly #events: T[] = [];
  readonly #replaces: (next: T, last: T) => boolean;
  #isEnded = false;
  #wake = () => {};

  /** @param replaces whether the next event says all that the one before it says; default: none does */
  constructor(replaces: (next: T, last: T) => boolean = () => false) {
    this.#replaces = replaces;
  }

  add(event: T): void {
    const last = this.#events.at(-1);
    if (last !== undefined && this.#replaces(event, last)) this.#events.pop();
    this.#events.push(event);
    this.#wake();
  }

  /** No more will come. */
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
