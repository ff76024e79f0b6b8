/**
 * What a library of version 3 has to get right before it is used, in a process of its own (probe.node.ts). On a virtual
 * machine that hides the processor's caches, version 3.7.2 divides by zero, or gives wrong results (docs/log.md).
 */

import { GraphBuilder } from "../../ir/builder.ts";
import { type Shape, sizeOf, type TensorData, tensor } from "../../tensor.ts";
import type { Api } from "./api.node.ts";
import { lower } from "./lower.node.ts";
import { planLayouts } from "./spec.ts";

/** From how many channels to how many, and the kernel's side: few, odd ones, and whole blocks. */
const kinds = [
  [3, 8, 3],
  [3, 64, 7],
  [17, 5, 3],
  [32, 48, 3],
  [64, 32, 1],
] as const;

const [batch, rows, columns] = [2, 9, 8] as const;

/** Whether convolutions and their gradients are right in both layouts. */
export function isRight(api: Api): boolean {
  askForLarge(api);
  return planLayouts.every((layout) =>
    kinds.every(([from, to, side]) => {
      const builder = new GraphBuilder("trial");
      const attrs = { stride: 1, pad: 0, groups: 1 };
      const [inputShape, outputShape] = [
        [batch, from, rows, columns],
        [batch, to, rows - side + 1, columns - side + 1],
      ] as const;
      const weightShape = [to, from, side, side] as const;
      const [x, dy] = [builder.input("x", inputShape), builder.input("dy", outputShape)];
      const w = builder.parameter("w", weightShape, "weight");
      builder.output("y", builder.apply("conv2d", "y", [x, w], attrs));
      builder.output("dx", builder.apply("conv2dBackwardInput", "dx", [dy, w], { ...attrs, inputShape }));
      builder.output("dw", builder.apply("conv2dBackwardWeight", "dw", [x, dy], { ...attrs, weightShape }));
      const [xs, ws, dys] = [inputShape, weightShape, outputShape].map(numbers) as [Data, Data, Data];
      const weights = new Map([["w", tensor(weightShape, ws)]]);
      const { plan, inputs, outputs } = lower(api, builder.build(), weights, { live: true, type: "f32", layout });
      inputs.get("x")!.set(xs);
      inputs.get("dy")!.set(dys);
      if (plan.steps.some(({ run }) => run() !== 0)) return false;
      const expected = convolved({ from, to, side }, xs, ws, dys);
      return (["y", "dx", "dw"] as const).every((name) => isSame(outputs.get(name)!.data, expected[name]));
    }),
  );
}

type Data = Float32Array<ArrayBuffer>;

/** Small whole numbers: what is missing from a sum of their products is at least one. */
const numbers = (shape: Shape): Data => Float32Array.from({ length: sizeOf(shape) }, (_, i) => ((i * 7) % 11) - 5);

const isSame = (found: TensorData, expected: Data): boolean =>
  expected.every((value, i) => Math.abs(value - found[i]!) < 0.1);

/** A convolution and its gradients by their definition. */
function convolved({ from, to, side }: Record<"from" | "to" | "side", number>, x: Data, w: Data, dy: Data) {
  const [height, width] = [rows - side + 1, columns - side + 1];
  const [y, dx, dw] = [new Float32Array(dy.length), new Float32Array(x.length), new Float32Array(w.length)];
  for (let n = 0; n < batch; n++) {
    for (let o = 0; o < to; o++) {
      for (let i = 0; i < from; i++) {
        for (let at = 0; at < height * width * side ** 2; at++) {
          const [tap, position] = [at % side ** 2, Math.floor(at / side ** 2)];
          const [row, column] = [Math.floor(position / width), position % width];
          const out = ((n * to + o) * height + row) * width + column;
          const into = ((n * from + i) * rows + row + Math.floor(tap / side)) * columns + column + (tap % side);
          const weight = (o * from + i) * side ** 2 + tap;
          y[out]! += x[into]! * w[weight]!;
          dx[into]! += dy[out]! * w[weight]!;
          dw[weight]! += x[into]! * dy[out]!;
        }
      }
    }
  }
  return { y, dx, dw };
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
        primitive: "convolution",
        pass: "forward",
        src: pictureOf(from),
        dst: pictureOf(to),
        weights: api.describe([to, from, 1, 1], type, "any"),
        window: { strides: [1, 1], padLow: [0, 0], padHigh: [0, 0] },
      });
    }
  }
}
