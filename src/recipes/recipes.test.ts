import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { formulaLabels, formulaPictures, formulaWeights } from "../../tests/formula.ts";
import { assertClose, golden } from "../../tests/support.ts";
import { differentiate } from "../autodiff/differentiate.ts";
import { SenetError } from "../errors.ts";
import { ortExecutor } from "../executors/ort/executor.node.ts";
import { imagenetPreprocessing } from "../images/preprocess.ts";
import { learningRateOf, optimizerOf } from "../train/config.ts";
import { learningRule } from "../train/learning.ts";
import { preprocessingOf, trainingTransformOf } from "../train/pictures.ts";
import { learningRateAt } from "../train/schedule.ts";
import { TrainingStep } from "../train/step.ts";
import { lossGraph, model } from "../zoo/index.ts";
import { type RecipeName, recipe, recipeConfig, recipeCost, recipeNames, type recipes } from "./recipes.ts";

test("every recipe is a whole config that can be used, and says where it is from", () => {
  for (const name of recipeNames) {
    const config = recipeConfig(name);
    const { source, title, version, data } = recipe(name);
    assert.equal(config.recipe, `${name}@${version}`);
    assert.ok(title.length > 0 && source.length > 0 && data.pictures > 0, name);
    // Its augmentation is one that can be done.
    assert.ok(trainingTransformOf(config).steps.length > 0, name);
  }
});

test("the ports' own normalisation goes with the run", () => {
  const of = (name: string) => preprocessingOf(recipeConfig(name));
  assert.deepEqual(of("moskomule-cifar").mean, [0.4914, 0.4822, 0.4465]);
  assert.deepEqual(of("moskomule-cifar").std, [0.2023, 0.1994, 0.201]);
  assert.equal(of("moskomule-cifar").byPicture, undefined);
  assert.deepEqual([of("nutszebra").byPicture, of("nutszebra").scale], [10, 1]);
  assert.deepEqual(of("senet-2018").mean, imagenetPreprocessing.mean);
});

test("an unknown recipe is refused with the nearest names", () => {
  const refused = (name: string, hint: RegExp) =>
    assert.throws(
      () => recipe(name),
      (error) => error instanceof SenetError && error.code === "usage" && hint.test(error.details.hint!),
    );
  refused("senet2018", /^senet-2018, /);
  refused("imagenete-5", /^imagenette-5, /);
  refused("constructor", /senet recipes lists all/);
});

test("a recipe's cost is its pictures through its network, forward and back", () => {
  const { pictures, multiplyAdds } = recipeCost("paper-2017");
  assert.equal(pictures, 128_116_700);
  // 3.8715 G forward (docs/networks.md, 1.5).
  assert.ok(Math.abs(multiplyAdds / (3 * 3.8715e9 * pictures) - 1) < 0.01, `${multiplyAdds}`);
});

/** The rate at each epoch: so many epochs at each rate. */
const runs = (...parts: readonly (readonly [epochs: number, rate: number])[]): number[] =>
  parts.flatMap(([epochs, rate]) => new Array<number>(epochs).fill(rate));

const straight = Array.from({ length: 100 }, (_, epoch) => 0.1 * (1 - (epoch * 5004) / 500_400));

/** As the sources have them. */
const rates: { readonly [Name in Exclude<RecipeName, "timm-ra2" | "imagenette-5" | "imagenette-20">]: number[] } = {
  "senet-2018": runs([125, 0.1], [75, 0.01], [50, 0.001], [20, 0.0001]),
  "paper-2017": runs([30, 0.6], [30, 0.06], [30, 0.006], [10, 0.0006]),
  "senet-154": runs([30, 1], [30, 0.1], [30, 0.01], [10, 0.001]),
  shicai: straight,
  tensorpack: runs([30, 0.1], [30, 0.01], [30, 1e-3], [10, 1e-4], [5, 1e-5]),
  taki0112: runs([29, 0.1], [30, 0.01], [30, 1e-3], [11, 1e-4]),
  bruinxiong: runs([30, 0.1], [30, 0.01], [30, 1e-3], [5, 1e-4], [15, 1e-5], [10, 1e-6], [5, 1e-7]),
  "moskomule-imagenet": runs([50, 0.075], [20, 0.0075], [20, 0.00075]),
  "moskomule-cifar": runs([80, 0.1], [80, 0.01], [40, 0.001]),
  nutszebra: runs([1, 0.01], [149, 0.1], [50, 0.01], [50, 0.001]),
};

