import assert from "node:assert/strict";
import { test } from "node:test";
import { assertClose } from "../../tests/support.ts";
import { SenetError } from "../errors.ts";
import { imagenetPreprocessing } from "../images/preprocess.ts";
import { nameIn, namingByName } from "../import/rename.ts";
import { learningRateOf, optimizerOf } from "../train/config.ts";
import { stepsIn } from "../train/create-step.ts";
import { learningRule } from "../train/learning.ts";
import { preprocessingOf, trainingTransformOf, validationTransformOf } from "../train/pictures.ts";
import { withRecipeScaled } from "../train/rank-batches.ts";
import { learningRateAt } from "../train/schedule.ts";
import { lossGraph, model } from "../zoo/index.ts";
import { type RecipeName, recipe, recipeConfig, recipeCost, recipeNames } from "./recipes.ts";

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
  // Bytes as they are, and Caffe's difference times 0.017.
  const ofByte = (name: string, byte: number) => (byte / 255 - of(name).mean[0]) / of(name).std[0];
  assertClose([ofByte("bruinxiong", 200), ofByte("shicai", 200)], [200, (200 - 123.68) * 0.017], 1e-9, "byte");
  assert.equal(ofByte("bruinxiong-cifar", 200), 200);
  const [padded] = trainingTransformOf(recipeConfig("bruinxiong-cifar")).steps;
  assert.ok(padded?.kind === "padCrop");
  assert.deepEqual([padded.pad, padded.fill, padded.mirror], [4, [127, 127, 127], 0.5]);
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

/** Caffe's poly to its max_iter, from the first step of each epoch. */
const straight = Array.from({ length: 100 }, (_, epoch) => 0.1 * (1 - (epoch * 5004) / 500_000));

/** Those whose rate is not the same for epochs. */
type LaterName = "timm-ra2" | "strikes-back-a2" | "lars-16k" | "imagenette-5" | "imagenette-20";

/** As the sources have them. */
const rates: {
  readonly [Name in Exclude<RecipeName, LaterName>]: number[];
} = {
  "senet-2018": runs([125, 0.1], [75, 0.01], [50, 0.001], [20, 0.0001]),
  "paper-2017": runs([30, 0.6], [30, 0.06], [30, 0.006], [10, 0.0006]),
  "senet-154": runs([30, 1], [30, 0.1], [30, 0.01], [10, 0.001]),
  shicai: straight,
  tensorpack: runs([30, 0.1], [30, 0.01], [30, 1e-3], [10, 1e-4], [5, 1e-5]),
  taki0112: runs([29, 0.1], [30, 0.01], [30, 1e-3], [11, 1e-4]),
  "taki0112-exact": runs([29, 0.1], [30, 0.01], [30, 1e-3], [11, 1e-4]),
  bruinxiong: runs([30, 0.1], [30, 0.01], [30, 1e-3], [5, 1e-4], [15, 1e-5], [10, 1e-6], [5, 1e-7]),
  "bruinxiong-cifar": runs([100, 0.1], [50, 0.01], [50, 0.001]),
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
  assert.equal(config.dropPath, 0.1);
});

test("strikes-back-a2: table 2 of the paper, and timm's LAMB", () => {
  const config = recipeConfig("strikes-back-a2");
  const steps = Math.floor(recipe("strikes-back-a2").data.pictures / config.batchSize);
  const rate = (epoch: number) => learningRateAt({ ...config, learningRate: 5e-3 }, epoch * steps + 7, steps);
  // Five equal rises from 1e-4, then half a wave down to 1e-6 over the 295 epochs that are left.
  assertClose([0, 1, 4, 5].map(rate), [1e-4, 1.08e-3, 4.02e-3, 5e-3], 1e-9, "warm-up");
  const wave = (epoch: number) => 1e-6 + 0.5 * (5e-3 - 1e-6) * (1 + Math.cos((Math.PI * (epoch - 5)) / 295));
  assertClose([150, 299].map(rate), [150, 299].map(wave), 1e-9, "cosine");
  const { weightDecay, decayOn, clipGrad, bceLoss, bceTargetThresh, labelSmoothing, modelEma, reprob } = config;
  assert.deepEqual([weightDecay, decayOn, clipGrad], [0.02, ["weight"], 1]);
  assert.deepEqual([bceLoss, bceTargetThresh, labelSmoothing, modelEma, reprob], [true, 0, 0, false, 0]);
  const { mixup, cutmix, mixupProb, mixupSwitchProb, augRepeats, aa, epochs, batchSize } = config;
  assert.deepEqual([mixup, cutmix, mixupProb, mixupSwitchProb, augRepeats], [0.1, 1, 1, 0.5, 3]);
  assert.deepEqual([aa, epochs, batchSize], ["rand-m7-mstd0.5-inc1", 300, 2048]);
  assert.equal(config.dropPath, 0.05);
  assert.deepEqual(optimizerOf(config), { name: "lamb" });
  // A picture of 224 is 95 % of this.
  assert.equal(preprocessingOf(config).resize, Math.floor(224 / 0.95));
});

