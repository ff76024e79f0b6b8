import assert from "node:assert/strict";
import { test } from "node:test";
import { assertClose } from "../../tests/support.ts";
import { SenetError } from "../errors.ts";
import { type OptimizerName, optimizerNames, optimizers } from "../optim/optimizers.ts";
import { learningRateOf, optimizerOf, trainingConfig } from "./config.ts";

/** The message with which a config is refused. */
function refused(given: unknown): string {
  try {
    trainingConfig(given, "run/config.json");
  } catch (error) {
    assert.ok(error instanceof SenetError && error.code === "usage", `${error}`);
    assert.ok(error.message.startsWith("run/config.json: "), error.message);
    return error.message;
  }
  return assert.fail(`${JSON.stringify(given)} was accepted`);
}

test("what is not given has defaults, and a config survives its own file", () => {
  const config = trainingConfig({ epochs: 3 });
  assert.equal(config.epochs, 3);
  assert.equal(config.model, "se-resnet-18");
  assert.equal(config.nesterov, true);
  assert.deepEqual(trainingConfig(JSON.parse(JSON.stringify(config))), config);
});

test("a configuration of version 1 means what it meant", () => {
  assert.deepEqual(trainingConfig({ decayAll: true }).decayOn, ["weight", "bias", "gamma", "beta"]);
  assert.deepEqual(trainingConfig({ decayAll: false }).decayOn, ["weight"]);
  assert.deepEqual(trainingConfig({}).decayOn, ["weight"]);
  assert.equal(trainingConfig({ decayAll: true }).version, 3);
  assert.equal(trainingConfig({ decayAll: false }).decode, "exact");
  assert.match(refused({ version: 2, decayAll: true }), /"decayAll" is unknown/);
  assert.match(refused({ version: 4 }), /version: expected 3, found 4/);
});

test("a configuration of version 2 keeps the rate that it had by default", () => {
  const rate = (given: object) => learningRateOf(trainingConfig({ version: 2, ...given }));
  assert.equal(rate({ optimizer: "adamw", batchSize: 32, learningRate: null }), (2.5e-4 * 32) / 256);
  assert.equal(rate({ optimizer: "muon" }), 2.5e-4 / 4);
  assert.equal(rate({ optimizer: "adamw", learningRate: 0.5 }), 0.5);
  assert.equal(rate({ optimizer: "sgd", batchSize: 32 }), 0.1 / 8);
  assert.equal(trainingConfig({ version: 2, optimizer: "lars" }).learningRate, null);
  assert.equal(rate({ decayAll: false, version: 1, optimizer: "adamw" }), 2.5e-4 / 4, "nor one of version 1");
});

test("by default the rate scales with the batch, of optimisers with steps of their own length with its root", () => {
  const rate = (optimizer: OptimizerName, batchSize: number) =>
    learningRateOf(trainingConfig({ optimizer, batchSize }));
  for (const name of optimizerNames) {
    const isRoot = ["adamw", "radam", "muon", "lamb"].includes(name);
    const { usualRate } = optimizers[name];
    assertClose([rate(name, 256), rate(name, 16)], [usualRate, isRoot ? usualRate / 4 : usualRate / 16], 1e-12, name);
  }
});

test("a part of the batch that the batch is not made of is refused", () => {
  assert.equal(trainingConfig({ batchSize: 64, microBatch: 16 }).microBatch, 16);
  assert.match(
    refused({ batchSize: 64, microBatch: 24 }),
    /microBatch: expected a divisor of the batch size, found 24/,
  );
  assert.match(
    refused({ batchSize: 64, microBatch: 128 }),
    /microBatch: expected a divisor of the batch size, found 128/,
  );
});

