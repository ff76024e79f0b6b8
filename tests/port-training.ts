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
import {
  configSchema,
  inferenceGraph,
  inputName,
  lossGraph,
  type Model,
  model,
  targetsName,
} from "../src/zoo/index.ts";
import { formulaPictures, formulaWeights } from "./formula.ts";
import { assertClose } from "./support.ts";

export interface Form {
  readonly name: string;
  /** What of the network's configuration is smaller. */
  readonly smaller: Readonly<Record<string, unknown>>;
  readonly imageSize: number;
  /** Whether gradients and logits are compared with batch norm by statistics that were not learnt. */
  readonly byRunning: boolean;
}

const form = (name: string, smaller: Form["smaller"], imageSize = 32): Form => ({
  ...{ name, smaller, imageSize, byRunning: false },
});
/**
 * Modules cannot be left out of an Inception. Through so many layers batch norm by the batch makes of a difference of
 * 1e-7 in the pictures one of 0.02 to 0.08 in the gradients, on any engine, so that nothing would be compared; and the
 * running statistics of six steps do as much to the logits.
 */
const inception = (name: string, imageSize: number): Form => ({
  ...form(name, { dropout: 0 }, imageSize),
  byRunning: true,
});

const shallow = { depths: [1, 1], widths: [16, 32] };
const cifar = { depths: [1, 1, 1] };

/** A network with the activation before the convolutions. */
export const quickForms: readonly Form[] = [form("tensorpack-se-preact-resnet-50", shallow)];

/** The others: activations after the sum, and each kind of padded shortcut. */
export const slowForms: readonly Form[] = [
  form("taki0112-se-resnext-29", { ...cifar, stemWidth: 8, widths: [32, 32, 32], outs: [8, 16, 32] }, 16),
  form("nutszebra-se-resnet-164", { ...cifar, widths: [4, 8, 16] }, 16),
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
  inception("taki0112-se-inception-v4", 48),
  inception("taki0112-se-inception-resnet-v2", 48),
  inception("bruinxiong-se-inception-v4", 107),
  inception("bruinxiong-se-inception-resnet-v2", 107),
  inception("moskomule-se-inception-v3", 107),
];

const classes = 3;
const batch = 4;
const rate = 0.01;

/** With few blocks and few channels, for three classes. */
export function smallNetwork({ name, smaller }: Form): Model {
  const whole = model(name, classes);
  return { ...whole, config: configSchema.parse({ ...whole.config, ...smaller }) };
}

/** A batch of pictures, with a class each. */
const batchOf = ({ imageSize }: Form, batch: number) => ({
  images: formulaPictures(batch, imageSize, 0),
  labels: tensor(
    [batch],
    Int32Array.from({ length: batch }, (_, i) => i % classes),
  ),
});

/** By the formula; through all modules of an Inception little would be left of the pictures with gammas as it has them. */
export function drawn(graph: Graph, { byRunning }: Form): Map<string, Tensor> {
  const weights = formulaWeights(graph);
  for (const { name, role, type } of graph.parameters) {
    const twice = () =>
      tensor(
        type.shape,
        weights.get(name)!.data.map((value) => 2 * value),
      );
    if (byRunning && role === "gamma") weights.set(name, twice());
  }
  return weights;
}

type Outputs = ReadonlyMap<string, Tensor>;

/** The loss and all gradients; nothing is dropped. */
async function gradientsOf(executor: Executor, form: Form, graph: Graph, weights: Outputs): Promise<Outputs> {
  const { images, labels } = batchOf(form, graph.inputs.find(({ name }) => name === inputName)!.type.shape[0]!);
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
  const { images, labels } = batchOf(form, batch);
  const options = { batchSize: batch, imageSize: form.imageSize };
  await using step = await TrainingStep.create(executor, network, weights, options);
  const losses: number[] = [];
  for (let index = 0; index < 6; index++) losses.push((await step.run(images, labels, rate, { index })).loss);
  await step.synchronise();
  return losses;
}

/** How far apart two lists of numbers are, relative to the second; of several pairs of lists, all together. */
function apart(...pairs: readonly (readonly [found: TensorData, expected: TensorData])[]): number {
  let [difference, length] = [0, 0];
  for (const [found, expected] of pairs)
    for (let i = 0; i < expected.length; i++) {
      difference += (found[i]! - expected[i]!) ** 2;
      length += expected[i]! ** 2;
    }
  return Math.sqrt(difference / length);
}

/**
 * On each executor: gradients that are the reference's, a loss that falls, and an ONNX file of the trained network that
 * gives, in ONNX Runtime, what the reference gives. And the graph's cost and text.
 */
export function portTrainingTests(forms: readonly Form[], executors: Readonly<Record<string, Executor>>): void {
  for (const form of forms) {
    const { name, imageSize, byRunning } = form;
    test(`${name} learns, and is the same as ONNX`, async () => {
      const network = smallNetwork(form);
      const forward = lossGraph(network, { batch, imageSize });
      const fresh = () => initialWeights(forward, 1);
      // One picture is enough then, and the reference takes its time.
      const compared = byRunning ? { batch: 1, imageSize, freezeBatchNorm: true } : { batch, imageSize };
      const whole = differentiate(lossGraph(network, compared));
      const learnt = whole.parameters.filter(isTrainable).map((parameter) => gradientOf(parameter.name));
      const truth = await gradientsOf(referenceExecutor, form, whole, drawn(forward, form));
      let trained = fresh();
      for (const [engine, executor] of Object.entries(executors)) {
        const found = await gradientsOf(executor, form, whole, drawn(forward, form));
        assertClose(found.get("loss")!.data, truth.get("loss")!.data, 1e-4, `${engine}: loss`);
        const pairs = learnt.map((name) => [found.get(name)!.data, truth.get(name)!.data] as const);
        const difference = apart(...pairs);
        assert.ok(difference <= 1e-3, `${engine}: gradients differ by ${difference}`);
        // Those behind a ReLU near its zero alone are further apart; small gradients count as much as large ones here.
        const each = pairs.map((pair) => apart(pair));
        const median = each.toSorted((a, b) => a - b)[each.length >> 1]!;
        assert.ok(median <= 1e-3, `${engine}: a parameter's gradient differs by ${median}, the median`);

        trained = fresh();
        const losses = await lossesOf(executor, form, network, trained);
        assert.ok(losses.at(-1)! < 0.95 * losses[0]!, `${engine}: losses ${losses.join(", ")}`);
      }

      const graph = inferenceGraph(network, { batch: compared.batch, imageSize });
      const images = new Map([[inputName, formulaPictures(compared.batch, imageSize, 1)]]);
      const weights = byRunning ? drawn(forward, form) : trained;
      const executable = await referenceExecutor.compile(graph, weights);
      const expected = (await executable.run(images)).get("logits")!;
      await executable.dispose();
      const folded = runPasses({ graph, weights }, inferencePasses);
      const onnx = encodeOnnx(folded.graph, folded.weights, {});
      const logits = (await runOnnx(onnx, images, `${name}.onnx`)).get("logits")!;
      assertClose(logits, expected.data, 1e-4, "logits of the ONNX file");

      const { parameters, multiplyAdds } = graphCost(graph);
      assert.equal(
        parameters,
        forward.parameters.filter(isTrainable).reduce((sum, { type }) => sum + sizeOf(type.shape), 0),
      );
      assert.ok(multiplyAdds > parameters);
      const text = printGraph(graph);
      for (const { outputs } of graph.nodes) assert.ok(text.includes(`\n  ${outputs[0]!.name}: float32[`), text);
    });
  }
}
