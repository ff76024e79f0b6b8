import assert from "node:assert/strict";
import { test } from "node:test";
import { alone } from "../ranks.ts";
import { Waiting, waitingFor } from "./waiting.ts";

const ranks = { name: (rank: number) => `rank ${rank} on host ${rank < 2 ? "a" : "b"}` };

test("the rank that waits least is the one that is waited for, by as much as the others wait longer", () => {
  const line = "the others wait 34 % of the time for rank 3 on host b";
  assert.equal(waitingFor(ranks, [350, 360, 370, 20], 1000), line);
  assert.equal(waitingFor(ranks, [60, 50, 60, 20], 1000), undefined, "sending takes time, too");
  assert.equal(waitingFor(ranks, [500, 500, 500, 500], 1000), undefined);
});

test("a slow rank is named once in a while, by what all have waited since", () => {
  const said: string[] = [];
  let waited = 5;
  const two = {
    ...alone,
    ...ranks,
    count: 2,
    get waited() {
      return waited;
    },
  };
  const waiting = new Waiting(two, (line) => said.push(line), { firstMilliseconds: 0, everyMilliseconds: 1e9 });
  waited += 1e6;
  assert.deepEqual(waiting.own(), [1e6, 0]);
  assert.deepEqual(waiting.own(), [0, 0]);
  waiting.add([1e6, 0]);
  assert.match(said.join(), /^the others wait \d+ % of the time for rank 1 on host a$/);
  waiting.add([1e6, 0]);
  assert.equal(said.length, 1, "not with each step");
});
