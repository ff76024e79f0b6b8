/**
 * What a library of version 3 has to get right before it is used, in a process of its own (probe.node.ts). On a virtual
 * machine that hides the processor's caches, version 3.7.2 divides by zero, or gives wrong results (docs/log.md).
 */

import { GraphBuilder } from "../../ir/builder.ts";
import type { Graph } from "../../ir/graph.ts";
import { createRandom } from "../../random.ts";
import { sizeOf, type Tensor, type TensorData, tensor } from "../../tensor.ts";
import { referenceExecutor } from "../reference/reference.ts";
import type { Api } from "./api.node.ts";
import { lower } from "./lower.node.ts";
import { planLayouts } from "./spec.ts";

/** Relative to the largest value. */
const tolerance = 1e-3;

/** Whether convolutions and their gradients are right in both layouts. */
export async function isRight(api: Api): Promise<boolean> {
  askForLarge(api);
  const graph = convolutions();
  const random = createRandom(1);
  const drawn = (values: readonly { name: string; type: { shape: readonly number[] } }[]): Map<string, Tensor> =>
    new Map(
      values.map(({ name, type: { shape } }) => [
        name,
        tensor(
          [...shape],
          Float32Array.from({ length: sizeOf(shape) }, () => random.normal()),
        ),
      ]),
    );
  const [weights, inputs] = [drawn(graph.parameters), drawn(graph.inputs)];
  const expected = await (await referenceExecutor.compile(graph, weights)).run(inputs);
  return planLayouts.every((layout) => {
    const { plan, inputs: into, outputs } = lower(api, graph, weights, { live: true, type: "f32", layout });
    for (const [name, data] of into) data.set(inputs.get(name)!.data);
    for (const { run } of plan.steps) if (run() !== 0) return false;
    return [...outputs].every(([name, { data }]) => isClose(data, expected.get(name)!.data));
  });
}

function isClose(found: TensorData, expected: TensorData): boolean {
  let [largest, difference] = [0, 0];
  for (const [i, value] of expected.entries()) {
    largest = Math.max(largest, Math.abs(value));
    difference = Math.max(difference, Math.abs(value - found[i]!));
  }
  return difference <= tolerance * largest;
}

/** Few channels, odd ones, and whole blocks of them. */
function convolutions(): Graph {
  const builder = new GraphBuilder("trial");
  for (const [from, to, side] of [
    [3, 8, 3],
    [3, 64, 7],
    [17, 5, 3],
    [32, 48, 3],
    [64, 32, 1],
  ] as const) {
    const name = `${from}to${to}`;
    const attrs = { stride: 1, pad: 0, groups: 1 };
    const x = builder.input(`${name}.x`, [2, from, 9, 8]);
    const dy = builder.input(`${name}.dy`, [2, to, 10 - side, 9 - side]);
    const w = builder.parameter(`${name}.w`, [to, from, side, side], "weight");
    const [inputShape, weightShape] = [x.type.shape, w.type.shape];
    builder.output(`${name}.y`, builder.apply("conv2d", `${name}.y`, [x, w], attrs));
    const dx = builder.apply("conv2dBackwardInput", `${name}.dx`, [dy, w], { ...attrs, inputShape });
    builder.output(`${name}.dx`, dx);
    const dw = builder.apply("conv2dBackwardWeight", `${name}.dw`, [x, dy], { ...attrs, weightShape });
    builder.output(`${name}.dw`, dw);
  }
  return builder.build();
}

/** Asks for primitives that are not run. */
function askForLarge(api: Api): void {
  for (const type of ["f32", "bf16"] as const) {
    for (const [from, to, side] of [
      [256, 1024, 14],
      [1024, 512, 14],
      [512, 2048, 7],
    ] as const) {
      const pictureOf = (channels: number) => api.describe([1, channels, side, side], type, "channelsLast");
      api.primitiveIfServed("trial", {
        ...{ primitive: "convolution", pass: "forward", src: pictureOf(from), dst: pictureOf(to) },
        weights: api.describe([to, from, 1, 1], type, "any"),
        window: { strides: [1, 1], padLow: [0, 0], padHigh: [0, 0] },
      });
    }
  }
}
