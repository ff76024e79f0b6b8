import assert from "node:assert/strict";
import { test } from "node:test";
import { formulaLabels, formulaPictures, formulaWeights } from "../../tests/formula.ts";
import { assertClose } from "../../tests/support.ts";
import { differentiate } from "../autodiff/differentiate.ts";
import type { Executor, Trainer } from "../executors/executor.ts";
import { referenceExecutor } from "../executors/reference/reference.ts";
import type { Graph } from "../ir/graph.ts";
import { type Tensor, tensor } from "../tensor.ts";
import { inputName, lossGraph, type Model, model, targetsName } from "../zoo/index.ts";
import { learningRule } from "./learning.ts";
import { type StepOptions, TrainingStep } from "./step.ts";
import { hardTargets } from "./targets.ts";

const [batchSize, imageSize, classes] = [3, 8, 4];
const network = model("se-resnet-8", classes);
const base = { batchSize, imageSize, optimizer: { name: "sgd", momentum: 0.9 }, weightDecay: 1e-3 } as const;
const fresh = (of: Model = network) => formulaWeights(lossGraph(of, { batch: batchSize, imageSize }));
const pictures = (i: number) => formulaPictures(batchSize, imageSize, i);
const labels = (i: number) => formulaLabels(batchSize, classes, i);

async function run(weights: Map<string, Tensor>, options: StepOptions, steps: number, of: Model = network) {
  const step = await TrainingStep.create(referenceExecutor, of, weights, options);
  const losses: number[] = [];
  for (let i = 0; i < steps; i++) losses.push((await step.run(pictures(i), labels(i), 0.1, { index: i })).loss);
  await step.synchronise();
  await step.dispose();
  return { losses, state: step.optimizerState };
}

test("the two halves of a step are the whole of it, to the last bit, whatever stands between them", async () => {
  const [whole, halved, scaled] = [fresh(), fresh(), fresh()];
  const expected = await run(whole, base, 3);

  const step = await TrainingStep.create(referenceExecutor, network, halved, base);
  const doubled = await TrainingStep.create(referenceExecutor, network, scaled, base);
  for (let i = 0; i < 3; i++) {
    const { loss, correct } = await step.gradients(pictures(i), labels(i), { index: i });
    assert.equal(loss, expected.losses[i]);
    assert.ok(correct >= 0 && correct <= batchSize);
    await step.update({ rate: 0.1, step: i });
    // Twice the gradients at half the scale: powers of two change no bit.
    await doubled.gradients(pictures(i), labels(i), { index: i });
    for (const data of doubled.gradientData) for (let k = 0; k < data.length; k++) data[k]! *= 2;
    await doubled.update({ rate: 0.1, step: i, scale: 0.5 });
  }
  for (const [one, weights] of [
    [step, halved],
    [doubled, scaled],
  ] as const) {
    await one.synchronise();
    for (const [name, { data }] of whole) assert.deepEqual(weights.get(name)!.data, data, name);
    for (const [slot, values] of expected.state) {
      for (const [name, { data }] of values)
        assert.deepEqual(one.optimizerState.get(slot)!.get(name)!.data, data, name);
    }
    await one.dispose();
  }
});

test("a half alone changes no weight", async () => {
  const weights = fresh();
  const step = await TrainingStep.create(referenceExecutor, network, weights, base);
  await step.gradients(pictures(0), labels(0));
  await step.synchronise();
  for (const [name, { data }] of fresh()) {
    if (!name.includes("running_")) assert.deepEqual(weights.get(name)!.data, data, name);
  }
  await step.dispose();
});

test("frozen stages keep weights and statistics, and the rest learns what it would behind constants", async () => {
  const weights = fresh();
  const { state } = await run(weights, { ...base, freeze: "stage2" }, 3);
  const isFrozen = (name: string) => /^(conv1|bn1|layer[12])\b/.test(name);
  for (const [name, { data }] of fresh()) {
    if (isFrozen(name)) assert.deepEqual(weights.get(name)!.data, data, name);
    else assert.notDeepEqual(weights.get(name)!.data, data, name);
  }
  assert.ok(![...state.get("velocity")!.keys()].some(isFrozen));

  // The same by the graph as it is, whose batch norms are not folded.
  const [folded, truth] = [fresh(), fresh()];
  const { losses } = await run(folded, { ...base, freeze: "stage2" }, 1);
  const graph = differentiate(lossGraph(network, { batch: batchSize, imageSize, freeze: "stage2" }));
  const trainer = await referenceExecutor.compileTraining(graph, truth, learningRule(graph, base));
  const type = graph.inputs.find(({ name }) => name === targetsName)!.type;
  const inputs = new Map([
    [inputName, pictures(0)],
    [targetsName, hardTargets(labels(0), type)],
  ]);
  const outputs = await trainer.gradients(inputs);
  await trainer.update({ rate: 0.1, step: 0 });
  await trainer.dispose();
  assertClose(losses, outputs.get("loss")!.data, 1e-6, "loss");
  for (const [name, { data }] of truth) assertClose(folded.get(name)!.data, data, 1e-5, name);
});

