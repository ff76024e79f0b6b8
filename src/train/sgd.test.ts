import assert from "node:assert/strict";
import { test } from "node:test";
import { assertClose } from "../../tests/support.ts";
import { gradientOf } from "../autodiff/differentiate.ts";
import { GraphBuilder } from "../ir/builder.ts";
import type { Graph, Role } from "../ir/graph.ts";
import { type Tensor, tensor } from "../tensor.ts";
import { Sgd, type SgdConfig } from "./sgd.ts";

const roles: readonly Role[] = ["weight", "bias", "gamma", "beta", "mean", "variance"];

/** A graph with a parameter of one value for each role, called by it. */
function parameters(): Graph {
  const builder = new GraphBuilder("roles");
  for (const role of roles) builder.parameter(role, [1], role, "float64");
  return builder.build();
}
const each = (value: number): Map<string, Tensor> =>
  new Map(roles.map((role) => [role, tensor([1], Float64Array.of(value))]));
const gradients = (value: number): Map<string, Tensor> =>
  new Map(roles.map((role) => [gradientOf(role), tensor([1], Float64Array.of(value))]));

/** The weight after each step with these gradients, from 1, at rate 0.1. */
function path(config: Partial<SgdConfig>, role: Role, ...given: number[]): number[] {
  const sgd = new Sgd(parameters(), { momentum: 0.9, nesterov: false, weightDecay: 0, decayAll: false, ...config });
  const weights = each(1);
  return given.map((gradient) => {
    sgd.step(weights, gradients(gradient), 0.1);
    return weights.get(role)!.data[0]!;
  });
}

test("momentum, by hand", () => {
  // v: 2, 0.9·2 − 1 = 0.8, 0.9·0.8 + 0 = 0.72
  assertClose(path({}, "weight", 2, -1, 0), [0.8, 0.72, 0.648], 1e-12, "weights");
  assertClose(path({ momentum: 0 }, "weight", 2, -1, 0), [0.8, 0.9, 0.9], 1e-12, "without momentum");
});

test("Nesterov's looks one velocity ahead, by hand", () => {
  // Steps of g + 0.9·v for v = 2, 0.8, 0.72: 3.8, −0.28, 0.648
  assertClose(path({ nesterov: true }, "weight", 2, -1, 0), [0.62, 0.648, 0.5832], 1e-12, "weights");
});

test("decay is added to the gradient, before the momentum", () => {
  // g = 0 + 0.5·1, v = 0.5, w = 0.95; then g = 0.475, v = 0.925, w = 0.8575
  assertClose(path({ weightDecay: 0.5 }, "weight", 0, 0), [0.95, 0.8575], 1e-12, "weights");
  // Nesterov: g + 0.9·v = 0.95, w = 0.905; then g = 0.4525, v = 0.9025, w = 0.905 − 0.1·1.26475
  assertClose(path({ weightDecay: 0.5, nesterov: true }, "weight", 0, 0), [0.905, 0.778525], 1e-12, "Nesterov");
});

test("weights decay; biases, gammas and betas only when asked to; running statistics never move", () => {
  for (const role of roles) {
    const after = (decayAll: boolean) => path({ weightDecay: 0.5, decayAll }, role, 0)[0];
    const trainable = role !== "mean" && role !== "variance";
    assert.equal(after(false), role === "weight" ? 0.95 : 1, role);
    assert.equal(after(true), trainable ? 0.95 : 1, role);
    assert.equal(path({}, role, 2)[0], trainable ? 0.8 : 1, role);
  }
});

test("weights are updated in place, and velocities carry over to another optimiser", () => {
  const config = { momentum: 0.9, nesterov: false, weightDecay: 0, decayAll: false };
  const weights = each(1);
  const array = weights.get("weight")!.data;
  const first = new Sgd(parameters(), config);
  assert.deepEqual([...first.velocities.keys()], ["weight", "bias", "gamma", "beta"]);
  first.step(weights, gradients(2), 0.1);
  const second = new Sgd(parameters(), config, first.velocities);
  second.step(weights, gradients(-1), 0.1);
  assert.equal(weights.get("weight")!.data, array);
  assertClose(array, [0.72], 1e-12, "as one optimiser would have");
});
