/**
 * Occlusion (arXiv 1311.2901, section 4.2): how much a class's logit falls when a square of the picture is covered with
 * the mean colour. A position's value is the mean over the squares that cover it.
 */

import { type Tensor, tensor } from "../tensor.ts";
import { inferenceProgram } from "../weights/program.ts";
import { inferenceGraph, inputName } from "../zoo/index.ts";
import { checkedCount } from "./counts.ts";
import { type CreateMethod, turnUnless } from "./method.ts";

/** Covered pictures per run. */
const atOnce = 8;

export const occlusion: CreateMethod = async (
  { model, preprocessing, ...network },
  executor,
  { patch, stride, threads },
) => {
  const { crop } = preprocessing;
  const side = checkedCount("patch", patch ?? Math.max(1, Math.round(crop / 5)), crop);
  const step = checkedCount("stride", stride ?? Math.max(1, Math.round(side / 3)), side);
  const program = await inferenceProgram(inferenceGraph(model, { batch: atOnce, imageSize: crop }), network);
  const executable = await executor.compile(program.graph, program.weights, { threads });
  const logitsOf = async (images: Tensor, signal?: AbortSignal) =>
    (await executable.run(new Map([[inputName, images]]), { signal })).get("logits")!;
  const starts = startsOf(crop, side, step);

  return {
    logits: logitsOf,
    heat: async (image: Tensor, target, signal) => {
      const { data, shape } = image;
      const whole = (await logitsOf(image, signal)).data[target]!;
      const [sums, counts] = [new Float64Array(crop * crop), new Uint32Array(crop * crop)];
      const corners = starts.flatMap((top) => starts.map((left) => ({ top, left })));
      for (let start = 0; start < corners.length; start += atOnce) {
        await turnUnless(signal);
        const group = corners.slice(start, start + atOnce);
        const images = new Float32Array(group.length * data.length);
        group.forEach((corner, row) => {
          const one = images.subarray(row * data.length, (row + 1) * data.length);
          one.set(data);
          cover(one, crop, side, corner);
        });
        const logits = await logitsOf(tensor([group.length, ...shape.slice(1)], images), signal);
        const classes = logits.shape[1]!;
        group.forEach(({ top, left }, row) => {
          const fall = whole - logits.data[row * classes + target]!;
          for (let y = top; y < top + side; y++) {
            for (let x = left; x < left + side; x++) {
              sums[y * crop + x]! += fall;
              counts[y * crop + x]!++;
            }
          }
        });
      }
      return { width: crop, height: crop, values: Float32Array.from(sums, (sum, i) => sum / counts[i]!) };
    },
    dispose: () => executable.dispose(),
  };
};

/** Start positions of squares along one side; the last square ends at the border. */
function startsOf(size: number, side: number, step: number): number[] {
  const starts: number[] = [];
  for (let start = 0; start < size - side; start += step) starts.push(start);
  return [...starts, size - side];
}

/** The mean colour is 0 in each plane. */
function cover(planes: Float32Array, size: number, side: number, corner: { top: number; left: number }): void {
  for (let plane = 0; plane < planes.length; plane += size * size) {
    for (let y = corner.top; y < corner.top + side; y++) {
      const start = plane + y * size + corner.left;
      planes.fill(0, start, start + side);
    }
  }
}
