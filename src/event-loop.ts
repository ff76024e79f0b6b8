/** Small helpers around the event loop, for Node and browsers. */

/** Only Node has `setImmediate`; elsewhere a timer is used, which takes at least a millisecond. */
const { setImmediate: soon } = globalThis as { readonly setImmediate?: (then: () => void) => unknown };

/** The result of `work`, or `undefined` if it was rejected because `signal` aborted it. */
export async function unlessAborted<T>(signal: AbortSignal | undefined, work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (signal?.aborted === true && error === signal.reason) return undefined;
    throw error;
  }
}

/** Lets pending events run, such as Ctrl-C: an engine may block the event loop for a whole step. */
export const turn = (): Promise<void> =>
  new Promise((resolve) => {
    if (soon === undefined) setTimeout(resolve, 0);
    else soon(resolve);
  });