test("lars-16k: the rate rises for five epochs, and falls by the square of what is left; a smaller batch has less of it", () => {
  const config = recipeConfig("lars-16k");
  const steps = Math.floor(recipe("lars-16k").data.pictures / config.batchSize);
  const rate = (epoch: number) => learningRateAt({ ...config, learningRate: 25 }, Math.round(epoch * steps), steps);
  assert.ok(rate(0) < 0.1 && rate(2) < rate(4.9) && rate(4.9) < 25);
  assertClose([rate(5), rate(48), rate(91)], [25, 25 / 4, 0], 1e-3, "rate");
  assert.deepEqual(optimizerOf(config), { name: "lars", momentum: 0.9, trustCoeff: 1e-3, rateInVelocity: true });
  assert.deepEqual([config.weightDecay, config.decayOn], [1e-4, ["weight"]]);
  const asked = { flags: new Set(["batchSize"]), keys: new Set(["batchSize"]) };
  const smaller = withRecipeScaled({ ...config, batchSize: 1024 }, recipe("lars-16k").config, asked, () => {});
  assert.deepEqual([smaller.learningRate, smaller.warmupEpochs], [25 / 16, 5]);
});

/** Which parameters decay, and how much. */
const decays: { readonly [Name in keyof typeof rates]: Readonly<Record<string, number>> } = {
  "senet-2018": { weight: 1e-4 },
  "paper-2017": { weight: 1e-4 },
  "senet-154": { weight: 1e-4 },
  shicai: { weight: 1e-4, gamma: 1e-4, beta: 1e-4 },
  tensorpack: { weight: 1e-4 },
  taki0112: { weight: 5e-4, bias: 5e-4, gamma: 5e-4, beta: 5e-4 },
  "taki0112-exact": { weight: 5e-4, bias: 5e-4, gamma: 5e-4, beta: 5e-4 },
  bruinxiong: { weight: 1e-4, gamma: 1e-4 },
  "bruinxiong-cifar": { weight: 1e-4, gamma: 1e-4 },
  "moskomule-imagenet": { weight: 1e-4, bias: 1e-4, gamma: 1e-4, beta: 1e-4 },
  "moskomule-cifar": { weight: 1e-4, bias: 1e-4, gamma: 1e-4, beta: 1e-4 },
  nutszebra: { weight: 1e-4, bias: 1e-4, gamma: 1e-4, beta: 1e-4 },
};

/** What learns of a recipe's own network, with its decay. */
function learntBy(name: string) {
  const config = recipeConfig(name);
  const { weightDecay, decayOn, imageSize } = config;
  const graph = lossGraph(model(config.model), { batch: 2, imageSize });
  // Decay goes by role; velocities of the true sizes would only take time.
  const parameters = graph.parameters.map(({ type, ...rest }) => ({ ...rest, type: { ...type, shape: [1] } }));
  return learningRule({ ...graph, parameters }, { weightDecay, decayOn, optimizer: optimizerOf(config) }).learnt;
}

test("which parameters decay", () => {
  for (const [name, expected] of Object.entries(decays)) {
    // As large as the others, and like paper-2017.
    if (name === "senet-154") continue;
    for (const { parameter, decay } of learntBy(name)) {
      assert.equal(decay, expected[parameter.role] ?? 0, `${name}: ${parameter.name}`);
    }
  }
});

