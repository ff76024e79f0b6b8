/** Everything that computes, asked for many things at once: each caller gets what he would have got alone. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import sharp from "sharp";
import { Classifier } from "../src/evaluate/classify.node.ts";
import { type EvaluationBatch, evaluate, predict } from "../src/evaluate/evaluate.ts";
import { meanGates } from "../src/evaluate/excitation.ts";
import type { Executor } from "../src/executors/executor.ts";
import { createOnednnExecutor } from "../src/executors/onednn/executor.node.ts";
import { ortExecutor } from "../src/executors/ort/executor.node.ts";
import { referenceExecutor } from "../src/executors/reference/reference.ts";
import { imagenetPreprocessing } from "../src/images/preprocess.ts";
import { differentiate, learningRule, SenetError, TrainingStep, type Weights, zeros } from "../src/index.ts";
import { inferencePasses, runPasses } from "../src/passes/index.ts";
import { type Tensor, tensor } from "../src/tensor.ts";
import { inferenceGraph, inputName, lossGraph, type Model, model, targetsName } from "../src/zoo/index.ts";
import { temporaryFolder } from "./command.ts";
import { formulaLabels, formulaPictures, formulaWeights } from "./formula.ts";

const classes = 6;
const side = 12;
const { config } = model("se-resnet-20");
assert.ok(config.family === "resnet");
const tiny: Model = {
  name: "tiny",
  config: { ...config, depths: [1, 1], widths: [16, 32] },
  classes,
};
const weights = formulaWeights(inferenceGraph(tiny, { batch: 1, imageSize: side }));
const learning = { optimizer: { name: "sgd", nesterov: true }, weightDecay: 1e-3 } as const;

/** Twelve at once, of batches that fit the graph and of others. */
const requests = Array.from({ length: 12 }, (_, i) => formulaPictures(1 + (i % 5), side, i));

const copies = (weights: Weights): Map<string, Tensor> =>
  new Map([...weights].map(([name, { dtype, shape, data }]) => [name, { dtype, shape, data: data.slice() }]));
const oneHot = ({ data }: Tensor): Tensor => {
  const rows = zeros("float32", [data.length, classes]);
  for (const [i, label] of data.entries()) rows.data[i * classes + label] = 1;
  return rows;
};
const numbersOf = (outputs: ReadonlyMap<string, Tensor>) => [...outputs].map(([name, { data }]) => [name, [...data]]);

async function inOrder<T, U>(items: readonly T[], run: (item: T) => Promise<U>): Promise<U[]> {
  const results: U[] = [];
  for (const item of items) results.push(await run(item));
  return results;
}

const compiled = (executor: Executor) => {
  const graph = inferenceGraph(tiny, { batch: 2, imageSize: side });
  const program = runPasses({ graph, weights }, inferencePasses);
  return executor.compile(program.graph, program.weights, { threads: 2 });
};

const isDisposed = (error: unknown) =>
  error instanceof SenetError && error.code === "executor" && /was disposed of/.test(error.message);

/** What was begun ends well, everything later is refused in the same words, and to dispose again does no harm. */
async function disposes<T>(use: () => Promise<T>, dispose: () => Promise<void>): Promise<T[]> {
  const begun = [use(), use(), use()];
  await Promise.all([dispose(), dispose()]);
  const ended = await Promise.all(begun);
  await dispose();
  for (let i = 0; i < 3; i++) await assert.rejects(use(), isDisposed);
  await dispose();
  return ended;
}

const executors: readonly (readonly [string, () => Executor])[] = [
  ["reference", () => referenceExecutor],
  ["ort", () => ortExecutor],
  ["onednn", () => createOnednnExecutor()],
  ["onednn bf16", () => createOnednnExecutor({ precision: "bf16" })],
];

const pictures = temporaryFolder();
const files = Array.from({ length: 8 }, (_, i) => join(pictures, `${i}.png`));
for (const [i, file] of files.entries()) {
  const data = Uint8Array.from({ length: 16 * 16 * 3 }, (_, at) => (at * (7 + 5 * i) + 31 * i) % 256);
  await sharp(data, { raw: { width: 16, height: 16, channels: 3 } })
    .png()
    .toFile(file);
}

