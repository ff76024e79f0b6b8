/** Ctrl-C that loses nothing. */

/**
 * Runs `work`; the first Ctrl-C (or SIGTERM) calls `say` and aborts the signal, a second one ends the process.
 */
export async function interruptible<T>(say: () => void, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const interrupt = new AbortController();
  const onSignal = () => {
    if (interrupt.signal.aborted) process.exit(130);
    say();
    interrupt.abort();
  };
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  try {
    return await work(interrupt.signal);
  } finally {
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  }
}