/** What an engine was given to compile. */
async function compiled(options: Partial<StepOptions>): Promise<Graph> {
  let graph: Graph | undefined;
  const spy: Executor = {
    ...referenceExecutor,
    compileTraining: (given, weights, rule, more): Promise<Trainer> => {
      graph = given;
      return referenceExecutor.compileTraining(given, weights, rule, more);
    },
  };
  await (await TrainingStep.create(spy, network, fresh(), { ...base, ...options })).dispose();
  return graph!;
}

test("frozen batch norms behind frozen convolutions are folded into them, all others stay", async () => {
  const count = ({ nodes }: Graph, op: string) => nodes.filter((node) => node.op === op).length;
  const frozen = await compiled({ freeze: "stage2" });
  assert.deepEqual([count(frozen, "batchNorm"), count(frozen, "batchNormTraining")], [0, 3]);
  const norms = await compiled({ freezeBatchNorm: true });
  assert.deepEqual([count(norms, "batchNorm"), count(norms, "batchNormTraining")], [9, 0]);
  const plain = await compiled({});
  assert.deepEqual([count(plain, "batchNorm"), count(plain, "batchNormTraining")], [0, 9]);
});

test("class weights weigh the losses of a batch's pictures", async () => {
  const classWeights = [0.5, 1, 2, 4];
  const lossOf = async (options: Partial<StepOptions>, target: Tensor) => {
    const step = await TrainingStep.create(referenceExecutor, network, fresh(), { ...base, ...options });
    const { loss } = await step.gradients(pictures(0), target);
    await step.dispose();
    return loss;
  };
  // The batch is always the same, and with it the logits: pictures of one class have its weight.
  for (const [k, weight] of classWeights.entries()) {
    const all = tensor([batchSize], new Int32Array(batchSize).fill(k));
    assertClose([await lossOf({ classWeights }, all)], [weight * (await lossOf({}, all))], 1e-6, `class ${k}`);
  }
});

test("with layer decay the classifier moves as without, and what is in front less and less", async () => {
  const moved = async (options: Partial<StepOptions>) => {
    const weights = fresh();
    await run(weights, { ...base, optimizer: { name: "sgd", momentum: 0 }, weightDecay: 0, ...options }, 1);
    const before = fresh();
    return (name: string) => Array.from(weights.get(name)!.data, (value, i) => value - before.get(name)!.data[i]!);
  };
  const [plain, decayed] = [await moved({}), await moved({ layerDecay: 0.5 })];
  for (const [name, factor] of [
    ["fc.weight", 1],
    ["layer3.0.conv2.weight", 0.5],
    ["conv1.weight", 1 / 16],
  ] as const) {
    assertClose(
      decayed(name),
      plain(name).map((value) => factor * value),
      1e-3,
      name,
    );
  }
});

test("statistics that move twice a step do so by the new weights, over the same batch", async () => {
  const [twice, expected] = [fresh(), fresh()];
  await run(twice, { ...base, movesStatisticsTwice: true }, 2);
  await using step = await TrainingStep.create(referenceExecutor, network, expected, base);
  for (let i = 0; i < 2; i++) {
    await step.run(pictures(i), labels(i), 0.1, { index: i });
    await step.gradients(pictures(i), labels(i), { index: i });
  }
  await step.synchronise();
  const once = fresh();
  await run(once, base, 2);
  for (const [name, { data }] of expected) {
    assert.deepEqual(twice.get(name)!.data, data, name);
    if (name.includes("running_")) assert.notDeepEqual(once.get(name)!.data, data, name);
    else assert.deepEqual(once.get(name)!.data, data, name);
  }
});

test("a step that is given up leaves weights and running statistics as they were", async () => {
  const [count, side] = [16, 32];
  const make = () => formulaWeights(lossGraph(network, { batch: count, imageSize: side }));
  const [weights, before] = [make(), make()];
  await using step = await TrainingStep.create(referenceExecutor, network, weights, {
    ...base,
    ...{ batchSize: count, imageSize: side },
  });
  const giveUp = new AbortController();
  const running = step.run(formulaPictures(count, side, 0), formulaLabels(count, classes, 0), 0.1, {
    index: 0,
    signal: giveUp.signal,
  });
  // By then it is under way.
  setTimeout(() => giveUp.abort(new Error("enough")));
  await assert.rejects(running, /^Error: enough/);
  await step.synchronise();
  for (const [name, { data }] of before) assert.deepEqual(weights.get(name)!.data, data, name);
});