for (const [name, create] of executors) {
  let executor: Executor | undefined;
  let skip: string | false = false;
  try {
    executor = create();
  } catch (error) {
    skip = error instanceof Error ? error.message.split("\n")[0]! : String(error);
  }
  const on = (what: string, run: (executor: Executor) => Promise<void>) =>
    test(`${name}: ${what}`, { skip }, () => run(executor!));

  on(
    "many runs at once, of any batch, give what they give one after the other, and it stays theirs",
    async (engine) => {
      const executable = await compiled(engine);
      const run = (images: Tensor) => executable.run(new Map([[inputName, images]]));
      const expected = (await inOrder(requests, run)).map(numbersOf);
      assert.notDeepEqual(expected[0], expected[5], "the answers differ");
      const kept = await inOrder(requests, run);
      assert.deepEqual(kept.map(numbersOf), expected, "kept while others ran");
      for (let round = 0; round < 2; round++) {
        assert.deepEqual((await Promise.all(requests.map(run))).map(numbersOf), expected, `round ${round}`);
      }
      await executable.dispose();
    },
  );

  on("outputs that are one value, or the input, are arrays of their own", async (engine) => {
    const graph = inferenceGraph(tiny, { batch: 2, imageSize: side });
    const [logits] = [...graph.outputs.values()];
    const twice = {
      ...graph,
      outputs: new Map([
        ["a", logits!],
        ["b", logits!],
        ["x", graph.inputs[0]!],
      ]),
    };
    for (const mode of ["frozen", "live"] as const) {
      const executable = await engine.compile(twice, weights, { weights: mode });
      const images = formulaPictures(2, side, 0);
      const outputs = await executable.run(new Map([[inputName, images]]));
      outputs.get("a")!.data.fill(7);
      outputs.get("x")!.data.fill(7);
      assert.notEqual(outputs.get("b")!.data[0], 7, mode);
      assert.notEqual(images.data[0], 7, mode);
      await executable.dispose();
    }
  });

  on("a run that fails takes nobody else's turn away", async (engine) => {
    const executable = await compiled(engine);
    const run = (images: Tensor) => executable.run(new Map([[inputName, images]]));
    const expected = numbersOf(await run(requests[0]!));
    const bad = zeros("float32", [1, 3, side, side + 1]);
    const [first, failed, last] = await Promise.allSettled([run(requests[0]!), run(bad), run(requests[0]!)]);
    assert.ok(failed?.status === "rejected" && failed.reason instanceof SenetError);
    for (const one of [first, last]) assert.ok(one?.status === "fulfilled" && one.value.size === 1);
    assert.deepEqual(numbersOf(await run(requests[0]!)), expected);
    await executable.dispose();
  });

  on("an executable waits for its runs before it is gone, and then says so", async (engine) => {
    const executable = await compiled(engine);
    const inputs = new Map([[inputName, requests[1]!]]);
    const expected = numbersOf(await executable.run(inputs));
    const ended = await disposes(
      () => executable.run(inputs),
      () => executable.dispose(),
    );
    for (const outputs of ended) assert.deepEqual(numbersOf(outputs), expected);
  });

  on("training steps asked for at once are those of one after the other", async (engine) => {
    const steps = Array.from({ length: 6 }, (_, i) => i);
    const train = async (
      drive: (step: (i: number) => Promise<number>, training: TrainingStep) => Promise<number[]>,
    ) => {
      const own = copies(weights);
      const options = { batchSize: 2, imageSize: side, labelSmoothing: 0, ...learning, threads: 1 };
      const training = await TrainingStep.create(engine, tiny, own, options);
      const losses = await drive(async (index) => {
        const labels = formulaLabels(2, classes, index);
        return (await training.run(formulaPictures(2, side, index), labels, 0.02, { index })).loss;
      }, training);
      await training.synchronise();
      await disposes(
        () => training.synchronise(),
        () => training.dispose(),
      );
      return { losses, weights: numbersOf(own) };
    };
    const alone = await train((step) => inOrder(steps, step));
    assert.notDeepEqual(alone.losses[0], alone.losses[1]);
    assert.deepEqual(await train((step) => Promise.all(steps.map(step))), alone);
    const mixed = await train(async (step, training) => {
      const all = steps.flatMap((i) => [step(i), training.synchronise().then(() => undefined)]);
      return (await Promise.all(all)).filter((loss) => loss !== undefined);
    });
    assert.deepEqual(mixed, alone);
  });

  on("gradients asked for at once are those of one after the other, and none come after the end", async (engine) => {
    const graph = differentiate(lossGraph(tiny, { batch: 2, imageSize: side }));
    const trainer = await engine.compileTraining(graph, copies(weights), learningRule(graph, learning), { threads: 1 });
    const gradients = async (i: number) => {
      const targets = oneHot(formulaLabels(2, classes, i));
      const outputs = await trainer.gradients(
        new Map([
          [inputName, formulaPictures(2, side, i)],
          [targetsName, targets],
        ]),
      );
      return [...outputs.get("loss")!.data, ...outputs.get("logits")!.data];
    };
    const calls = [0, 1, 2, 3];
    const alone = await inOrder(calls, gradients);
    assert.notDeepEqual(alone[0], alone[1]);
    assert.deepEqual(await Promise.all(calls.map(gradients)), alone);
    await disposes(
      () => trainer.update({ rate: 0.1, step: 0 }),
      () => trainer.dispose(),
    );
    await assert.rejects(trainer.gradients(new Map()), isDisposed);
  });

  on("training steps asked for at once draw their own dropout", async (engine) => {
    const dropping: Model = { ...tiny, config: { ...config, depths: [1], widths: [16], dropout: 0.5 } };
    const start = formulaWeights(inferenceGraph(dropping, { batch: 1, imageSize: side }));
    const steps = Array.from({ length: 6 }, (_, i) => i);
    const train = async (drive: (step: (i: number) => Promise<number>) => Promise<number[]>) => {
      const own = copies(start);
      const options = { batchSize: 2, imageSize: side, labelSmoothing: 0, ...learning, threads: 1 };
      const training = await TrainingStep.create(engine, dropping, own, options);
      const images = formulaPictures(2, side, 0);
      const labels = formulaLabels(2, classes, 0);
      const losses = await drive(async (index) => (await training.run(images, labels, 0.01, { index })).loss);
      await training.synchronise();
      await disposes(
        () => training.run(images, labels, 0.01, { index: 9 }),
        () => training.dispose(),
      );
      await assert.rejects(training.synchronise(), isDisposed);
      return losses;
    };
    const alone = await train((step) => inOrder(steps, step));
    assert.notEqual(alone[0], alone[1]);
    assert.deepEqual(await train((step) => Promise.all(steps.map(step))), alone);
  });

  on(
    "a classifier asked for many pictures at once mixes up none, and waits for them before it is gone",
    async (engine) => {
      const checkpoint = {
        model: tiny,
        labels: Array.from({ length: classes }, (_, i) => `class ${i}`),
        preprocessing: { ...imagenetPreprocessing, resize: side, crop: side },
        weights,
      };
      const classifier = await Classifier.create(checkpoint, engine, { threads: 1 });
      const classify = (file: string) => classifier.classify(file, classes);
      const expected = await inOrder(files, classify);
      assert.notDeepEqual(expected[0]!.predictions, expected[1]!.predictions);
      for (let round = 0; round < 4; round++) {
        assert.deepEqual(await Promise.all(files.map(classify)), expected, `round ${round}`);
      }
      const [missing, fine] = await Promise.allSettled([classify("no such picture.png"), classify(files[0]!)]);
      assert.ok(missing?.status === "rejected" && missing.reason instanceof SenetError);
      assert.deepEqual(fine, { status: "fulfilled", value: expected[0] });
      const ended = await disposes(
        () => classify(files[2]!),
        () => classifier.dispose(),
      );
      for (const one of ended) assert.deepEqual(one, expected[2]);
    },
  );

  on("evaluations and mean gates at once measure what they measure alone", async (engine) => {
    async function* batches(seed: number): AsyncGenerator<EvaluationBatch> {
      for (let i = 0; i < 3; i++) {
        const images = formulaPictures(2, side, 10 * seed + i);
        yield { images, labels: formulaLabels(2, classes, seed + i), samples: [2 * i, 2 * i + 1], size: 2 };
      }
    }
    const network = await compiled(engine);
    const measure = (seed: number) => evaluate(predict(network, batches(seed)), classes);
    const gates = (seed: number) =>
      meanGates({ executor: engine, model: tiny, weights, batches: batches(seed), batchSize: 2, imageSize: side });
    const seeds = [1, 2, 3];
    const alone = [await inOrder(seeds, measure), await inOrder(seeds, gates)];
    const together = await Promise.all([Promise.all(seeds.map(measure)), Promise.all(seeds.map(gates))]);
    assert.deepEqual(together, alone);
    await network.dispose();
  });
}

test("executables of different executors run side by side", async () => {
  const engines = executors.flatMap(([, create]) => {
    try {
      return [create()];
    } catch {
      return [];
    }
  });
  const all = await Promise.all(engines.flatMap((engine) => [compiled(engine), compiled(engine)]));
  const inputs = new Map([[inputName, tensor([2, 3, side, side], formulaPictures(2, side, 3).data)]]);
  const expected = (await inOrder(all, (executable) => executable.run(inputs))).map(numbersOf);
  const together = await Promise.all([...all, ...all].map((executable) => executable.run(inputs)));
  assert.deepEqual(together.map(numbersOf), [...expected, ...expected]);
  await Promise.all(all.map((executable) => executable.dispose()));
});
