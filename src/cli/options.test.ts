import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Option } from "commander";
import { machineThreads, mostWorkers } from "../machine.node.ts";
import { duration, host, positiveDuration, threadsOption, workersOption } from "./options.ts";

/** What an option makes of a text, and what is said about it. */
function parsed(t: TestContext, option: Option, text: string): { value: unknown; said: string[] } {
  const said: string[] = [];
  const write = t.mock.method(process.stderr, "write", (line: string) => {
    said.push(line);
    return true;
  });
  const value: unknown = option.parseArg!(text, undefined);
  write.mock.restore();
  return { value, said };
}

test("threads and workers beyond what the machine can use are capped, in one line", (t) => {
  for (const [option, most, flag] of [
    [threadsOption(), machineThreads(), "--threads"],
    [workersOption(), mostWorkers(), "--workers"],
  ] as const) {
    assert.deepEqual(parsed(t, option, String(most)), { value: most, said: [] });
    for (const wanted of [most + 1, 1000, 100_000]) {
      const { value, said } = parsed(t, option, String(wanted));
      assert.equal(value, most);
      assert.deepEqual(said, [
        `${flag} ${wanted}: ${most} is the most that this process can use here; ${flag} ${most}\n`,
      ]);
    }
    for (const wrong of ["0", "-1", "1.5", "many"]) assert.throws(() => parsed(t, option, wrong), /whole number/);
  }
});

test("times are read with their unit, minutes without one", () => {
  assert.deepEqual(["90s", "15m", "2h", "1.5", "0s"].map(duration), [90, 900, 7200, 90, 0]);
  for (const text of ["", "2d", "-1m", "1h30m", "soon"]) assert.throws(() => duration(text), /such as 90s, 15m or 2h/);
  assert.equal(positiveDuration("1s"), 1);
  assert.throws(() => positiveDuration("0m"), /above 0/);
});

test("an address of IPv6 may stand in brackets", () => {
  assert.deepEqual(["[::1]", "::1", "0.0.0.0", "localhost"].map(host), ["::1", "::1", "0.0.0.0", "localhost"]);
});
