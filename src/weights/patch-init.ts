/**
 * Initialises the first convolution from image patches. Neighbouring pixels are so similar that random filters all see
 * about the same, the patch's mean brightness; filters along the principal directions of patches, scaled to equal
 * deviation, see different things from the first step. As in Page, "How to train your ResNet", part 8 (2019), and
 * Jordan, arXiv 2404.00498, section 3.2, except that the filters are trained. For the gain, see docs/log.md.
 */

import type { Graph, Parameter } from "../ir/graph.ts";
import type { Tensor } from "../tensor.ts";
import { principalDirections } from "./principal.ts";

/** Number of pictures for the covariance of patches. */
export const patchPictures = 512;
/** Patches are taken on a grid with this many rows and columns. */
const grid = 20;

/** The weight `[O, C, KH, KW]` of the convolution that takes the pictures; `undefined` if there is none. */
export function firstConvolution(graph: Graph): Parameter | undefined {
  const pictures = new Set(graph.inputs);
  const node = graph.nodes.find(({ op, inputs }) => op === "conv2d" && pictures.has(inputs[0]!));
  return graph.parameters.find((parameter) => parameter === node?.inputs[1]);
}

/** Statistics of patches of the kernel's size. */
export class PatchStatistics {
  readonly #kernel: readonly [height: number, width: number];
  readonly #sums: Float64Array;
  /** Sums of products, upper triangle. */
  readonly #products: Float64Array;
  readonly #offsets: Int32Array;
  #patches = 0;
  #pictures = 0;

  /** @param shape the convolution's weight shape, `[O, C, KH, KW]` */
  constructor(shape: readonly number[]) {
    const [, channels = 0, height = 0, width = 0] = shape;
    this.#kernel = [height, width];
    const size = channels * height * width;
    this.#offsets = new Int32Array(size);
    this.#sums = new Float64Array(size);
    this.#products = new Float64Array(size * size);
  }

  get pictures(): number {
    return this.#pictures;
  }

  /** @param images `[N, C, H, W]`, pre-processed for the network */
  add({ shape, data }: Tensor): void {
    const [count = 0, channels = 0, height = 0, width = 0] = shape;
    const [kernelHeight, kernelWidth] = this.#kernel;
    let i = 0;
    for (let c = 0; c < channels; c++) {
      for (let y = 0; y < kernelHeight; y++) {
        for (let x = 0; x < kernelWidth; x++) this.#offsets[i++] = (c * height + y) * width + x;
      }
    }
    const [rows, columns] = [height - kernelHeight + 1, width - kernelWidth + 1];
    if (rows < 1 || columns < 1) return;
    for (let n = 0; n < count; n++) {
      for (const y of spread(rows)) {
        for (const x of spread(columns)) this.#addPatch(data, (n * channels * height + y) * width + x);
      }
    }
    this.#pictures += count;
  }

  #addPatch(data: Tensor["data"], start: number): void {
    const size = this.#offsets.length;
    const [sums, products, offsets] = [this.#sums, this.#products, this.#offsets];
    for (let i = 0; i < size; i++) {
      const value = data[start + offsets[i]!]!;
      sums[i]! += value;
      for (let j = i; j < size; j++) products[i * size + j]! += value * data[start + offsets[j]!]!;
    }
    this.#patches++;
  }

  /** `[size, size]` */
  get covariance(): Float64Array {
    const size = this.#sums.length;
    const means = this.#sums.map((sum) => sum / this.#patches);
    const result = new Float64Array(size * size);
    for (let i = 0; i < size; i++) {
      for (let j = i; j < size; j++) {
        const value = this.#products[i * size + j]! / this.#patches - means[i]! * means[j]!;
        result[i * size + j] = value;
        result[j * size + i] = value;
      }
    }
    return result;
  }
}

/** Grid positions, spread evenly over `length`. */
const spread = (length: number): readonly number[] =>
  length <= grid
    ? Array.from({ length }, (_, i) => i)
    : Array.from({ length: grid }, (_, i) => Math.floor((i * length) / grid));

/** Directions with less than this share of the variance are noise. */
const leastPart = 1e-5;

/**
 * Sets the first filters of a fresh weight: one for each of the largest directions and one for its negative, since ReLU
 * only passes one side. Further filters keep their random values.
 * @param weight `[O, C, KH, KW]`, the shape that `statistics` was created for
 */
export function setPatchFilters({ shape, data }: Tensor, statistics: PatchStatistics): void {
  const out = shape[0]!;
  const size = data.length / out;
  const { values, directions } = principalDirections(statistics.covariance, size);
  const least = leastPart * values.reduce((sum, value) => sum + value, 0);
  const used = Math.min(Math.floor(out / 2), values.filter((value) => value > least).length);
  for (let i = 0; i < used; i++) {
    // The output deviation of He et al.'s filters on pictures of deviation 1: 2 / fan-in for each of fan-in values.
    const scale = Math.sqrt(2 / values[i]!);
    for (let j = 0; j < size; j++) {
      const value = scale * directions[i * size + j]!;
      data[i * size + j] = value;
      data[(used + i) * size + j] = -value;
    }
  }
}
