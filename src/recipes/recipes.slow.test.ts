/** The optimisers of the ports' recipes, beside what those of their own code do (golden/make_recipes.py). */

import { readFileSync } from "node:fs";
import { test } from "node:test";
import { formulaLabels, formulaPictures, formulaWeights } from "../../tests/formula.ts";
import { assertClose, golden } from "../../tests/support.ts";
import { ortExecutor } from "../executors/ort/executor.node.ts";
import { optimizerOf } from "../train/config.ts";
import { TrainingStep } from "../train/step.ts";
import { lossGraph, model } from "../zoo/index.ts";
import { type RecipeName, recipeConfig } from "./recipes.ts";

/** Of SE-ResNet-20, in the place of each port's own network. */
interface StandIn {
  readonly model: string;
  readonly imageSize: number;
  readonly classes: number;
  readonly batch: number;
  readonly rates: readonly number[];
  readonly recipes: readonly {
    readonly recipe: RecipeName;
    readonly losses: readonly number[];
    readonly lengths: Readonly<Record<string, number>>;
  }[];
}

const standIn = JSON.parse(readFileSync(golden("recipes.json"), "utf8")) as StandIn;

for (const { recipe: name, losses, lengths } of standIn.recipes) {
  test(`${name}: four steps are those of the port's optimiser, across a cut of the rate`, async () => {
    const { batch, imageSize, classes } = standIn;
    const network = model(standIn.model, classes);
    const weights = formulaWeights(lossGraph(network, { batch, imageSize }));
    const config = recipeConfig(name);
    const { weightDecay, decayOn } = config;
    const options = { weightDecay, decayOn, optimizer: optimizerOf(config), batchSize: batch, imageSize };
    await using step = await TrainingStep.create(ortExecutor, network, weights, options);
    for (const [s, rate] of standIn.rates.entries()) {
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