for (const [name, expected] of Object.entries(rates)) {
  test(`${name}: the rate at every epoch`, () => {
    const config = recipeConfig(name);
    const steps = Math.floor(recipe(name).data.pictures / config.batchSize);
    const schedule = { ...config, learningRate: learningRateOf(config) };
    assert.equal(config.epochs, expected.length);
    const found = expected.map((_, epoch) => learningRateAt(schedule, epoch * steps, steps));
    for (const [epoch, rate] of found.entries()) assertClose([rate], [expected[epoch]!], 1e-9, `epoch ${epoch + 1}`);
    // And not lower yet at the last step before a cut.
    if (name === "shicai") return;
    for (const [epoch, rate] of expected.entries()) {
      assertClose([learningRateAt(schedule, epoch * steps + steps - 1, steps)], [rate], 1e-9, `end of ${epoch + 1}`);
    }
  });
}

test("timm-ra2: the rate falls by 1.2 % from epoch to epoch, after five epochs of warm-up", () => {
  const config = recipeConfig("timm-ra2");
  const steps = Math.floor(recipe("timm-ra2").data.pictures / config.batchSize);
  const rate = (epoch: number) => learningRateAt({ ...config, learningRate: 0.082 }, epoch * steps + 3, steps);
  assert.ok(rate(0) < rate(1) && rate(4) < 0.082);
  assertClose([rate(5), rate(6), rate(105)], [0.082, 0.082 * 0.988, 0.082 * 0.988 ** 100], 1e-9, "rate");
  assertClose([rate(699)], [0.082 * 0.988 ** 694], 1e-9, "last rate");
});

/** Which parameters decay, and how much. */
const decays: { readonly [Name in keyof typeof rates]: Readonly<Record<string, number>> } = {
  "senet-2018": { weight: 1e-4 },
  "paper-2017": { weight: 1e-4 },
  "senet-154": { weight: 1e-4 },
  shicai: { weight: 1e-4, gamma: 1e-4, beta: 1e-4 },
  tensorpack: { weight: 1e-4 },
  taki0112: { weight: 5e-4, bias: 5e-4, gamma: 5e-4, beta: 5e-4 },
  bruinxiong: { weight: 1e-4, gamma: 1e-4 },
  "moskomule-imagenet": { weight: 1e-4, bias: 1e-4, gamma: 1e-4, beta: 1e-4 },
  "moskomule-cifar": { weight: 1e-4, bias: 1e-4, gamma: 1e-4, beta: 1e-4 },
  nutszebra: { weight: 1e-4, bias: 1e-4, gamma: 1e-4, beta: 1e-4 },
};

test("which parameters decay", () => {
  const graph = differentiate(lossGraph(model("se-resnet-8"), { batch: 2, imageSize: 8 }));
  for (const [name, expected] of Object.entries(decays)) {
    const config = recipeConfig(name);
    const { weightDecay, decayOn } = config;
    const rule = learningRule(graph, { weightDecay, decayOn, optimizer: optimizerOf(config) });
    for (const { parameter, decay } of rule.learnt) {
      assert.equal(decay, expected[parameter.role] ?? 0, `${name}: ${parameter.name}`);
    }
  }
});

interface Golden {
  readonly model: string;
  readonly imageSize: number;
  readonly classes: number;
  readonly batch: number;
  readonly rates: readonly number[];
  readonly recipes: readonly {
    readonly recipe: keyof typeof recipes;
    readonly losses: readonly number[];
    readonly lengths: Readonly<Record<string, number>>;
  }[];
}

const steps = JSON.parse(readFileSync(golden("recipes.json"), "utf8")) as Golden;

for (const { recipe: name, losses, lengths } of steps.recipes) {
  test(`${name}: four steps are those of the port's optimiser, across a cut of the rate`, async () => {
    const { batch, imageSize, classes } = steps;
    const network = model(steps.model, classes);
    const weights = formulaWeights(lossGraph(network, { batch, imageSize }));
    const config = recipeConfig(name);
    const { weightDecay, decayOn } = config;
    const options = { weightDecay, decayOn, optimizer: optimizerOf(config), batchSize: batch, imageSize };
    await using step = await TrainingStep.create(ortExecutor, network, weights, options);
    for (const [s, rate] of steps.rates.entries()) {
      const { loss } = await step.run(formulaPictures(batch, imageSize, s), formulaLabels(batch, classes, s), rate);
      assertClose([loss], [losses[s]!], 1e-4, `loss of step ${s + 1}`);
    }
    await step.synchronise();
    for (const [parameter, expected] of Object.entries(lengths)) {
      const length = Math.hypot(...weights.get(parameter)!.data);
      // Four steps at this rate carry float32's last digit so far.
      assertClose([length], [expected], 1e-3, parameter);
    }
  });
}
