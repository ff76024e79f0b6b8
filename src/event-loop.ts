/** The event loop of Node and of browsers. */

/** Only Node has it: after what waits now, but before a timer, which lasts a millisecond at least. */
const { setImmediate: soon } = globalThis as { readonly setImmediate?: (then: () => void) => unknown };

/** `undefined` where `signal` made an end of it. */
export async function unlessAborted<T>(signal: AbortSignal | undefined, work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (signal?.aborted === true && error === signal.reason) return undefined;
    throw error;
  }
}

/** Lets what waits have its turn, such as a signal (Ctrl-C): an engine may block the loop for a whole step. */
export const turn = (): Promise<void> =>
  new Promise((resolve) => {
    if (soon === undefined) setTimeout(resolve, 0);
    else soon(resolve);
  });
