import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { timeBudget } from "./time-budget.ts";

/** What frees all that nothing holds. */
function collector(): () => void {
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as () => void;
}

test("the time is up although memory has been collected meanwhile", async () => {
  const collect = collector();
  const { signal, end } = timeBudget(new AbortController().signal, 0.1);
  // What nothing holds goes with the second collection: the first only finds it.
  for (let i = 0; i < 3; i++) {
    collect();
    await sleep(5);
  }
  for (let i = 0; i < 100 && !signal.aborted; i++) await sleep(20);
  assert.ok(signal.aborted);
  assert.equal((signal.reason as DOMException).name, "TimeoutError");
  end();
});

test("the caller's signal stops it before, and a clock that was stopped does nothing", async () => {
  const caller = new AbortController();
  const stopped = timeBudget(caller.signal, 3600);
  caller.abort(new Error("enough"));
  assert.match(String(stopped.signal.reason), /enough/);
  stopped.end();
  const ended = timeBudget(new AbortController().signal, 0.02);
  ended.end();
  await sleep(60);
  assert.equal(ended.signal.aborted, false);
});

test("without a budget the signal is the caller's own", () => {
  const { signal } = new AbortController();
  assert.equal(timeBudget(signal, undefined).signal, signal);
});
