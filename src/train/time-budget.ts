/** A run that ends after a set time. */

/** Timers count to no more. */
const LONGEST_MS = 2 ** 31 - 1;

export interface TimeBudget {
  /** Aborted by the caller's signal, or once the time is up. */
  readonly signal: AbortSignal;
  /** Stops the clock. */
  readonly end: () => void;
}

/**
 * The caller's signal, and a clock that begins now.
 *
 * The clock is a timer, not `AbortSignal.timeout`: `AbortSignal.any` holds its sources weakly, so that the collector
 * takes a signal of that kind away before it fires, and the run never ends.
 */
export function timeBudget(signal: AbortSignal, seconds: number | undefined): TimeBudget {
  if (seconds === undefined) return { signal, end: () => {} };
  const late = new AbortController();
  const stop = () => late.abort(new DOMException("The time is up", "TimeoutError"));
  const timer = setTimeout(stop, Math.min(LONGEST_MS, Math.ceil(1000 * seconds)));
  return { signal: AbortSignal.any([signal, late.signal]), end: () => clearTimeout(timer) };
}
