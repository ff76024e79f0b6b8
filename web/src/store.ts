/** One value that the page shows, with listeners for changes. */

import { useEffect, useState } from "preact/hooks";

export class Store<State extends object> {
  #state: State;
  readonly #listeners = new Set<() => void>();

  constructor(initial: State) {
    this.#state = initial;
  }

  get state(): State {
    return this.#state;
  }

  set(change: Partial<State>): void {
    this.#state = { ...this.#state, ...change };
    for (const tell of this.#listeners) tell();
  }

  listen(tell: () => void): () => void {
    this.#listeners.add(tell);
    return () => this.#listeners.delete(tell);
  }
}

/** The store's value, for a component that is rendered again when it changes. */
export function useStore<State extends object>(store: Store<State>): State {
  const [state, show] = useState(store.state);
  useEffect(() => {
    show(store.state);
    return store.listen(() => show(store.state));
  }, [store]);
  return state;
}
