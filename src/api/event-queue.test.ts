import assert from "node:assert/strict";
import { test } from "node:test";
import { EventQueue } from "./event-queue.ts";

interface Event {
  readonly kind: "step" | "epoch";
  readonly n: number;
}
const step = (n: number): Event => ({ kind: "step", n });
const epoch = (n: number): Event => ({ kind: "epoch", n });
const queueOf = () => new EventQueue<Event>((next, last) => next.kind === "step" && last.kind === "step");
const turn = () => new Promise((resolve) => setImmediate(resolve));

test("whoever is slow gets the newest step before each epoch, and every epoch", async () => {
  const queue = queueOf();
  for (let e = 0; e < 3; e++) {
    for (let s = 0; s < 1000; s++) queue.add(step(1000 * e + s));
    queue.add(epoch(e));
  }
  queue.end();
  const found: Event[] = [];
  for await (const event of queue) found.push(event);
  assert.deepEqual(found, [step(999), epoch(0), step(1999), epoch(1), step(2999), epoch(2)]);
});

test("whoever keeps up gets all", async () => {
  const queue = queueOf();
  const found: number[] = [];
  const reading = (async () => {
    for await (const { n } of queue) found.push(n);
  })();
  for (let n = 0; n < 20; n++) {
    queue.add(step(n));
    await turn();
  }
  queue.end();
  await reading;
  assert.deepEqual(
    found,
    Array.from({ length: 20 }, (_, n) => n),
  );
});

test("an event that was taken is not replaced while it is looked at", async () => {
  const queue = queueOf();
  queue.add(step(0));
  const events = queue[Symbol.asyncIterator]();
  assert.deepEqual((await events.next()).value, step(0));
  for (const n of [1, 2, 3]) queue.add(step(n));
  queue.end();
  assert.deepEqual((await events.next()).value, step(3));
  assert.equal((await events.next()).done, true);
});
