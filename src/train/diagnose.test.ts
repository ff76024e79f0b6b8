import assert from "node:assert/strict";
import { test } from "node:test";
import { formulaLabels, formulaPictures, formulaWeights } from "../../tests/formula.ts";
import { differentiate } from "../autodiff/differentiate.ts";
import { SenetError } from "../errors.ts";
import { ortExecutor } from "../executors/ort/executor.node.ts";
import { referenceExecutor } from "../executors/reference/reference.ts";
import { inputName, lossGraph, type Model, targetsName } from "../zoo/index.ts";
import { firstNonFinite } from "./diagnose.ts";
import { TrainingStep } from "./step.ts";
import { hardTargets } from "./targets.ts";

// The smallest network with all that SE-ResNets have.
const tiny: Model = {
  name: "tiny",
  config: {
    family: "resnet",
    stem: "cifar",
    pool: "caffe",
    block: "basic",
    depths: [1],
    widths: [4],
    expansion: 1,
    reduce: 1,
    groups: 1,
    strideOn: "1x1",
    projection: 1,
    dropout: 0,
    se: { reduction: 2, bias: true },
  },
  classes: 3,
};
const batch = 2;
const loss = lossGraph(tiny, { batch, imageSize: 4 });
const graph = differentiate(loss);
const inputs = () =>
  new Map([
    [inputName, formulaPictures(batch, 4, 0)],
    [targetsName, hardTargets(formulaLabels(batch, 3, 0), { dtype: "float32", shape: [batch, 3] })],
  ]);
const options = {
  batchSize: batch,
  imageSize: 4,
  labelSmoothing: 0,
  optimizer: { name: "sgd", nesterov: true } as const,
  weightDecay: 0,
};

for (const executor of [referenceExecutor, ortExecutor]) {
  test(`${executor.name}: the first operation that made a number infinite is named`, async () => {
    // Each weight is finite; what it makes is not. A convolution downstream of NaN is not to blame.
    for (const [parameter, value, culprit] of [
      ["conv1.weight", 3e38, "conv1 (conv2d)"],
      ["layer1.0.conv2.weight", 3e38, "layer1.0.conv2 (conv2d)"],
      ["layer1.0.bn2.weight", 3e38, "layer1.0.bn2 (batchNormTraining)"],
      ["fc.weight", 3e38, "fc (linear)"],
    ] as const) {
      const weights = formulaWeights(graph);
      weights.get(parameter)!.data.fill(value);
      // Lets fc's sums grow large enough.
      if (parameter === "fc.weight") weights.get("layer1.0.bn2.bias")!.data.fill(10);
      assert.equal(await firstNonFinite(executor, graph, weights, inputs()), culprit);
    }
  });

  test(`${executor.name}: a picture or a weight that is not finite is named as such`, async () => {
    const weights = formulaWeights(graph);
    const given = inputs();
    given.get(inputName)!.data[5] = Number.NaN;
    assert.equal(await firstNonFinite(executor, graph, weights, given), 'the input "image"');
    weights.get("layer1.0.se.fc1.weight")!.data[1] = Infinity;
    const culprit = await firstNonFinite(executor, graph, weights, inputs());
    assert.match(culprit!, /the weight "layer1\.0\.se\.fc1\.weight"/);
  });

  test(`${executor.name}: a step without a finite loss stops, names itself and the operation, and moves no weight`, async () => {
    const weights = formulaWeights(loss);
    weights.get("layer1.0.conv2.weight")!.data.fill(3e38);
    const before = new Map([...weights].map(([name, { data }]) => [name, [...data]]));
    const step = await TrainingStep.create(executor, tiny, weights, options);
    const given = inputs();
    const run = step.run(given.get(inputName)!, given.get(targetsName)!, 0.1, {
      index: 97,
      where: "epoch 3, step 17 of 40",
    });
    await assert.rejects(run, (error) => {
      assert.ok(error instanceof SenetError && error.code === "training", `${error}`);
      // The running statistics are not finite by now, and not the cause.
      assert.match(error.message, /^epoch 3, step 17 of 40: the loss is not a finite number/);
      assert.match(error.message, /layer1\.0\.conv2 \(conv2d\)/);
      assert.match(error.message, /lower learning rate/);
      return true;
    });
    await step.dispose();
    for (const { name, role } of loss.parameters) {
      if (role !== "mean" && role !== "variance")
        assert.deepEqual([...weights.get(name)!.data], before.get(name), name);
    }
  });
}

test("nothing is found where everything is finite", async () => {
  const found = await firstNonFinite(referenceExecutor, graph, formulaWeights(graph), inputs());
  assert.equal(found, undefined);
});

test("a gradient that is not finite stops the step even where the loss is finite", async () => {
  // What batch norm gets is tiny, so that its gradient is gamma / sqrt(eps) times what comes in: too much for float32.
  const weights = formulaWeights(loss);
  weights.get("conv1.weight")!.data.fill(1e-30);
  weights.get("bn1.weight")!.data.fill(3e38);
  const step = await TrainingStep.create(referenceExecutor, tiny, weights, options);
  const given = inputs();
  const run = step.run(given.get(inputName)!, given.get(targetsName)!, 0.1);
  await assert.rejects(run, (error) => {
    assert.ok(error instanceof SenetError && error.code === "training");
    assert.match(error.message, /^the gradient is not a finite number/);
    assert.match(error.message, /loss \d.*: .*bn1.*\(batchNormBackward\)/);
    return true;
  });
  await step.dispose();
});
