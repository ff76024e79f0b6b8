import assert from "node:assert/strict";
import { test } from "node:test";
import { assertClose } from "../../tests/support.ts";
import { differentiate, gradientOf } from "../autodiff/differentiate.ts";
import { referenceExecutor } from "../executors/reference/reference.ts";
import { GraphBuilder } from "../ir/builder.ts";
import type { Graph, Role } from "../ir/graph.ts";
import { stateOf, type UpdateRule } from "../optim/rule.ts";
import { type Tensor, tensor } from "../tensor.ts";
import { lossGraph, model } from "../zoo/index.ts";
import { type LearningOptions, learningRule } from "./learning.ts";

const roles: readonly Role[] = ["weight", "bias", "gamma", "beta", "mean", "variance"];

/** A parameter of one value for each role, called by it; the gradient of each is what the run is fed. */
function parameters(): Graph {
  const builder = new GraphBuilder("roles");
  const given = builder.input("given", [1], "float64");
  for (const role of roles) {
    builder.parameter(role, [1], role, "float64");
    if (role !== "mean" && role !== "variance") builder.output(gradientOf(role), given);
  }
  return builder.build();
}
const one = (value: number): Tensor => tensor([1], Float64Array.of(value));
const each = (value: number): Map<string, Tensor> => new Map(roles.map((role) => [role, one(value)]));

interface Sgd extends Omit<LearningOptions, "optimizer"> {
  readonly momentum: number;
  readonly nesterov: boolean;
}
const plain: Sgd = { momentum: 0.9, nesterov: false, weightDecay: 0, decayOn: ["weight"] };
const ruleOf = ({ momentum, nesterov, ...rest }: Sgd, optimizer?: ReturnType<typeof stateOf>) =>
  learningRule(parameters(), { optimizer: { name: "sgd", momentum, nesterov }, ...rest }, { optimizer });

/** Steps with these gradients at rate 0.1; gives a weight after each. */
async function steps(
  weights: Map<string, Tensor>,
  rule: UpdateRule,
  role: Role,
  given: readonly number[],
): Promise<number[]> {
  const trainer = await referenceExecutor.compileTraining(parameters(), weights, rule);
  const values: number[] = [];
  for (const [step, gradient] of given.entries()) {
    await trainer.gradients(new Map([["given", one(gradient)]]));
    await trainer.update({ rate: 0.1, step });
    await trainer.synchronise();
    values.push(weights.get(role)!.data[0]!);
  }
  await trainer.dispose();
  return values;
}

/** The weight after each step with these gradients, from 1. */
const path = (config: Partial<Sgd>, role: Role, ...given: number[]): Promise<number[]> =>
  steps(each(1), ruleOf({ ...plain, ...config }), role, given);

test("momentum, by hand", async () => {
  // v: 2, 0.9·2 − 1 = 0.8, 0.9·0.8 + 0 = 0.72
  assertClose(await path({}, "weight", 2, -1, 0), [0.8, 0.72, 0.648], 1e-12, "weights");
  assertClose(await path({ momentum: 0 }, "weight", 2, -1, 0), [0.8, 0.9, 0.9], 1e-12, "without momentum");
});

test("Nesterov's looks one velocity ahead, by hand", async () => {
  // Steps of g + 0.9·v for v = 2, 0.8, 0.72: 3.8, −0.28, 0.648
  assertClose(await path({ nesterov: true }, "weight", 2, -1, 0), [0.62, 0.648, 0.5832], 1e-12, "weights");
});

test("decay is added to the gradient, before the momentum", async () => {
  // g = 0 + 0.5·1, v = 0.5, w = 0.95; then g = 0.475, v = 0.925, w = 0.8575
  assertClose(await path({ weightDecay: 0.5 }, "weight", 0, 0), [0.95, 0.8575], 1e-12, "weights");
  // Nesterov: g + 0.9·v = 0.95, w = 0.905; then g = 0.4525, v = 0.9025, w = 0.905 − 0.1·1.26475
  assertClose(await path({ weightDecay: 0.5, nesterov: true }, "weight", 0, 0), [0.905, 0.778525], 1e-12, "Nesterov");
});

test("weights decay, and of the rest what is asked for; running statistics never move", async () => {
  const sets: LearningOptions["decayOn"][] = [[], ["weight"], ["weight", "gamma"], ["weight", "gamma", "beta"]];
  for (const role of roles) {
    const trainable = role !== "mean" && role !== "variance";
    for (const decayOn of [undefined, ...sets, ["weight", "bias", "gamma", "beta"] as const]) {
      const set = decayOn === undefined ? {} : { decayOn };
      const [after] = await path({ weightDecay: 0.5, ...set }, role, 0);
      const decays = trainable && (decayOn ?? ["weight"]).includes(role);
      assert.equal(after, decays ? 0.95 : 1, `${role}, where ${decayOn} decay`);
    }
    assert.equal((await path({}, role, 2))[0], trainable ? 0.8 : 1, role);
  }
});

test("weights are updated in place, and the state carries over to another optimiser", async () => {
  const weights = each(1);
  const array = weights.get("weight")!.data;
  const first = ruleOf(plain);
  assert.deepEqual([...stateOf(first).get("velocity")!.keys()], ["weight", "bias", "gamma", "beta"]);
  await steps(weights, first, "weight", [2]);
  await steps(weights, ruleOf(plain, stateOf(first)), "weight", [-1]);
  assert.equal(weights.get("weight")!.data, array);
  assertClose(array, [0.72], 1e-12, "as one optimiser would have");
});

test("a gradient that is not finite is told", async () => {
  const trainer = await referenceExecutor.compileTraining(parameters(), each(1), ruleOf(plain));
  await trainer.gradients(new Map([["given", one(Number.NaN)]]));
  assert.equal(await trainer.areFinite(), false);
  await trainer.gradients(new Map([["given", one(1)]]));
  assert.equal(await trainer.areFinite(), true);
  await trainer.dispose();
});

test("between the halves of a step gradients can be read and changed, and they can be scaled", async () => {
  const weights = each(1);
  const trainer = await referenceExecutor.compileTraining(parameters(), weights, ruleOf({ ...plain, momentum: 0 }));
  await trainer.gradients(new Map([["given", one(3)]]));
  assert.deepEqual(
    trainer.gradientData.map(([value]) => value),
    [3, 3, 3, 3],
  );
  for (const data of trainer.gradientData) data[0]! += 1;
  await trainer.update({ rate: 0.1, step: 0, scale: 0.5 });
  await trainer.synchronise();
  assertClose(weights.get("weight")!.data, [0.8], 1e-12, "1 - 0.1 · 0.5 · (3 + 1)");
  await trainer.dispose();
});

test("Muon learns matrices between the layers as such; the first layer, the classifier and vectors are AdamW's", () => {
  const graph = differentiate(lossGraph(model("se-resnet-20", 4), { batch: 2, imageSize: 16 }));
  const learnt = (name: "muon" | "adamw") =>
    learningRule(graph, { optimizer: { name } }).learnt.filter(({ isMatrix }) => isMatrix);
  const names = learnt("muon").map(({ parameter }) => parameter.name);
  // Two convolutions and two of the gate in each of nine blocks, and two projections.
  assert.equal(names.length, 9 * 4 + 2);
  assert.ok(names.every((name) => name.endsWith(".weight") && name !== "conv1.weight" && name !== "fc.weight"));
  assert.deepEqual(learnt("adamw"), []);
});
