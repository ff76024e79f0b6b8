import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { assertClose, golden } from "../../tests/support.ts";
import type { Parameter } from "../ir/graph.ts";
import { type Tensor, tensor } from "../tensor.ts";
import { type AverageConfig, averageDecayAt } from "./average.ts";
import { type Chain, chainsOf } from "./chain.ts";
import { add, mul, scalar, set } from "./expression.ts";
import { HostUpdate } from "./host.ts";
import { optimizerNames } from "./optimizers.ts";
import { averageOf, type OptimizerConfig, type RuleState, stateOf, updateRule } from "./rule.ts";

interface Golden {
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  readonly decays: Readonly<Record<string, number>>;
  readonly rates: readonly number[];
  readonly momenta: readonly number[];
  readonly start: Readonly<Record<string, readonly number[]>>;
  readonly gradients: readonly Readonly<Record<string, readonly number[]>>[];
  readonly cases: readonly {
    readonly case: string;
    readonly optimizer: OptimizerConfig;
    /** Updates that were made before. */
    readonly first: number;
    readonly end: Readonly<Record<string, readonly number[]>>;
  }[];
}

const expected = JSON.parse(readFileSync(golden("optimizers.json"), "utf8")) as Golden;
const parameters = Object.entries(expected.shapes).map(
  ([name, shape]): Parameter => ({ name, type: { dtype: "float64", shape }, role: "weight" }),
);
const tensorsOf = (numbers: Readonly<Record<string, readonly number[]>>) =>
  new Map(
    Object.entries(numbers).map(([name, data]) => [name, tensor(expected.shapes[name]!, Float64Array.from(data))]),
  );
const rule = (optimizer: OptimizerConfig, state?: RuleState, average?: AverageConfig) =>
  updateRule({
    optimizer,
    parameters,
    gradientOf: ({ name }) => name,
    decayOf: ({ name }) => expected.decays[name]!,
    state,
    average,
  });

test("every optimiser has a golden run", () => {
  assert.deepEqual(new Set(expected.cases.map(({ optimizer }) => optimizer.name)), new Set(optimizerNames));
});

for (const { case: name, optimizer, first, end } of expected.cases) {
  test(`${name}: five steps end where the oracle's do, also with a stop in between`, () => {
    const weights: ReadonlyMap<string, Tensor> = tensorsOf(expected.start);
    let current = rule(optimizer);
    let host = new HostUpdate(current);
    for (const [step, rate] of expected.rates.entries()) {
      if (step === 3) {
        current = rule(optimizer, { optimizer: stateOf(current) });
        host = new HostUpdate(current);
      }
      const momentum = "momentumCycles" in optimizer ? { momentum: expected.momenta[step]! } : {};
      host.run(weights, tensorsOf(expected.gradients[step]!), { rate, step: first + step, ...momentum });
    }
    for (const [parameter, values] of Object.entries(end)) {
      assertClose(weights.get(parameter)!.data, values, 1e-12, parameter);
    }
  });
}

test("the average's decay: nothing is kept at first, then as timm has it", () => {
  const decays = (warmup: boolean) => [0, 1, 7, 26, 1e6].map((step) => averageDecayAt({ decay: 0.99, warmup }, step));
  assert.deepEqual(decays(false), [0, 0.99, 0.99, 0.99, 0.99]);
  // 1 - (1 + step)^(-2/3)
  assertClose(decays(true), [0, 1 - 2 ** (-2 / 3), 3 / 4, 8 / 9, 0.99], 1e-12, "decays");
});

