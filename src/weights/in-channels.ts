/** Adapts a network to another number of input channels. */

import { option, SenetError } from "../errors.ts";
import { asGrey } from "../images/preprocessing-facts.ts";
import { type Tensor, tensor } from "../tensor.ts";
import { channelsOf } from "../zoo/built.ts";
import { takingChannels } from "../zoo/families.ts";
import type { Checkpoint } from "./checkpoint.ts";

/** The limit of weight files. */
const mostChannels = 1024;
const first = ["conv1.weight", "stem.conv1.weight"];

/**
 * Adapts a three-channel network to `channels` channels, as timm does: for one, the first convolution's weights are
 * summed; otherwise they are repeated and scaled proportionally.
 * @throws SenetError `usage` where the network has other channels already, or is not a residual one
 */
export function withChannels(checkpoint: Checkpoint, channels: number): Checkpoint {
  const { model, preprocessing } = checkpoint;
  const { config } = model;
  if (channelsOf(config) === channels) return checkpoint;
  const name = first.find((name) => checkpoint.weights.has(name));
  if (channels > mostChannels) {
    throw new SenetError("usage", "no pictures have so many channels", {
      where: option("inChans"),
      expected: `1 to ${mostChannels}`,
      found: `${channels}`,
    });
  }
  const taking = takingChannels(config, channels);
  if (taking === undefined || channelsOf(config) !== 3 || name === undefined || preprocessing.meanImage !== undefined) {
    throw new SenetError("usage", "this network cannot be adapted to another number of input channels", {
      where: model.name,
      expected: "a residual network for pictures of 3 channels, with a mean for each channel",
      found: taking === undefined ? "a network of another kind" : `${channelsOf(config)} channels`,
    });
  }
  const weights = new Map(checkpoint.weights);
  weights.set(name, adapted(weights.get(name)!, channels));
  return {
    ...checkpoint,
    model: { ...model, name: `${model.name}-${channels}channels`, config: taking },
    preprocessing: channels === 1 ? asGrey(preprocessing) : preprocessing,
    weights,
  };
}

/** `[out, 3, h, w] → [out, channels, h, w]` */
function adapted({ shape, data }: Tensor, channels: number): Tensor {
  const [out, , height, width] = shape as [number, number, number, number];
  const plane = height * width;
  const result = new Float32Array(out * channels * plane);
  for (let o = 0; o < out; o++) {
    const from = o * 3 * plane;
    for (let c = 0; c < channels; c++) {
      for (let i = 0; i < plane; i++) {
        const at = (o * channels + c) * plane + i;
        const [a, b, d] = [data[from + i]!, data[from + plane + i]!, data[from + 2 * plane + i]!];
        result[at] = channels === 1 ? a + b + d : (data[from + (c % 3) * plane + i]! * 3) / channels;
      }
    }
  }
  return tensor([out, channels, height, width], result);
}
