/**
 * Four training steps of two ports' own networks, by their own optimisers: in double precision as PyTorch takes them
 * (golden/make_port_steps.py), and in single as near to that as the ports' own frameworks come.
 */

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { formulaPictures } from "../../tests/formula.ts";
import { everyExecutor } from "../../tests/onednn.ts";
import { weightsNamedBy } from "../../tests/port-files.ts";
import { golden, sharedData } from "../../tests/support.ts";
import { differentiate } from "../autodiff/differentiate.ts";
import type { Executor } from "../executors/executor.ts";
import { referenceExecutor } from "../executors/reference/reference.ts";
import { nameIn, namingByName } from "../import/rename.ts";
import { type Tensor, tensor } from "../tensor.ts";
import { optimizerOf } from "../train/config.ts";
import { learningRule } from "../train/learning.ts";
import { hardTargets } from "../train/targets.ts";
import { inputName, lossGraph, type Model, model, targetsName } from "../zoo/index.ts";
import { type RecipeName, recipeConfig } from "./recipes.ts";

interface Step {
  readonly loss: number;
  /** The sum of all gradients' squares. */
  readonly gradSquares: number;
  /** Of parameters and running statistics after the step, by the port's names. */
  readonly sums: Readonly<Record<string, number>>;
}

interface Case {
  readonly recipe: RecipeName;
  readonly naming: string;
  /** As asked of single precision: the largest relative difference. */
  readonly tolerance: number;
  network(own: Model): Model;
}

const cases: Readonly<Record<string, Case>> = {
  moskomule: {
    ...{ recipe: "moskomule-cifar", naming: "moskomule", tolerance: 1e-4 },
    network: (own) => own,
  },
  nutszebra: {
    ...{ recipe: "nutszebra", naming: "nutszebra", tolerance: 1e-3 },
    // One unit a stage, and r = 8.
    network({ config, ...rest }) {
      assert.ok(config.family === "preact");
      return { ...rest, config: { ...config, depths: [1, 1, 1], se: { reduction: 8, bias: true } } };
    },
  },
};

const batch = 16;
const imageSize = 32;

/** Our steps, with sums by the port's names. */
async function steps(
  { recipe, naming: called, network: changed }: Case,
  executor: Executor,
  dtype: "float32" | "float64",
  count: number,
): Promise<Step[]> {
  const config = recipeConfig(recipe);
  const network = changed(model(config.model, 10));
  const graph = differentiate(lossGraph(network, { batch, imageSize, dtype }));
  const typed = ({ shape, data }: Tensor) => tensor(shape, dtype === "float64" ? Float64Array.from(data) : data);
  const weights = new Map([...weightsNamedBy(network, called)].map(([name, value]) => [name, typed(value)]));
  const { weightDecay, decayOn } = config;
  const rule = learningRule(graph, { weightDecay, decayOn, optimizer: optimizerOf(config) });
  const trainer = await executor.compileTraining(graph, weights, rule);
  const { type: targetType } = graph.inputs.find(({ name }) => name === targetsName)!;
  const naming = namingByName(called);
  const theirs = new Map(graph.parameters.map((parameter) => [parameter.name, nameIn(naming, parameter)]));
  const taken: Step[] = [];
  try {
    for (let s = 0; s < count; s++) {
      const labels = Int32Array.from({ length: batch }, (_, i) => (7 * i + s) % 10);
      const outputs = await trainer.gradients(
        new Map([
          [inputName, typed(formulaPictures(batch, imageSize, s))],
          [targetsName, hardTargets(tensor([batch], labels), targetType)],
        ]),
      );
      let gradSquares = 0;
      for (const gradient of trainer.gradientData) for (const value of gradient) gradSquares += value * value;
      await trainer.update({ rate: 0.1, step: s });
      await trainer.synchronise();
      const sums = [...weights].map(([name, { data }]): [string, number] => {
        let sum = 0;
        for (const value of data) sum += value;
        return [theirs.get(name)!, sum];
      });
      taken.push({ loss: outputs.get("loss")!.data[0]!, gradSquares, sums: Object.fromEntries(sums) });
    }
  } finally {
    await trainer.dispose();
  }
  return taken;
}

/** The numbers of a step by what they are. */
const numbersOf = ({ loss, gradSquares, sums }: Step): [string, number][] => [
  ["loss", loss],
  ["gradSquares", gradSquares],
  ...Object.entries(sums),
];

/** How far apart the numbers of two steps are, each relative to the second's. */
function apart(found: Step, truth: Step, names: readonly string[]): ReadonlyMap<string, number> {
  const values = new Map(numbersOf(found));
  const relative = ([name, value]: [string, number]): [string, number] => [
    name,
    Math.abs(values.get(name)! - value) / Math.abs(value),
  ];
  return new Map(
    numbersOf(truth)
      .filter(([name]) => names.includes(name))
      .map(relative),
  );
}

interface Golden {
  readonly steps: readonly Step[];
  /** The largest relative difference at each step where weights are moved by half of single precision's last digit before it. */
  readonly noise: readonly number[];
}
/** Weights are rounded once a step; what is computed of them, over and over. */
const roundings = 10;
const goldens = JSON.parse(readFileSync(golden("port-steps.json"), "utf8")) as Readonly<Record<string, Golden>>;

for (const [name, each] of Object.entries(cases)) {
  const { steps: truth, noise } = goldens[name]!;

  test(`${name}: in double precision its steps are PyTorch's`, async () => {
    const found = await steps(each, referenceExecutor, "float64", truth.length);
    for (const [s, step] of found.entries()) {
      const names = numbersOf(truth[s]!).map(([name]) => name);
      for (const [number, difference] of apart(step, truth[s]!, names)) {
        // Chainer adds its epsilon to running variances too.
        const tolerance = number.endsWith("avg_var") ? 2e-5 : 1e-7;
        assert.ok(difference <= tolerance, `step ${s + 1}, ${number}: ${difference}`);
      }
    }
  });

  const path = sharedData("..", "reference", "ports", "golden", `${name}-steps.json`);
  const theirs = existsSync(path)
    ? (JSON.parse(readFileSync(path, "utf8")) as { readonly steps: readonly Step[] }).steps
    : undefined;
  const { reference: _, ...engines } = everyExecutor();
  for (const [engine, executor] of Object.entries(engines)) {
    test(`${name} on ${engine}: in single precision as near as that can be, also to its own framework`, async () => {
      const found = await steps(each, executor, "float32", truth.length);
      for (const [s, step] of found.entries()) {
        const names = numbersOf(theirs?.[s] ?? truth[s]!).map(([name]) => name);
        const allowed = Math.max(each.tolerance, roundings * noise[s]!);
        const own = theirs && apart(theirs[s]!, truth[s]!, names);
        for (const [number, difference] of apart(step, truth[s]!, names)) {
          const most = number === "loss" ? each.tolerance : allowed;
          assert.ok(difference <= most, `step ${s + 1}, ${number}: ${difference}, allowed ${most}`);
        }
        // What its own framework is off the truth, we need not share.
        for (const [number, difference] of theirs ? apart(step, theirs[s]!, names) : []) {
          const most = allowed + own!.get(number)!;
          assert.ok(difference <= most, `step ${s + 1}, ${number}: ${difference} from its framework, allowed ${most}`);
        }
      }
    });
  }
}
