/** The ports' networks, learning and as ONNX files: one form of each kind of block, as small as it gets. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { differentiate, gradientOf } from "../src/autodiff/differentiate.ts";
import type { Executor } from "../src/executors/executor.ts";
import { referenceExecutor } from "../src/executors/reference/reference.ts";
import { encodeOnnx, runOnnx } from "../src/executors/select.node.ts";
import { graphCost } from "../src/ir/cost.ts";
import { type Graph, isTrainable } from "../src/ir/graph.ts";
import { printGraph } from "../src/ir/print.ts";
import { inferencePasses, runPasses } from "../src/passes/index.ts";
import { sizeOf, type Tensor, type TensorData, tensor } from "../src/tensor.ts";
import { TrainingStep } from "../src/train/step.ts";
import { targetsOf } from "../src/train/targets.ts";
import { initialWeights } from "../src/weights/init.ts";
import { configSchema } from "../src/zoo/families.ts";
import { inferenceGraph, inputName, lossGraph, type Model, model, targetsName } from "../src/zoo/index.ts";
import { formulaPictures, formulaWeights } from "./formula.ts";
import { assertClose } from "./support.ts";

export interface Form {
  readonly name: string;
  /** What of the network's configuration is smaller. */
  readonly smaller: Readonly<Record<string, unknown>>;
  readonly imageSize: number;
}

const form = (name: string, smaller: Form["smaller"], imageSize = 32): Form => ({
  ...{ name, smaller, imageSize },
});

const shallow = { depths: [1, 1], widths: [16, 32] };
const cifar = { depths: [1, 1, 1] };

/** With the activation behind the sum and before the convolutions, and with each kind of padded shortcut. */
export const quickForms: readonly Form[] = [
  form("taki0112-se-resnext-29", { ...cifar, stemWidth: 8, widths: [32, 32, 32], outs: [8, 16, 32] }, 16),
  form("tensorpack-se-preact-resnet-50", shallow),
  form("nutszebra-se-resnet-164", { ...cifar, widths: [4, 8, 16] }, 16),
];

export const slowForms: readonly Form[] = [
  form("tensorpack-se-resnet-50", shallow),
  form("bruinxiong-se-resnext-50", { ...shallow, groups: 4 }),
  form("bruinxiong-se-resnet-20-cifar", cifar, 16),
  form("shicai-se-resnet-50", shallow, 33),
  form("tensorpack-resnet-18", shallow),
  form("tensorpack-se-preact-resnet-50-july", shallow),
  form("bruinxiong-se-resnext-18", shallow),
  form("bruinxiong-se-resnet-50", shallow),
  form("moskomule-se-resnet-20", cifar, 16),
  form("moskomule-preact-resnet-20", cifar, 16),
  form("moskomule-se-preact-resnet-20", cifar, 16),
];

const classes = 3;
const batch = 4;
const rate = 0.02;

function smallNetwork({ name, smaller }: Form): Model {
  const whole = model(name, classes);
  return { ...whole, config: configSchema.parse({ ...whole.config, ...smaller }) };
}

/** A batch of pictures, with a class each. */
const batchOf = ({ imageSize }: Form) => ({
  images: formulaPictures(batch, imageSize, 0),
  labels: tensor(
    [batch],
    Int32Array.from({ length: batch }, (_, i) => i % classes),
  ),
});

type Outputs = ReadonlyMap<string, Tensor>;

/** The loss and all gradients; nothing is dropped. */
async function gradientsOf(executor: Executor, form: Form, graph: Graph, weights: Outputs): Promise<Outputs> {
  const { images, labels } = batchOf(form);
  const executable = await executor.compile(graph, weights);
  const inputs = graph.inputs.map(({ name, type }): [string, Tensor] => {
    if (name === inputName) return [name, images];
    if (name === targetsName) return [name, targetsOf(labels, type)];
    return [name, { ...type, data: new Float32Array(sizeOf(type.shape)).fill(1) }];
  });
  const outputs = await executable.run(new Map(inputs));
  // The engine's own memory, which the next run would use again.
  const kept = new Map([...outputs].map(([name, value]) => [name, { ...value, data: value.data.slice() }]));
  await executable.dispose();
  return kept;
}

