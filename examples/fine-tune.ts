/** Fine-tunes a network on your own pictures: `node dist/examples/fine-tune.js pictures se-resnet-50 runs/tuned`. */

import { findLearningRate, load, train } from "senet/node";

const [data = "pictures", weights = "runs/first/best.safetensors", out = "runs/tuned"] = process.argv.slice(2);

// The first stages already know edges and textures, so they are not trained. The others learn more slowly the closer
// they are to the input.
const recipe = { weights, freeze: "stage1", layerDecay: 0.8, classWeights: "balanced", batchSize: 6 } as const;

const { suggested, steepest } = await findLearningRate(data, { ...recipe, from: 1e-5, steps: 50 });
console.log(`rate ${suggested.toPrecision(2)}; the loss falls fastest at ${steepest.toPrecision(2)}`);

const run = await train(data, {
  ...recipe,
  epochs: 2,
  learningRate: suggested,
  out,
  // Which weights were kept, and which start anew.
  say: (line) => console.log(line),
});

// The file also holds the labels and the pre-processing.
await using network = await load(run.best);
console.log(`${run.best}: ${network.labels.join(", ")}; ${run.top1Error?.toFixed(1)} % wrong`);
