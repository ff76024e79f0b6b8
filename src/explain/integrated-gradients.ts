/**
 * Integrated gradients (arXiv 1703.01365): how much each pixel contributes to a class's logit along the straight line
 * from a blank picture to this one. The contributions add up to the difference of the two logits. Blank is the mean
 * colour, which the network sees as 0.
 */

import { gradientOf } from "../autodiff/differentiate.ts";
import { type Tensor, tensor } from "../tensor.ts";
import { inferenceProgram } from "../weights/program.ts";
import { inferenceGraph, inputName } from "../zoo/index.ts";
import { checkedCount } from "./counts.ts";
import { type CreateMethod, logitGradient, turnUnless } from "./method.ts";

/** Points of the line that are run at once; the activations of all of them are kept for the backward pass. */
const atOnce = 4;
const mostSteps = 10_000;

export const integratedGradients: CreateMethod = async ({ model, preprocessing, ...network }, executor, options) => {
  const steps = checkedCount("steps", options.steps ?? 32, mostSteps);
  const batch = Math.min(atOnce, steps);
  const program = await inferenceProgram(inferenceGraph(model, { batch, imageSize: preprocessing.crop }), network);
  const input = program.graph.inputs.find(({ name }) => name === inputName)!;
  const gradient = await logitGradient(program, input, executor, options);
  return {
    logits: async ({ data }: Tensor, signal) => {
      const images = new Float32Array(batch * data.length);
      images.set(data);
      const logits = (await gradient.run(tensor(input.type.shape, images), signal)).get("logits")!;
      const classes = logits.shape[1]!;
      return tensor([1, classes], Float32Array.from(logits.data.subarray(0, classes)));
    },
    heat: async ({ data, shape: [, , height, width] }: Tensor, target, signal) => {
      const places = height! * width!;
      const sums = new Float64Array(places);
      for (let start = 0; start < steps; start += batch) {
        await turnUnless(signal);
        const images = new Float32Array(batch * data.length);
        const points = Math.min(batch, steps - start);
        for (let row = 0; row < points; row++) {
          // The midpoint of each part of the line.
          const part = (start + row + 0.5) / steps;
          for (let i = 0; i < data.length; i++) images[row * data.length + i] = part * data[i]!;
        }
        const found = await gradient.run(tensor(input.type.shape, images), signal, target);
        const slopes = found.get(gradientOf(inputName))!.data;
        for (let row = 0; row < points; row++) {
          for (let i = 0; i < data.length; i++) {
            sums[i % places]! += (slopes[row * data.length + i]! * data[i]!) / steps;
          }
        }
      }
      return { width: width!, height: height!, values: Float32Array.from(sums) };
    },
    dispose: () => gradient.dispose(),
  };
};
