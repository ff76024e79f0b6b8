import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { golden } from "../../tests/support.ts";
import { ConfidentLearning, isGuessing } from "./suspects.ts";

/** What golden/make_suspects.py makes of the paper's formulas. */
interface Case {
  readonly classes: number;
  readonly labels: readonly number[];
  /** `[labels.length, classes]` */
  readonly probabilities: readonly number[];
  readonly thresholds: readonly (number | null)[];
  readonly joint: readonly (readonly number[])[];
  /** Place, label and guess, in the order of places. */
  readonly suspects: readonly (readonly [number, number, number])[];
  readonly byMargin: readonly number[];
  readonly byConfidence: readonly number[];
  readonly noise: number;
}

function learnt({ classes, labels, probabilities }: Pick<Case, "classes" | "labels" | "probabilities">) {
  const learning = new ConfidentLearning(classes);
  for (const [i, label] of labels.entries()) learning.add(label, probabilities.slice(i * classes, (i + 1) * classes));
  return learning;
}

test("thresholds, the confident joint, its off-diagonal and both rankings are those of the paper's formulas", () => {
  const cases = JSON.parse(readFileSync(golden("suspects.json"), "utf8")) as readonly Case[];
  assert.ok(cases.length >= 4);
  for (const expected of cases) {
    const learning = learnt(expected);
    const { suspects, thresholds, noise, confusions } = learning.find();
    for (const [label, threshold] of expected.thresholds.entries()) {
      if (threshold === null) assert.ok(Number.isNaN(thresholds[label]));
      else assert.ok(Math.abs(thresholds[label]! - threshold) < 1e-6);
    }
    assert.deepEqual(
      suspects.map(({ place }) => place),
      expected.byMargin,
    );
    assert.deepEqual(
      learning.find("self-confidence").suspects.map(({ place }) => place),
      expected.byConfidence,
    );
    const byPlace = suspects.toSorted((a, b) => a.place - b.place);
    assert.deepEqual(
      byPlace.map(({ place, label, guess }) => [place, label, guess]),
      expected.suspects,
    );
    for (const { label, guess, count } of confusions) assert.equal(count, expected.joint[label]![guess]);
    const off = expected.joint.flatMap((row, label) => row.filter((count, guess) => guess !== label && count > 0));
    assert.equal(confusions.length, off.length);
    assert.ok(Math.abs(noise - expected.noise) < 1e-9, `${noise} ${expected.noise}`);
  }
});

test("a worked example: three classes, and one picture with another's label", () => {
  const row = (first: number, second: number, third: number) => [first, second, third];
  const labels = [0, 0, 0, 1, 1, 2, 2];
  const probabilities = [
    ...[row(0.9, 0.05, 0.05), row(0.7, 0.2, 0.1), row(0.05, 0.9, 0.05)],
    ...[row(0.1, 0.8, 0.1), row(0.2, 0.6, 0.2), row(0.3, 0.3, 0.4), row(0.1, 0.1, 0.8)],
  ].flat();
  const { suspects, thresholds, confusions, noise } = learnt({ classes: 3, labels, probabilities }).find();
  // (0.9 + 0.7 + 0.05) / 3, (0.8 + 0.6) / 2, (0.4 + 0.8) / 2
  for (const [i, threshold] of [0.55, 0.7, 0.6].entries()) assert.ok(Math.abs(thresholds[i]! - threshold) < 1e-6);
  assert.deepEqual(confusions, [{ label: 0, guess: 1, count: 1 }]);
  assert.deepEqual(
    suspects.map(({ place, label, guess }) => [place, label, guess]),
    [[2, 0, 1]],
  );
  assert.ok(Math.abs(suspects[0]!.margin + 0.85) < 1e-6 && Math.abs(suspects[0]!.probability - 0.05) < 1e-6);
  // One of three of the first class, of seven pictures.
  assert.ok(Math.abs(noise - 1 / 7) < 1e-9);
});

test("of many classes the likeliest are enough; memory grows with the pictures", () => {
  const classes = 500;
  const learning = new ConfidentLearning(classes);
  const count = 3000;
  for (let i = 0; i < count; i++) {
    const label = i % classes;
    const shown = i % 100 === 7 ? (label + 1) % classes : label;
    learning.add(
      label,
      Float64Array.from({ length: classes }, (_, index) => (index === shown ? 0.7 : 0.3 / (classes - 1))),
    );
  }
  const { suspects } = learning.find();
  assert.deepEqual(
    suspects.map(({ place }) => place).sort((a, b) => a - b),
    Array.from({ length: count / 100 }, (_, i) => 100 * i + 7),
  );
  assert.ok(suspects.every(({ label, guess }) => guess === (label + 1) % classes));
});

test("nothing to learn from", () => {
  assert.deepEqual(new ConfidentLearning(3).find().suspects, []);
  assert.equal(new ConfidentLearning(3).find().noise, 0);
});

test("a network that has learnt nothing agrees with the labels as often as guessing does", () => {
  const labels = [0, 1, 2, 0, 1, 2];
  // Always the same answer.
  const { agreement } = learnt({ classes: 3, labels, probabilities: labels.flatMap(() => [0.4, 0.3, 0.3]) }).find();
  assert.equal(agreement, 1 / 3);
  assert.ok(isGuessing(agreement, 3) && isGuessing(0.52, 2) && isGuessing(0.1, 1000));
  assert.ok(!isGuessing(0.5, 3) && !isGuessing(0.6, 2) && !isGuessing(0.2, 1000));
  assert.equal(new ConfidentLearning(3).find().agreement, 0);
});