test("an unknown key is refused with the nearest ones", () => {
  assert.match(refused({ learningrate: 0.1 }), /"learningrate" is unknown \(nearest: learningRate, /);
  assert.match(refused({ batch_size: 8 }), /nearest: batchSize, /);
  const both = refused({ epoch: 1, sead: 2 });
  assert.match(both, /"epoch" is unknown \(nearest: epochs, /);
  assert.match(both, /"sead" is unknown \(nearest: seed, /);
});

test("every value out of its range is named, all at once", () => {
  const wrong = {
    epochs: 0,
    batchSize: 1.5,
    imageSize: -1,
    seed: -1,
    learningRate: 0,
    schedule: "cosin",
    warmupEpochs: -1,
    scheduleBy: "month",
    minLr: -1,
    warmup: "slow",
    warmupLr: -0.1,
    stepFactor: 2,
    decayRate: 0,
    pctStart: 1,
    cycleMomentum: [0.9],
    momentum: 1,
    betas: [0.9, 1],
    decayOn: ["weights"],
    modelEmaDecay: 1,
    clipGrad: 0,
    clipMode: "agc",
    microBatch: 0,
    patience: 0,
    nesterov: "yes",
    weightDecay: -1,
    labelSmoothing: 1,
    cropScale: 0,
    interpolation: "nearest",
    evaluationResize: 0,
  };
  // A long list of faults is cut short.
  const faults = Object.entries(wrong);
  for (const some of [faults.slice(0, 15), faults.slice(15)]) {
    const message = refused(Object.fromEntries(some));
    for (const [key] of some) assert.match(message, new RegExp(`\\b${key}(\\.\\d)?: `));
  }
  refused("epochs");
  refused({ learningRate: Number.NaN });
});

test("the rate is the one given, or 0.1 for each 256 pictures of a batch", () => {
  assert.equal(learningRateOf(trainingConfig({ batchSize: 64 })), 0.025);
  assert.equal(learningRateOf(trainingConfig({ batchSize: 64, learningRate: 0.3 })), 0.3);
});

test("an optimiser gets the settings that it has, and its own usual rate", () => {
  const plain = { name: "sgd", momentum: 0.8, nesterov: false, rateInVelocity: false, momentumCycles: false };
  assert.deepEqual(optimizerOf(trainingConfig({ momentum: 0.8, nesterov: false })), plain);
  assert.deepEqual(optimizerOf(trainingConfig({ momentum: 0.8, nesterov: false, schedule: "one-cycle" })), {
    ...plain,
    momentumCycles: true,
  });
  assert.deepEqual(optimizerOf(trainingConfig({ optimizer: "adamw", betas: [0.8, 0.9], eps: 1e-4 })), {
    name: "adamw",
    betas: [0.8, 0.9],
    eps: 1e-4,
  });
  assert.deepEqual(optimizerOf(trainingConfig({ optimizer: "adamw" })), { name: "adamw" });
  assert.deepEqual(optimizerOf(trainingConfig({ optimizer: "rmsprop" })), { name: "rmsprop", momentum: 0.9 });
  assert.equal(learningRateOf(trainingConfig({ batchSize: 128 })), 0.05);
  assert.equal(learningRateOf(trainingConfig({ optimizer: "adamw", batchSize: 1024 })), 2e-3);
  assert.throws(
    () => trainingConfig({ optimizer: "adam" }),
    /sgd or adamw or radam or muon or rmsprop or lamb or lars/,
  );
});

test("weights of classes are for the softmax's loss", () => {
  assert.equal(trainingConfig({ classWeights: "balanced" }).classWeights, "balanced");
  assert.throws(
    () => trainingConfig({ classWeights: "balanced", bceLoss: true }),
    /classWeights: expected none with binary cross-entropy/,
  );
});

test("an optimiser looks ahead where that is asked for, whichever it is", () => {
  const given = { optimizer: "rmsprop", eps: 1e-4, lookahead: true, lookaheadSteps: 5 };
  assert.deepEqual(optimizerOf(trainingConfig(given)), {
    name: "rmsprop",
    momentum: 0.9,
    eps: 1e-4,
    lookahead: { steps: 5, alpha: 0.5 },
  });
  assert.match(
    refused({ lookaheadAlpha: 0, lookaheadSteps: 0 }),
    /lookaheadSteps: expected more than 0, found 0[\s\S]*lookaheadAlpha: expected more than 0, found 0/,
  );
});
