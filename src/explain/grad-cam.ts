/**
 * Grad-CAM: where channels are active whose activity raises a class's logit (arXiv 1610.02391).
 *
 * A channel's weight is the mean of the logit's gradient over its positions; the map is the weighted sum of the
 * channels. Negative values speak for other classes.
 */

import { gradientOf } from "../autodiff/differentiate.ts";
import { SenetError } from "../errors.ts";
import type { Graph, Value } from "../ir/graph.ts";
import { positionsOf } from "../ir/position.ts";
import type { Tensor } from "../tensor.ts";
import { inferenceProgram } from "../weights/program.ts";
import { inferenceGraph } from "../zoo/index.ts";
import { type CreateMethod, logitGradient } from "./method.ts";

const activityName = "explain.activity";

export const gradCam: CreateMethod = async ({ model, preprocessing, ...network }, executor, options) => {
  const graph = inferenceGraph(model, { batch: 1, imageSize: preprocessing.crop });
  const { name } = activityAfter(graph, options.stage);
  const program = await inferenceProgram(graph, network);
  // Passes keep the names of values.
  const activity = program.graph.nodes.flatMap(({ outputs }) => outputs).find((value) => value.name === name)!;
  const outputs = new Map([...program.graph.outputs, [activityName, activity]]);
  const gradient = await logitGradient(
    { ...program, graph: { ...program.graph, outputs } },
    activity,
    executor,
    options,
  );
  return {
    // After the last stage, the backward pass costs almost nothing.
    logits: async (image, signal) => (await gradient.run(image, signal)).get("logits")!,
    heat: async (image, target, signal) => {
      const found = await gradient.run(image, signal, target);
      return weighted(found.get(activityName)!, found.get(gradientOf(name))!);
    },
    dispose: () => gradient.dispose(),
  };
};

/** The sum of the channels, each weighted by its mean gradient. Both are `[1, C, H, W]`. */
function weighted(activity: Tensor, gradient: Tensor) {
  const [, channels, height, width] = activity.shape as [number, number, number, number];
  const places = height * width;
  const sums = new Float64Array(places);
  for (let c = 0; c < channels; c++) {
    let weight = 0;
    for (let i = 0; i < places; i++) weight += gradient.data[c * places + i]!;
    weight /= places;
    for (let i = 0; i < places; i++) sums[i]! += weight * activity.data[c * places + i]!;
  }
  return { width, height, values: Float32Array.from(sums) };
}

/**
 * The network's activations after a stage.
 * @param stage from 1; default: the last, with what follows it up to the pooling
 * @throws SenetError `usage` where there is no such stage, or it has only one position
 */
export function activityAfter(graph: Graph, stage?: number): Value {
  const positions = positionsOf(graph);
  const stages = [...new Set([...positions.values()].map(({ stage }) => stage ?? 0))].filter((known) => known > 0);
  if (stage !== undefined && !stages.includes(stage)) {
    throw new SenetError("usage", "the network has no such stage", {
      where: graph.name,
      expected: stages.length === 0 ? "no stage, since it has no blocks" : `one of ${stages.join(", ")}`,
      found: `${stage}`,
    });
  }
  const isLast = stage === undefined || stage === Math.max(...stages);
  const nodes = isLast ? graph.nodes : graph.nodes.filter((node) => positions.get(node)!.stage === stage);
  const value = nodes.findLast(({ outputs }) => hasPlaces(outputs[0]!))?.outputs[0];
  if (value !== undefined) return value;
  throw new SenetError("usage", "nothing in this network has positions of the picture", { where: graph.name });
}

const hasPlaces = ({ type: { shape } }: Value) => shape.length === 4 && shape[2]! * shape[3]! > 1;
