/** Whole networks and ten training steps against PyTorch (golden/make_networks.py), for any executor. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { differentiate, gradientOf } from "../src/autodiff/differentiate.ts";
import type { Executor } from "../src/executors/executor.ts";
import { referenceExecutor } from "../src/executors/reference/reference.ts";
import type { Activation } from "../src/nn/layers.ts";
import { inferencePasses, runPasses } from "../src/passes/index.ts";
import type { Tensor } from "../src/tensor.ts";
import { TrainingStep } from "../src/train/step.ts";
import { targetsOf } from "../src/train/targets.ts";
import { inferenceGraph, inputName, lossGraph, model, targetsName, withAct } from "../src/zoo/index.ts";
import { formulaLabels, formulaPictures, formulaWeights } from "./formula.ts";
import { assertClose, golden } from "./support.ts";

interface Golden {
  readonly logits: readonly {
    readonly model: string;
    readonly act: Activation;
    readonly imageSize: number;
    readonly classes: number;
    readonly batch: number;
    readonly logits: readonly number[];
  }[];
  readonly training: readonly {
    readonly model: string;
    readonly act: Activation;
    readonly imageSize: number;
    readonly classes: number;
    readonly batch: number;
    readonly nesterov: boolean;
    readonly labelSmoothing: number;
    readonly learningRate: number;
    readonly momentum: number;
    readonly weightDecay: number;
    readonly losses: readonly number[];
    readonly runningStatistics: Readonly<Record<string, number>>;
  }[];
  readonly gradients: readonly {
    readonly model: string;
    readonly act: Activation;
    readonly imageSize: number;
    readonly classes: number;
    readonly batch: number;
    readonly loss: number;
    /** Norm of each parameter's gradient. */
    readonly lengths: Readonly<Record<string, number>>;
  }[];
}

const expected = JSON.parse(readFileSync(golden("networks.json"), "utf8")) as Golden;

/** Creating the weights of larger networks takes longer than running them. */
const quickNetworks: ReadonlySet<string> = new Set(["se-resnet-20", "resnet-20", "se-resnet-18-d"]);

/**
 * @param part `quick`: the small ones, alternately with and without folded batch norm, and one training run; `rest`: what that
 * leaves out
 */
export function networkTests(name: string, executor: Executor, part: "quick" | "rest"): void {
  const isAsked = (quick: boolean) => quick === (part === "quick");

  for (const [i, { model: modelName, act, imageSize, classes, batch, logits }] of expected.logits.entries()) {
    for (const folded of [false, true]) {
      if (!isAsked(quickNetworks.has(modelName) && folded === (i % 2 === 0))) continue;
      test(`${name}: ${modelName} with ${act} at ${imageSize} gives PyTorch's logits${folded ? " with batch norm folded" : ""}`, async () => {
        const graph = inferenceGraph(withAct(model(modelName, classes), act), { batch, imageSize });
        const program = runPasses({ graph, weights: formulaWeights(graph) }, folded ? inferencePasses : []);
        assert.equal(
          program.graph.nodes.some((node) => node.op === "batchNorm"),
          !folded,
        );
        const executable = await executor.compile(program.graph, program.weights);
        const outputs = await executable.run(new Map([[inputName, formulaPictures(batch, imageSize, 0)]]));
        assertClose(outputs.get("logits")!.data, logits, 1e-4, "logits");
        await executable.dispose();
      });
    }
  }

  for (const [i, run] of expected.training.entries()) {
    if (!isAsked(i === 0)) continue;
    const variant = `${run.nesterov ? "Nesterov" : "plain"} momentum, label smoothing ${run.labelSmoothing}, ${run.act}`;
    test(`${name}: ten steps of ${run.model} follow PyTorch's losses (${variant})`, async () => {
      const network = withAct(model(run.model, run.classes), run.act);
      const weights = formulaWeights(lossGraph(network, { batch: run.batch, imageSize: run.imageSize }));
      const step = await TrainingStep.create(executor, network, weights, {
        batchSize: run.batch,
        imageSize: run.imageSize,
        labelSmoothing: run.labelSmoothing,
        optimizer: { name: "sgd", momentum: run.momentum, nesterov: run.nesterov },
        weightDecay: run.weightDecay,
      });
      const losses: number[] = [];
      for (let i = 0; i < 10; i++) {
        const images = formulaPictures(run.batch, run.imageSize, i);
        const { loss } = await step.run(images, formulaLabels(run.batch, run.classes, i), run.learningRate);
        losses.push(loss);
      }
      await step.dispose();
      assertClose(losses.slice(0, 5), run.losses.slice(0, 5), 1e-4, "the first losses");
      // Each step triples the difference from another order of summation, for example with more threads.
      assertClose(losses, run.losses, 5e-4, "losses");
      for (const [statistic, sum] of Object.entries(run.runningStatistics)) {
        let found = 0;
        for (const value of weights.get(statistic)!.data) found += Math.abs(value);
        assertClose([found], [sum], 1e-3, statistic);
      }
    });
  }
}

/** In double precision: in float32 a ReLU on the other side of zero moves all gradients before it by a thousandth. */
export function gradientTests(): void {
  const dtype = "float64";
  const double = ({ shape, data }: Tensor): Tensor => ({ dtype, shape, data: Float64Array.from(data) });
  for (const { model: name, act, imageSize, classes, batch, loss, lengths } of expected.gradients) {
    test(`${name} with ${act} at ${imageSize} has PyTorch's gradients`, async () => {
      const graph = differentiate(lossGraph(withAct(model(name, classes), act), { batch, imageSize, dtype }));
      const weights = new Map([...formulaWeights(graph)].map(([name, tensor]) => [name, double(tensor)]));
      const executable = await referenceExecutor.compile(graph, weights);
      const targets = targetsOf(formulaLabels(batch, classes, 0), { dtype, shape: [batch, classes] });
      const inputs = new Map([[inputName, double(formulaPictures(batch, imageSize, 0))]]);
      const outputs = await executable.run(inputs.set(targetsName, targets));
      assertClose(outputs.get("loss")!.data, [loss], 1e-9, "loss");
      for (const [parameter, expected] of Object.entries(lengths)) {
        let squares = 0;
        for (const value of outputs.get(gradientOf(parameter))!.data) squares += value * value;
        assertClose([Math.sqrt(squares)], [expected], 1e-9, parameter);
      }
      await executable.dispose();
    });
  }
}
