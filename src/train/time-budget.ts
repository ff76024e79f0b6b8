/** Stops a run after a set time. */

/** The longest delay that timers support. */
const longestMs = 2 ** 31 - 1;

export interface TimeBudget {
  /** Aborted by the caller's signal, or when the time is up. */
  readonly signal: AbortSignal;
  /** Stops the timer. */
  readonly end: () => void;
}

/**
 * Combines the caller's signal with a timer that starts now.
 *
 * A timer rather than `AbortSignal.timeout`: `AbortSignal.any` holds its sources weakly, so the garbage collector may
 * take such a signal before it fires, and the run would never end.
 */
export function timeBudget(signal: AbortSignal, seconds: number | undefined): TimeBudget {
  if (seconds === undefined) return { signal, end: () => {} };
  const late = new AbortController();
  const stop = () => late.abort(new DOMException("The time is up", "TimeoutError"));
  const timer = setTimeout(stop, Math.min(longestMs, Math.ceil(1000 * seconds)));
  return { signal: AbortSignal.any([signal, late.signal]), end: () => clearTimeout(timer) };
}