test("ports' recipes train their ports' own networks, and decay what the ports' expressions name", () => {
  const own = {
    shicai: "shicai-se-resnet-50",
    tensorpack: "tensorpack-se-resnet-50",
    taki0112: "taki0112-se-resnext-29",
    "taki0112-exact": "taki0112-se-resnext-29",
    bruinxiong: "bruinxiong-se-resnext-50",
    "bruinxiong-cifar": "bruinxiong-se-resnet-164-cifar",
    "moskomule-imagenet": "moskomule-se-resnet-50",
    "moskomule-cifar": "moskomule-se-resnet-20-r8",
    nutszebra: "nutszebra-se-resnet-164-r16",
  } as const;
  for (const [name, network] of Object.entries(own)) {
    const { config, data } = recipe(name);
    assert.equal(config.model, network);
    assert.equal(model(network).classes, data.classes);
  }
  for (const [name, decays] of [
    ["tensorpack", /\/W$/],
    ["bruinxiong", /_(?:weight|gamma)$/],
  ] as const) {
    for (const { parameter, decay } of learntBy(name)) {
      const theirs = nameIn(namingByName(name), parameter);
      assert.equal(decay, decays.test(theirs) ? 1e-4 : 0, theirs);
    }
  }
});

test("taki0112's errors are an option of its own, and nobody's default", () => {
  const usual = recipeConfig("taki0112");
  const exact = recipeConfig("taki0112-exact");
  const differing = Object.keys(exact).filter(
    (key) => JSON.stringify(Reflect.get(exact, key)) !== JSON.stringify(Reflect.get(usual, key)),
  );
  assert.deepEqual(differing.sort(), [
    ...["lastBatch", "recipe", "runningStatistics", "shuffle", "validationMean", "validationStd"],
  ]);
  const { mean, std } = preprocessingOf(exact);
  const own = validationTransformOf(exact, preprocessingOf(exact));
  assert.deepEqual([mean, std], [usual.mean, usual.std]);
  assert.deepEqual(own.preprocessing.mean, [0.4942, 0.4851, 0.4504]);
  assert.deepEqual(validationTransformOf(usual, preprocessingOf(usual)).preprocessing, preprocessingOf(usual));
  assert.deepEqual([stepsIn(50_000, exact, ""), stepsIn(50_000, usual, "")], [391, 390]);
});

test("a port's network is built with its own initialisation, epsilon and decay of running statistics", () => {
  // Attributes of the first batch norm; how weights of a convolution, a gate and the classifier are drawn.
  const of = (name: string) => {
    const { model: network, imageSize } = recipeConfig(name);
    const { nodes, parameters } = lossGraph(model(network), { batch: 2, imageSize });
    const norm = nodes.find(({ op }) => op === "batchNormTraining") ?? assert.fail(name);
    const average = nodes.find(({ op }) => op === "runningAverage") ?? assert.fail(name);
    const kindOf = (ending: string) => {
      const { initial = "usual" } = parameters.find((each) => each.name.endsWith(ending)) ?? assert.fail(ending);
      return typeof initial === "object" ? initial.kind : initial;
    };
    const gate = kindOf("se.fc1.weight");
    return { ...norm.attrs, ...average.attrs, scale: 1, kinds: [kindOf("conv1.weight"), gate, kindOf("fc.weight")] };
  };
  const kinds = (conv: string, gate = conv, classifier = gate) => ({
    decay: 0.9,
    scale: 1,
    kinds: [conv, gate, classifier],
  });
  assert.deepEqual(of("shicai"), { eps: 1e-4, ...kinds("normal") });
  assert.deepEqual(of("tensorpack"), { eps: 1e-5, ...kinds("cutNormal", "cutNormal", "normal") });
  assert.deepEqual(of("taki0112"), { eps: 1e-3, ...kinds("uniform") });
  assert.deepEqual(of("bruinxiong"), { eps: 2e-5, ...kinds("normal") });
  assert.deepEqual(of("bruinxiong-cifar"), { eps: 2e-5, ...kinds("normal") });
  assert.deepEqual(of("moskomule-imagenet"), { eps: 1e-5, ...kinds("normal", "uniform") });
  assert.deepEqual(of("moskomule-cifar"), { eps: 1e-5, ...kinds("normal", "uniform") });
  assert.deepEqual(of("nutszebra"), { eps: 2e-5, ...kinds("orthonormal") });
});