for (const { case: name, optimizer } of expected.cases) {
  test(`${name}: the average follows the weights, and changes nothing about them, also with a stop in between`, () => {
    const config = { decay: 0.7, warmup: true };
    const weights = tensorsOf(expected.start);
    const plain = tensorsOf(expected.start);
    let current = rule(optimizer, undefined, config);
    let host = new HostUpdate(current);
    const without = new HostUpdate(rule(optimizer));
    const averages = new Map([...weights].map(([parameter, { data }]) => [parameter, data.slice().fill(0)]));
    for (const [step, rate] of expected.rates.entries()) {
      if (step === 3) {
        current = rule(optimizer, { optimizer: stateOf(current), average: averageOf(current) }, config);
        host = new HostUpdate(current);
      }
      const gradients = tensorsOf(expected.gradients[step]!);
      host.run(weights, gradients, { rate, step });
      without.run(plain, gradients, { rate, step });
      const kept = [0, 1 - 2 ** (-2 / 3), 1 - 3 ** (-2 / 3), 1 - 4 ** (-2 / 3), 1 - 5 ** (-2 / 3)][step]!;
      for (const [parameter, average] of averages) {
        const { data } = weights.get(parameter)!;
        for (let i = 0; i < average.length; i++) average[i] = kept * average[i]! + (1 - kept) * data[i]!;
        assertClose(averageOf(current).get(parameter)!.data, average, 1e-12, `average of ${parameter}`);
      }
    }
    assert.deepEqual(weights, plain);
    assert.ok(!stateOf(current).has("average"), "it is not the optimiser's");
  });
}

test("an array longer than a piece is updated to its end", () => {
  const size = 5000;
  const long: Parameter = { name: "long", type: { dtype: "float32", shape: [size] }, role: "weight" };
  const own = updateRule({
    optimizer: { name: "sgd", momentum: 0 },
    parameters: [long],
    gradientOf: () => "gradient",
    decayOf: () => 0,
  });
  const weights = new Map([
    [
      "long",
      tensor(
        [size],
        Float32Array.from({ length: size }, (_, i) => i),
      ),
    ],
  ]);
  const gradients = new Map([["gradient", tensor([size], new Float32Array(size).fill(2))]]);
  new HostUpdate(own).run(weights, gradients, { rate: 0.5, step: 0 });
  assert.deepEqual(
    [...weights.get("long")!.data],
    Array.from({ length: size }, (_, i) => i - 1),
  );
});

test("SGD is two passes over memory, with Nesterov's momentum too", () => {
  const shown = (chains: readonly unknown[]) =>
    (chains as readonly Chain[]).map(
      ({ target, start, steps }) =>
        `${target} <- ${start} ${steps.map(({ kind, ...rest }) => [kind, ...Object.values(rest)].join(" ")).join(", ")}`,
    );
  assert.deepEqual(shown(rule({ name: "sgd" }).chains(0.25)), [
    "velocity <- weight linear 0.25 0, add gradient, sum 0.9",
    "weight <- velocity scale minusRate, sum 1",
  ]);
  assert.deepEqual(shown(rule({ name: "sgd" }).chains(0)), [
    "velocity <- gradient sum 0.9",
    "weight <- velocity scale minusRate, sum 1",
  ]);
  assert.deepEqual(shown(rule({ name: "sgd", nesterov: true, momentum: 0.5 }).chains(0.25)), [
    "velocity <- weight linear 0.25 0, add gradient, sum 0.5",
    "weight <- velocity linear 2 0, add weight, linear 0.25 0, add gradient, scale minusRate, sum 1",
  ]);
});

test("a formula that divides by a number of the step, or has no tensor, is a mistake of its author", () => {
  assert.throws(() => chainsOf([set("x", add(1, 2))]), /begins with a tensor/);
  assert.throws(() => chainsOf([set("x", mul(scalar("a"), scalar("b")))]), /begins with a tensor/);
});

test("a factor of the rate is as good as another rate", () => {
  const one = expected.cases[0]!;
  const [scaled, plain] = [tensorsOf(expected.start), tensorsOf(expected.start)];
  const options = {
    ...{ optimizer: one.optimizer, parameters, gradientOf: ({ name }: Parameter) => name, decayOf: () => 0.01 },
  };
  const [half, whole] = [
    new HostUpdate(updateRule({ ...options, rateOf: () => 0.5 })),
    new HostUpdate(updateRule(options)),
  ];
  for (const [step, rate] of expected.rates.entries()) {
    half.run(scaled, tensorsOf(expected.gradients[step]!), { rate, step });
    whole.run(plain, tensorsOf(expected.gradients[step]!), { rate: rate / 2, step });
  }
  for (const [name, { data }] of plain) assert.deepEqual(scaled.get(name)!.data, data, name);
});
