import assert from "node:assert/strict";
import { test } from "node:test";
import { ranksHere } from "../../tests/ranks.ts";
import { type PicturePrediction, summary } from "../evaluate/evaluate.ts";
import { shared, shareOf } from "./validation-shares.ts";

const classes = 3;
const all: PicturePrediction[] = Array.from({ length: 7 }, (_, sample) => ({
  sample,
  label: sample % classes,
  rank: sample % 2,
  // What is no number comes through.
  loss: sample === 5 ? Number.NaN : 0.1 + sample / 7,
  top: [{ index: (sample * 2) % classes, probability: 1 / (sample + 3) }],
}));

test("shares of a validation give what all of it gives, to the last bit, on each rank", async () => {
  const evaluations = await Promise.all(
    ranksHere(3).map((ranks) => {
      const own = shareOf(all, ranks).map((prediction, sample) => ({ ...prediction, sample }));
      return shared(ranks, own, classes);
    }),
  );
  for (const evaluation of evaluations) assert.deepEqual(evaluation, summary(all, classes));
});

test("a rank without pictures takes part, and one that is stopped stops the validation of all", async () => {
  const few = await Promise.all(
    ranksHere(3).map((ranks) => shared(ranks, ranks.rank === 0 ? all.slice(0, 1) : [], classes)),
  );
  assert.deepEqual(few[2], summary(all.slice(0, 1), classes));
  const stopped = await Promise.all(
    ranksHere(2).map((ranks) => shared(ranks, ranks.rank === 1 ? undefined : all, classes)),
  );
  assert.deepEqual(stopped, [undefined, undefined]);
});
