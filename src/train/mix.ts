/**
 * Mixes pairs of pictures of a batch: mixup (Zhang et al., arXiv 1710.09412) and CutMix (Yun et al., arXiv 1905.04899),
 * as timm does.
 */

import type { Box } from "../images/resize.ts";
import { createRandom, logarithm, type Random } from "../random.ts";
import type { Tensor } from "../tensor.ts";
import type { TrainingConfig } from "./config.ts";
import type { TrainingBatch } from "./loop.ts";
import { hardTargets } from "./targets.ts";

export type MixConfig = Pick<TrainingConfig, "mixup" | "cutmix" | "mixupProb" | "mixupSwitchProb" | "mixupOffEpoch">;

/** How a batch is mixed with the same batch in reverse order. */
export interface Mix {
  /** The share that a picture keeps. */
  readonly share: number;
  /** The box that the other picture fills; without it both are blended everywhere. */
  readonly box?: Box;
}

/** Second key of these draws; keeps them apart from those of the loader, of dropout and of initial weights. */
const stream = 0x6d6978;

/** Whether any batch of this epoch may be mixed. */
export const isMixed = ({ mixup, cutmix, mixupProb, mixupOffEpoch }: MixConfig, epoch: number): boolean =>
  (mixup > 0 || cutmix > 0) && mixupProb > 0 && (mixupOffEpoch === 0 || epoch < mixupOffEpoch);

/** How a run mixes batch `index` of an epoch; `undefined`: not at all. */
export const drawnMix = (
  config: MixConfig & Pick<TrainingConfig, "seed">,
  size: number,
  epoch: number,
  index: number,
): Mix | undefined =>
  isMixed(config, epoch) ? drawMix(config, size, createRandom(config.seed, stream, epoch, index)) : undefined;

/** Draws how to mix a batch of pictures `size` pixels wide; `undefined`: not at all. */
export function drawMix(config: MixConfig, size: number, random: Random): Mix | undefined {
  const { mixup, cutmix } = config;
  if (random.uniform() >= config.mixupProb) return undefined;
  const isCut = cutmix > 0 && (mixup === 0 || random.uniform() < config.mixupSwitchProb);
  const share = beta(isCut ? cutmix : mixup, random);
  if (!isCut) return { share };
  // A square whose area is the other picture's share, with its centre anywhere. What overhangs is cut off, and the
  // share adjusted.
  const side = Math.trunc(size * Math.sqrt(1 - share));
  const span = (middle: number) => {
    const start = Math.max(0, middle - Math.floor(side / 2));
    return { start, length: Math.min(size, middle + Math.floor(side / 2)) - start };
  };
  const rows = span(random.below(size));
  const columns = span(random.below(size));
  const box = { left: columns.start, top: rows.start, width: columns.length, height: rows.length };
  return { share: 1 - (box.width * box.height) / (size * size), box };
}

/** Draws from the Beta(α, α) distribution. */
export function beta(alpha: number, random: Random): number {
  const a = gamma(alpha, random);
  const b = gamma(alpha, random);
  // Both can underflow to 0 if α is tiny; the share is then 0 or 1.
  return a + b > 0 ? a / (a + b) : random.below(2);
}

/** Marsaglia and Tsang, "A simple method for generating gamma variables" (2000). */
function gamma(alpha: number, random: Random): number {
  if (alpha < 1) return gamma(alpha + 1, random) * Math.exp(logarithm(1 - random.uniform()) / alpha);
  const d = alpha - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = random.normal();
    const v = (1 + c * x) ** 3;
    if (v > 0 && logarithm(1 - random.uniform()) < 0.5 * x * x + d * (1 - v + logarithm(v))) return d * v;
  }
}

/** Mixes `images [N,planes,S,S]` in place with themselves in reverse order; equal to PyTorch to the last bit. */
export function mixImages({ shape, data }: Tensor, { share, box }: Mix): void {
  const [count, planes, size] = shape as [number, number, number, number];
  const length = planes * size * size;
  const own = Math.fround(share);
  const others = Math.fround(1 - share);
  const mixRow = (a: number, b: number, width: number) => {
    for (let x = 0; x < width; x++) {
      const [first, second] = [data[a + x]!, data[b + x]!];
      data[a + x] = Math.fround(first * own) + Math.fround(second * others);
      data[b + x] = Math.fround(second * own) + Math.fround(first * others);
    }
  };
  const swapRow = (a: number, b: number, width: number) => {
    for (let x = 0; x < width; x++) {
      const first = data[a + x]!;
      data[a + x] = data[b + x]!;
      data[b + x] = first;
    }
  };
  for (let i = 0; 2 * i < count - 1; i++) {
    const a = i * length;
    const b = (count - 1 - i) * length;
    if (box === undefined) {
      mixRow(a, b, length);
      continue;
    }
    for (let plane = 0; plane < planes; plane++) {
      for (let y = box.top; y < box.top + box.height; y++) {
        const start = (plane * size + y) * size + box.left;
        swapRow(a + start, b + start, box.width);
      }
    }
  }
}

/** The targets of a mixed batch, `[N,classes]`: the picture's own class by its share, its partner's by the rest. */
export function mixTargets(labels: Tensor, classes: number, smoothing: number, { share }: Mix): Tensor {
  const count = labels.data.length;
  const targets = hardTargets(labels, { dtype: "float32", shape: [count, classes] }, smoothing);
  const { data } = targets;
  const own = Math.fround(share);
  const others = Math.fround(1 - share);
  // The middle picture of an odd batch is its own partner.
  for (let i = 0; 2 * i < count - 1; i++) {
    for (let k = 0; k < classes; k++) {
      const a = i * classes + k;
      const b = (count - 1 - i) * classes + k;
      const [first, second] = [data[a]!, data[b]!];
      data[a] = Math.fround(first * own) + Math.fround(second * others);
      data[b] = Math.fround(second * own) + Math.fround(first * others);
    }
  }
  return targets;
}

/**
 * Mixes the batches of an epoch; a pure function of the seed, the epoch and a batch's number in it.
 * @param start the number of the first batch
 */
export async function* mixed(
  batches: AsyncIterable<TrainingBatch>,
  config: MixConfig & Pick<TrainingConfig, "seed" | "labelSmoothing">,
  { epoch, start, classes }: { readonly epoch: number; readonly start: number; readonly classes: number },
): AsyncGenerator<TrainingBatch, void, undefined> {
  let index = start;
  for await (const { images, labels } of batches) {
    const mix = drawnMix(config, images.shape[2]!, epoch, index++);
    if (mix === undefined) yield { images, labels };
    else {
      mixImages(images, mix);
      yield { images, labels: mixTargets(labels, classes, config.labelSmoothing, mix) };
    }
  }
}
