/** A port's recipe, beside what its own code computes on its own framework. */

import { readFileSync } from "node:fs";
import { test } from "node:test";
import { formulaPictures, formulaTensor } from "../../tests/formula.ts";
import { assertClose, needsShared, sharedData } from "../../tests/support.ts";
import { ortExecutor } from "../executors/ort/executor.node.ts";
import { namingByName, torchName } from "../import/rename.ts";
import { tensor } from "../tensor.ts";
import { optimizerOf } from "../train/config.ts";
import { TrainingStep } from "../train/step.ts";
import { lossGraph, type ModelConfig, model } from "../zoo/index.ts";
import { recipeConfig } from "./recipes.ts";

const moskomuleSteps = ["..", "reference", "ports", "golden", "moskomule-steps.json"];

test(
  "moskomule-cifar: four steps of its own network by its own framework",
  needsShared(...moskomuleSteps),
  async () => {
    const { steps } = JSON.parse(readFileSync(sharedData(...moskomuleSteps), "utf8")) as {
      readonly steps: readonly {
        readonly loss: number;
        readonly gradSquares: number;
        readonly sums: Readonly<Record<string, number>>;
      }[];
    };
    const naming = namingByName("moskomule");
    const theirs = (name: string) => (naming.style === "torch" ? torchName(naming, name)! : name);
    const plain = model("se-resnet-20", 10);
    const network = { ...plain, config: { ...plain.config, se: { reduction: 8, bias: false } } as ModelConfig };
    const graph = lossGraph(network, { batch: 16, imageSize: 32 });
    const sorted = graph.parameters.toSorted((a, b) => (theirs(a.name) < theirs(b.name) ? -1 : 1));
    const weights = new Map(
      sorted.map(({ name, role, type }, stream) => [name, formulaTensor(role, type.shape, stream)] as const),
    );
    const config = recipeConfig("moskomule-cifar");
    const { weightDecay, decayOn } = config;
    const options = { weightDecay, decayOn, optimizer: optimizerOf(config), batchSize: 16, imageSize: 32 };
    await using step = await TrainingStep.create(ortExecutor, network, weights, options);
    for (const [s, expected] of steps.entries()) {
      const labels = tensor(
        [16],
        Int32Array.from({ length: 16 }, (_, i) => (7 * i + s) % 10),
      );
      const { loss } = await step.gradients(formulaPictures(16, 32, s), labels);
      assertClose([loss], [expected.loss], 1e-4, `loss of step ${s + 1}`);
      let squares = 0;
      for (const gradient of step.gradientData) for (const value of gradient) squares += value * value;
      assertClose([squares], [expected.gradSquares], 1e-3, `gradients of step ${s + 1}`);
      await step.update({ rate: 0.1, step: s });
      await step.synchronise();
      for (const { name } of graph.parameters) {
        const sum = expected.sums[theirs(name)];
        if (sum === undefined) continue;
        let found = 0;
        for (const value of weights.get(name)!.data) found += value;
        assertClose([found], [sum], 1e-3, `${name} after step ${s + 1}`);
      }
    }
  },
);