/** The losses of steps on the same batch; the weights are changed. */
async function lossesOf(executor: Executor, form: Form, network: Model, weights: Map<string, Tensor>) {
  const { images, labels } = batchOf(form);
  const options = { batchSize: batch, imageSize: form.imageSize };
  await using step = await TrainingStep.create(executor, network, weights, options);
  const losses: number[] = [];
  for (let index = 0; index < 4; index++) losses.push((await step.run(images, labels, rate, { index })).loss);
  await step.synchronise();
  return losses;
}

/** How far apart two lists of numbers are, relative to the second. */
function apart(found: TensorData, expected: TensorData): number {
  let [difference, length] = [0, 0];
  for (const [i, value] of expected.entries()) {
    difference += (found[i]! - value) ** 2;
    length += value ** 2;
  }
  return Math.sqrt(difference / length);
}

/**
 * On each executor: gradients that are the reference's, a loss that falls, and an ONNX file of the trained network that
 * gives, in ONNX Runtime, what the reference gives. And the graph's cost and text.
 */
export function portTrainingTests(forms: readonly Form[], executors: Readonly<Record<string, Executor>>): void {
  for (const form of forms) {
    const { name, imageSize } = form;
    test(`${name} learns, and is the same as ONNX`, async () => {
      const network = smallNetwork(form);
      const forward = lossGraph(network, { batch, imageSize });
      const fresh = () => initialWeights(forward, 1);
      const whole = differentiate(forward);
      const truth = await gradientsOf(referenceExecutor, form, whole, formulaWeights(forward));
      let trained = fresh();
      for (const [engine, executor] of Object.entries(executors)) {
        const found = await gradientsOf(executor, form, whole, formulaWeights(forward));
        const learnt = forward.parameters.filter(isTrainable).map((parameter) => gradientOf(parameter.name));
        const all = (of: Outputs) => Float64Array.from(learnt.flatMap((gradient) => [...of.get(gradient)!.data]));
        assertClose(found.get("loss")!.data, truth.get("loss")!.data, 1e-4, `${engine}: loss`);
        assert.ok(all(found).every(Number.isFinite), engine);
        const difference = apart(all(found), all(truth));
        assert.ok(difference <= 1e-3, `${engine}: gradients differ by ${difference}`);

        trained = fresh();
        const losses = await lossesOf(executor, form, network, trained);
        assert.ok(losses.at(-1)! < 0.95 * losses[0]!, `${engine}: losses ${losses.join(", ")}`);
      }

      const graph = inferenceGraph(network, { batch, imageSize });
      const images = new Map([[inputName, formulaPictures(batch, imageSize, 1)]]);
      const executable = await referenceExecutor.compile(graph, trained);
      const expected = (await executable.run(images)).get("logits")!;
      await executable.dispose();
      const folded = runPasses({ graph, weights: trained }, inferencePasses);
      const onnx = encodeOnnx(folded.graph, folded.weights, {});
      const logits = (await runOnnx(onnx, images, `${name}.onnx`)).get("logits")!;
      assertClose(logits, expected.data, 1e-4, "logits of the ONNX file");

      const { parameters, multiplyAdds } = graphCost(graph);
      const learnt = forward.parameters.filter(isTrainable);
      assert.equal(
        parameters,
        learnt.reduce((sum, { type }) => sum + sizeOf(type.shape), 0),
      );
      assert.ok(multiplyAdds > parameters);
      const text = printGraph(graph);
      for (const { outputs } of graph.nodes) assert.ok(text.includes(`\n  ${outputs[0]!.name}: float32[`), text);
    });
  }
}
