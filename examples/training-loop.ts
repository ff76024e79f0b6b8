/**
 * Your own training loop: gradients are accumulated over several batches and clipped before each update. `node
 * dist/examples/training-loop.js pictures loop.safetensors`
 */

import {
  imagenetPreprocessing,
  inferenceGraph,
  initialWeights,
  Loader,
  learningRateAt,
  model,
  Network,
  openTrainingData,
  selectExecutor,
  standardTraining,
  TrainingStep,
} from "senet/node";

const [data = "pictures", out = "loop.safetensors"] = process.argv.slice(2);
const [imageSize, batchSize, accumulated, epochs, longest] = [32, 3, 2, 2, 1];

const { train } = openTrainingData(data);
const network = model("se-resnet-20", train.classes.length);
const weights = initialWeights(inferenceGraph(network, { batch: 1, imageSize }), 0);
const preprocessing = { ...imagenetPreprocessing, resize: imageSize, crop: imageSize };
const { executor } = await selectExecutor({ purpose: "training" });

{
  await using loader = new Loader({
    dataset: train,
    batchSize,
    transform: standardTraining(imageSize, preprocessing),
    seed: 0,
    dropLast: true,
  });
  const options = { batchSize, imageSize, optimizer: { name: "sgd", momentum: 0.9 } } as const;
  await using step = await TrainingStep.create(executor, network, weights, options);
  const schedule = {
    schedule: "cosine",
    epochs,
    learningRate: 0.05,
    warmupEpochs: 0,
    stepEpochs: [],
    stepFactor: 1,
  } as const;
  const updatesPerEpoch = Math.floor(loader.batches / accumulated);

  let [batch, update] = [0, 0];
  let sums: Float64Array[] = [];
  for (let epoch = 0; epoch < epochs; epoch++) {
    for await (const { images, labels } of loader.epoch(epoch)) {
      const { loss } = await step.gradients(images, labels, { index: batch });
      // Valid until the next call: sums are kept in copies, and written back for the update.
      const gradients = step.gradientData;
      if (sums.length === 0) sums = gradients.map(({ length }) => new Float64Array(length));
      for (const [i, sum] of sums.entries()) for (let j = 0; j < sum.length; j++) sum[j]! += gradients[i]![j]!;
      if (++batch % accumulated !== 0) continue;
      for (const [i, sum] of sums.entries()) gradients[i]!.set(sum);

      // The mean over the batches, limited to the largest norm.
      const norm =
        Math.hypot(...sums.map((sum) => Math.sqrt(sum.reduce((total, x) => total + x * x, 0)))) / accumulated;
      const scale = Math.min(1, longest / norm) / accumulated;
      await step.update({ rate: learningRateAt(schedule, update, updatesPerEpoch), step: update, scale });
      console.log(`update ${++update}: loss ${loss.toFixed(3)}, gradient ${norm.toFixed(3)}`);
      for (const sum of sums) sum.fill(0);
    }
  }
  // Between steps the engine has the current weights.
  await step.synchronise();
}

const labels = train.classes;
await using trained = new Network({ model: network, labels, preprocessing, weights }, executor);
await trained.save(out);
console.log(`${out}: ${(await trained.evaluate(`${data}/val`)).top1Error.toFixed(1)} % wrong`);
