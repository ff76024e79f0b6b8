/** Events for whoever comes to take them, in their order. */
export class EventQueue<T> implements AsyncIterable<T> {
  #events: T[] = [];
  #isEnded = false;
  #wake = () => {};

  add(event: T): void {
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
      const events = this.#events;
      this.#events = [];
      yield* events;
      if (this.#events.length > 0) continue;
      if (this.#isEnded) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
