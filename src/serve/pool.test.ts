import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { SenetError } from "../errors.ts";
import { Pool } from "./pool.node.ts";
import { Refusal } from "./refusal.ts";
import type { Hand, ModelFacts, ModelSource, Outcome, Work } from "./work.node.ts";

const source = { files: ["x"], options: {}, batch: 1 };
const facts: ModelFacts = {
  ...{ network: "tiny", labels: ["a"], input: [1, 1, 1], files: ["x"], hash: "1", stamp: "", executor: "none" },
  ...{ notes: [], batch: 1 },
};

/** The network that cannot be opened. */
let broken: string | undefined;

/** Does what it is told to, when it is told to. */
class FakeHand implements Hand {
  readonly lost: Promise<Error>;
  readonly loaded = new Set<string>();
  /** What it was to load last. */
  source: ModelSource | undefined;
  /** What it was asked for, in order. */
  readonly asked: (readonly [key: string, values: readonly number[]])[] = [];
  facts: ModelFacts = facts;
  lose: (error: Error) => void = () => {};
  readonly #ends: (() => void)[] = [];
  #fail: ((error: Error) => void)[] = [];

  constructor() {
    this.lost = new Promise((resolve) => {
      this.lose = (error) => {
        resolve(error);
        for (const fail of this.#fail) fail(error);
      };
    });
  }

  load: Hand["load"] = async (key, from) => {
    if (key === broken) throw new Error("it is broken");
    this.loaded.add(key);
    this.source = from;
    return this.facts;
  };
  drop: Hand["drop"] = async (key) => void this.loaded.delete(key);
  close: Hand["close"] = async () => {};
  answer: Hand["answer"] = (key, works) => {
    const values = works.map(numberOf);
    this.asked.push([key, values]);
    return new Promise((resolve, reject) => {
      this.#fail = [reject];
      this.#ends.push(() => resolve(values.map((value): Outcome => ({ answer: Float32Array.of(10 * value) }))));
    });
  };

  /** Ends what it was asked for first. */
  async end(): Promise<void> {
    this.#ends.shift()!();
    await sleep(1);
  }
}

const numberOf = (work: Work) => (work.kind === "infer" ? work.image[0]! : Number.NaN);
const infer = (...values: number[]) =>
  values.map((value) => ({ kind: "infer" as const, image: Float32Array.of(value) }));
const wish = (ms = 10_000, signal = new AbortController().signal) => ({ signal, deadline: performance.now() + ms });

async function opened(hands: number, queue: number, change: Partial<ModelFacts> = {}) {
  const made: FakeHand[] = [];
  const said: string[] = [];
  const pool = new Pool({
    ...{ hands, queue, say: (line) => void said.push(line) },
    open: () => {
      const hand = new FakeHand();
      hand.facts = { ...facts, ...change };
      made.push(hand);
      return hand;
    },
  });
  await pool.load("m", source, false);
  return { pool, made, said };
}

const valuesOf = (outcomes: readonly Outcome[]) =>
  outcomes.map((outcome) => ("answer" in outcome ? (outcome.answer as Float32Array)[0] : outcome.refusal.fault.code));
const isRefused = (code: string) => (error: unknown) =>
  error instanceof Refusal && error.status === 503 && error.fault.code === code && error.retryAfter! >= 1;

test("work goes to whoever is free, in its order, and each request has its own answers", async () => {
  const { pool, made } = await opened(2, 8);
  const first = pool.submit<"infer">("m", infer(1, 2, 3), wish());
  const second = pool.submit<"infer">("m", infer(4), wish());
  assert.deepEqual(
    made.map(({ asked }) => asked),
    [[["m", [1]]], [["m", [2]]]],
  );
  assert.deepEqual([pool.inHand, pool.waiting], [2, 2]);
  await made[1]!.end();
  await made[1]!.end();
  await made[1]!.end();
  assert.deepEqual(valuesOf(await second), [40]);
  await made[0]!.end();
  assert.deepEqual(valuesOf(await first), [10, 20, 30]);
  assert.deepEqual([pool.inHand, pool.waiting], [0, 0]);
});

test("beyond the queue work is refused at once, all of a request or none", async () => {
  const { pool, made } = await opened(1, 2);
  assert.equal(pool.room, 3);
  const taken = pool.submit<"infer">("m", infer(1, 2), wish());
  await assert.rejects(async () => pool.submit<"infer">("m", infer(3, 4), wish()), isRefused("overloaded"));
  const also = pool.submit<"infer">("m", infer(5), wish());
  assert.equal(pool.room, 0);
  for (let i = 0; i < 3; i++) await made[0]!.end();
  assert.deepEqual([valuesOf(await taken), valuesOf(await also)], [[10, 20], [50]]);
  assert.deepEqual(
    made[0]!.asked.flatMap(([, values]) => values),
    [1, 2, 5],
  );
});

test("what nobody waits for any more is not begun", async () => {
  const { pool, made } = await opened(1, 8);
  const gone = new AbortController();
  const running = pool.submit<"infer">("m", infer(1), wish());
  const left = pool.submit<"infer">("m", infer(2, 3), wish(10_000, gone.signal));
  const late = pool.submit<"infer">("m", infer(4), wish(5));
  const last = pool.submit<"infer">("m", infer(5), wish());
  gone.abort(new Error("gone"));
  await assert.rejects(left, /gone/);
  await assert.rejects(late, isRefused("timeout"));
  assert.equal(pool.waiting, 1);
  await made[0]!.end();
  await made[0]!.end();
  assert.deepEqual([valuesOf(await running), valuesOf(await last)], [[10], [50]]);
  assert.deepEqual(
    made[0]!.asked.flatMap(([, values]) => values),
    [1, 5],
  );
});

test("what is late before it begins is not begun", async () => {
  const { pool, made } = await opened(1, 8);
  await assert.rejects(async () => pool.submit<"infer">("m", infer(1), wish(0)), isRefused("timeout"));
  assert.deepEqual(made[0]!.asked, []);
});

test("work that is late while it is done is given up, and the thread goes on", async () => {
  const { pool, made } = await opened(1, 8);
  await assert.rejects(pool.submit<"infer">("m", infer(1), wish(5)), isRefused("timeout"));
  const next = pool.submit<"infer">("m", infer(2), wish());
  await made[0]!.end();
  await made[0]!.end();
  assert.deepEqual(valuesOf(await next), [20]);
});

test("where several at once are worth while, those that wait for the same network go together", async () => {
  const { pool, made } = await opened(1, 16, { batch: 3 });
  await pool.load("n", source, false);
  const all = [
    pool.submit<"infer">("m", infer(1), wish()),
    pool.submit<"infer">("m", infer(2, 3), wish()),
    pool.submit<"infer">("n", infer(4), wish()),
    pool.submit<"infer">("m", infer(5, 6), wish()),
  ];
  for (let i = 0; i < 4; i++) await made[0]!.end();
  assert.deepEqual(made[0]!.asked, [
    ["m", [1]],
    ["m", [2, 3, 5]],
    ["n", [4]],
    ["m", [6]],
  ]);
  assert.deepEqual((await Promise.all(all)).map(valuesOf), [[10], [20, 30], [40], [50, 60]]);
});

test("what the first thread has measured, the others do not measure again", async () => {
  const { pool, made } = await opened(2, 8, { batch: 8, chosen: "onednn" });
  const options = { threads: 1 };
  await pool.load("n", { files: ["x"], options, batch: "auto" }, false);
  assert.deepEqual(
    made.map(({ source }) => source),
    [
      { files: ["x"], options, batch: "auto" },
      { files: ["x"], options: { ...options, executor: "onednn" }, batch: 8 },
    ],
  );
});

test("a thread that ends is replaced by one with every network; only what it had in hand is refused", async () => {
  const { pool, made, said } = await opened(1, 8);
  const had = pool.submit<"infer">("m", infer(1), wish());
  const waits = pool.submit<"infer">("m", infer(2), wish());
  made[0]!.lose(new Error("out of memory"));
  assert.deepEqual(valuesOf(await had), ["unavailable"]);
  while (made.length < 2 || made[1]!.asked.length === 0) await sleep(20);
  assert.deepEqual([...made[1]!.loaded], ["m"]);
  await made[1]!.end();
  assert.deepEqual(valuesOf(await waits), [20]);
  assert.match(said.join("\n"), /a thread has ended \(out of memory\)/);
});

test("a thread in the place of another goes on with the networks that can be opened", async () => {
  const { pool, made, said } = await opened(1, 8);
  await pool.load("n", source, false);
  const waits = pool.submit<"infer">("n", infer(1), wish());
  made[0]!.lose(new Error("out of memory"));
  assert.deepEqual(valuesOf(await waits), ["unavailable"]);
  assert.deepEqual([pool.isManned, pool.has("m")], [false, false]);
  broken = "n";
  while (!pool.isManned) await sleep(20);
  assert.deepEqual([pool.has("m"), pool.has("n"), pool.isEverywhere("n")], [true, false, false]);
  const works = pool.submit<"infer">("m", infer(2), wish());
  await made[1]!.end();
  assert.deepEqual(valuesOf(await works), [20]);
  await assert.rejects(async () => pool.submit<"infer">("n", infer(3), wish()), isRefused("unavailable"));
  assert.match(said.join("\n"), /n cannot be opened again: it is broken/);
  broken = undefined;
  await pool.load("n2", source, true);
  await pool.unload("n");
  assert.deepEqual([...made[1]!.loaded], ["m", "n2"]);
});

test("a network that one thread read otherwise than another is open nowhere", async () => {
  const { pool, made } = await opened(2, 8);
  made[1]!.facts = { ...facts, hash: "2" };
  await assert.rejects(
    pool.load("changed", source, false),
    (error) => error instanceof SenetError && /changed while they were read/.test(error.message),
  );
  assert.deepEqual(
    made.map(({ loaded }) => [...loaded]),
    [["m"], ["m"]],
  );
});

test("networks are opened by one thread after another while the others work", async () => {
  const { pool, made } = await opened(2, 8);
  const work = pool.submit<"infer">("m", infer(1, 2), wish());
  const loading = pool.load("n", source, true);
  await sleep(1);
  assert.deepEqual(
    made.map(({ loaded }) => loaded.has("n")),
    [false, false],
  );
  await made[0]!.end();
  assert.deepEqual(
    made.map(({ loaded }) => loaded.has("n")),
    [true, false],
  );
  await made[1]!.end();
  await loading;
  assert.ok(made[1]!.loaded.has("n"));
  assert.deepEqual(valuesOf(await work), [10, 20]);
});

test("what waits when it closes is refused, and nothing more is taken", async () => {
  const { pool } = await opened(1, 8);
  void pool.submit<"infer">("m", infer(1), wish()).catch(() => {});
  const waits = pool.submit<"infer">("m", infer(2), wish());
  await pool.close();
  assert.deepEqual(valuesOf(await waits), ["stopping"]);
  await assert.rejects(async () => pool.submit<"infer">("m", infer(3), wish()), isRefused("stopping"));
});
