import assert from "node:assert/strict";
import { test } from "node:test";
import { Pace } from "./pace.ts";
import { PacedExecutable, PacedTrainer } from "./paced.ts";

/** A machine: what a step takes with so many threads, and how many processors it really has for it. */
type Machine = (threads: number, step: number) => { readonly milliseconds: number; readonly processors: number };

/** The threads of each step, and what was said. */
function run(most: number, steps: number, machine: Machine): { threads: number[]; said: string[] } {
  const pace = new Pace(most);
  const threads: number[] = [];
  const said: string[] = [];
  for (let step = 0; step < steps; step++) {
    threads.push(pace.threads);
    const { milliseconds, processors } = machine(pace.threads, step);
    const line = pace.ran(milliseconds, milliseconds * processors);
    if (line !== undefined) said.push(line);
  }
  return { threads, said };
}

const quiet: Machine = (threads) => ({ milliseconds: 1000 / threads, processors: 0.95 * threads });
/** Others have all but one processor's worth; threads that wait for one another lose most of that. */
const busy: Machine = (threads) => ({
  milliseconds: threads === 1 ? 1100 : 4000,
  processors: threads === 1 ? 0.95 : 0.6,
});

test("on a quiet machine all threads are used all the time, and nothing is tried", () => {
  for (const most of [1, 2, 16]) {
    const { threads, said } = run(most, 2000, quiet);
    assert.ok(threads.every((count) => count === most));
    assert.deepEqual(said, []);
  }
});

test("where threads wait for one another, fewer go on, said once", () => {
  const { threads, said } = run(2, 150, busy);
  assert.equal(threads.indexOf(1), 3, "after two long steps");
  assert.ok(threads.slice(3).every((count) => count === 1));
  assert.deepEqual(said, [
    "the machine is busy, and 2 threads wait for one another: on with 1 (1.1 s a step, not 4.0 s)",
  ]);
  const many = run(16, 400, (count) => ({
    milliseconds: count > 4 ? 100 * count : 1000 / count,
    processors: Math.min(count, 4),
  }));
  assert.equal(many.threads.at(-1), 4);
  assert.equal(many.said.length, 2);
});

test("fewer threads tried in vain come back seldom, and ever more so", () => {
  for (const milliseconds of [1000, 50]) {
    // Starved, by a quota, say, but no slower together than alone.
    const { threads, said } = run(2, 6000, (count) => ({ milliseconds, processors: 0.7 * count }));
    assert.deepEqual(said, []);
    const trials = [...threads.keys()].filter((step) => threads[step] === 1 && threads[step - 1] === 2);
    const waits = trials.slice(1).map((step, i) => step - trials[i]!);
    assert.ok(waits.length >= 3, `tried at ${trials}`);
    for (let i = 1; i < waits.length; i++) assert.ok(waits[i]! > 3 * waits[i - 1]!, `tried at ${trials}`);
  }
});

test("once the machine is quiet again all threads go on; while it is not, a trial is broken off at once", () => {
  const { threads, said } = run(2, 1200, (count, step) => (step < 600 ? busy : quiet)(count, step));
  assert.equal(threads.at(-1), 2);
  assert.match(said.at(-1)!, /less busy: on with 2 threads \(0\.50 s a step, not 1\.0 s\)/);
  const wasted = threads.slice(20, 600).filter((count) => count === 2).length;
  assert.ok(wasted <= 4, `${wasted} slow steps`);
});

test("short steps are not judged by a few of them", () => {
  const { threads } = run(2, 40, (count) => ({ milliseconds: 5, processors: count === 2 ? 0.5 : 1 }));
  assert.ok(threads.every((count) => count === 2));
});

test("a trainer that changes its threads takes its weights along, and is freed whatever it has become", async ({
  mock,
}) => {
  const events: string[] = [];
  let [clock, cpu] = [0, 0];
  mock.method(performance, "now", () => clock);
  const plan = { steps: 0, arenaBytes: 0, layout: "", reorders: [], reorderedBytes: 0 };
  const create = (threads: number) => {
    const note = (what: string) => async () => {
      events.push(`${what} ${threads}`);
    };
    events.push(`create ${threads}`);
    return {
      plan,
      synchronise: note("synchronise"),
      dispose: note("dispose"),
      [Symbol.asyncDispose]: async () => {},
      gradientData: [],
      areFinite: async () => true,
      update: async () => {},
      gradients: async () => {
        // Two threads are in each other's way.
        clock += threads === 1 ? 100 : 300;
        cpu += threads === 1 ? 95 : 180;
        return new Map();
      },
    };
  };
  const said: string[] = [];
  const say = (line: string) => said.push(line);
  const trainer = new PacedTrainer({ name: "net", most: 2, create, cpuMilliseconds: () => cpu, say });
  for (let step = 0; step < 45 && said.length === 0; step++) {
    await trainer.gradients(new Map());
    const made = events.length;
    await trainer.gradients(new Map());
    assert.equal(events.length, made, "what is added up is laid out alike");
    await trainer.update({ rate: 1, step });
  }
  assert.match(said.join(), /^the machine is busy, and 2 threads wait for one another: on with 1 /);
  await Promise.all([trainer.dispose(), trainer.dispose()]);
  assert.deepEqual(events, ["create 2", "synchronise 2", "dispose 2", "create 1", "dispose 1"]);
  await assert.rejects(trainer.gradients(new Map()), /was disposed of/);
});

test("an executable that changes its threads is made anew, in turn with the runs that were asked for", async ({
  mock,
}) => {
  const events: string[] = [];
  let [clock, cpu] = [0, 0];
  mock.method(performance, "now", () => clock);
  const plan = { steps: 0, arenaBytes: 0, layout: "", reorders: [], reorderedBytes: 0 };
  const create = (threads: number) => {
    const dispose = async () => void events.push(`free ${threads}`);
    const run = async () => {
      // Two have one processor between them, and wait for one another.
      clock += threads === 2 ? 1000 : 300;
      cpu += threads === 2 ? 1000 : 290;
      events.push(`run ${threads}`);
      return new Map();
    };
    return { plan, run, dispose, [Symbol.asyncDispose]: dispose };
  };
  const said: string[] = [];
  const say = (line: string) => said.push(line);
  const executable = new PacedExecutable({ name: "net", most: 2, create, cpuMilliseconds: () => cpu, say });
  await Promise.all(Array.from({ length: 34 }, () => executable.run(new Map())));
  await executable.dispose();
  const change = events.indexOf("free 2");
  assert.equal(change, 3, "soon");
  assert.deepEqual([...new Set(events.slice(change))], ["free 2", "run 1", "free 1"]);
  assert.equal(said.length, 1);
  await assert.rejects(executable.run(new Map()), /disposed/);
});
