/**
 * The ports' Inceptions as data: parallel branches, each a list of layers. `3x3 96` is a convolution that keeps the
 * size; `3x3/1 96` and `3x3/2 96` are without padding, with stride 1 and 2; `max` is 3×3 pooling with stride 2; `mean`
 * is 3×3 pooling that keeps the size. A list within a branch means parallel convolutions.
 */

export type Layer = "max" | "mean" | `${number}x${number}${"" | "/1" | "/2"} ${number}`;
export type Branch = readonly (Layer | readonly Layer[])[];

export interface InceptionModule {
  readonly name: string;
  readonly times: number;
  readonly branches: readonly Branch[];
  /** The joined branches go through a 1×1 convolution, are scaled by 0.1 and added to the input. */
  readonly residual?: true;
  /** Whether the module has squeeze and excitation. */
  readonly se: boolean;
}

export interface InceptionForm {
  /** Padding of the first convolution, on all sides. */
  readonly pad: number;
  /** Whether a branch's last convolution has a ReLU, before the batch norm and ReLU of the joined branches. */
  readonly endsInRelu: boolean;
  /** Whether each convolution has its own batch norm and ReLU and no bias; the joined branches then have none. */
  readonly normed?: true;
  /** Whether `mean` counts padding. */
  readonly countPad: boolean;
  readonly stem: readonly (readonly Branch[])[];
  readonly modules: readonly InceptionModule[];
}

const stemStart: readonly (readonly Branch[])[] = [
  [["3x3/2 32", "3x3/1 32", "3x3 64"]],
  [["max"], ["3x3/2 96"]],
  [
    ["1x1 64", "3x3/1 96"],
    ["1x1 64", "7x1 64", "1x7 64", "3x3/1 96"],
  ],
];

const v4a: readonly Branch[] = [["mean", "1x1 96"], ["1x1 96"], ["1x1 64", "3x3 96"], ["1x1 64", "3x3 96", "3x3 96"]];
/** taki0112's code has the same kernel twice, by mistake. */
const v4b = (last: Layer): readonly Branch[] => [
  ["mean", "1x1 128"],
  ["1x1 384"],
  ["1x1 192", "1x7 224", last],
  ["1x1 192", "1x7 192", "7x1 224", "1x7 224", "7x1 256"],
];
const v4c = (first: readonly Layer[], third: Layer, fourth: Layer): readonly Branch[] => [
  ["mean", "1x1 256"],
  ["1x1 256"],
  ["1x1 384", first],
  ["1x1 384", third, fourth, ["3x1 256", "1x3 256"]],
];
const reduceA: readonly Branch[] = [["max"], ["3x3/2 384"], ["1x1 256", "3x3 256", "3x3/2 384"]];
const reduceB = (second: Layer): readonly Branch[] => [
  ["max"],
  ["1x1 256", second],
  ["1x1 256", "3x3/2 288"],
  ["1x1 256", "3x3 288", "3x3/2 320"],
];

const residuals = (reductionSe: boolean): readonly InceptionModule[] => [
  {
    name: "a",
    times: 5,
    residual: true,
    se: true,
    branches: [["1x1 32"], ["1x1 32", "3x3 32"], ["1x1 32", "3x3 48", "3x3 64"]],
  },
  { name: "reduce_a", times: 1, branches: reduceA, se: reductionSe },
  {
    name: "b",
    times: 10,
    residual: true,
    se: true,
    branches: [["1x1 192"], ["1x1 128", "1x7 160", "7x1 192"]],
  },
  { name: "reduce_b", times: 1, branches: reduceB("3x3/2 384"), se: reductionSe },
  {
    name: "c",
    times: 5,
    residual: true,
    se: true,
    branches: [["1x1 192"], ["1x1 192", "1x3 224", "3x1 256"]],
  },
];

const taki = {
  pad: 32,
  endsInRelu: true,
  countPad: false,
  stem: [...stemStart, [["3x3/2 192"], ["max"]]],
} as const;
const bruinxiong = {
  pad: 0,
  endsInRelu: false,
  countPad: true,
  stem: [...stemStart, [["max"], ["3x3/2 192"]]],
} as const;

// --- Inception-v3 (Szegedy et al., arXiv 1512.00567), as torchvision has it ---

const v3a = (pooled: number): readonly Branch[] => [
  ["1x1 64"],
  ["1x1 48", "5x5 64"],
  ["1x1 64", "3x3 96", "3x3 96"],
  ["mean", `1x1 ${pooled}`],
];
const v3b = (width: number): readonly Branch[] => [
  ["1x1 192"],
  [`1x1 ${width}`, `1x7 ${width}`, "7x1 192"],
  [`1x1 ${width}`, `7x1 ${width}`, `1x7 ${width}`, `7x1 ${width}`, "1x7 192"],
  ["mean", "1x1 192"],
];
const v3c: readonly Branch[] = [
  ["1x1 320"],
  ["1x1 384", ["1x3 384", "3x1 384"]],
  ["1x1 448", "3x3 384", ["1x3 384", "3x1 384"]],
  ["mean", "1x1 192"],
];
const once = (name: string, branches: readonly Branch[]): InceptionModule => ({ name, times: 1, branches, se: false });

export const inceptionForms = {
  "taki0112-v4": {
    ...taki,
    modules: [
      { name: "a", times: 4, branches: v4a, se: true },
      // Both reductions are those of Inception-ResNet-v2.
      { name: "reduce_a", times: 1, branches: reduceA, se: false },
      { name: "b", times: 7, branches: v4b("1x7 256"), se: true },
      { name: "reduce_b", times: 1, branches: reduceB("3x3/2 384"), se: false },
      { name: "c", times: 3, branches: v4c(["1x3 256", "3x1 256"], "1x3 448", "3x1 512"), se: true },
    ],
  },
  "taki0112-resnet-v2": { ...taki, modules: residuals(true) },
  "bruinxiong-v4": {
    ...bruinxiong,
    modules: [
      { name: "a", times: 4, branches: v4a, se: true },
      {
        name: "reduce_a",
        times: 1,
        se: false,
        branches: [["max"], ["3x3/2 384"], ["1x1 192", "3x3 224", "3x3/2 256"]],
      },
      { name: "b", times: 7, branches: v4b("7x1 256"), se: true },
      {
        name: "reduce_b",
        times: 1,
        se: false,
        branches: [["max"], ["1x1 192", "3x3/2 192"], ["1x1 256", "1x7 256", "7x1 320", "3x3/2 320"]],
      },
      { name: "c", times: 3, branches: v4c(["3x1 256", "1x3 256"], "1x3 448", "3x1 512"), se: true },
    ],
  },
  "moskomule-v3": {
    pad: 0,
    endsInRelu: true,
    normed: true,
    countPad: true,
    stem: [[["3x3/2 32", "3x3/1 32", "3x3 64", "max", "1x1 80", "3x3/1 192", "max"]]],
    modules: [
      ...[32, 64, 64].map((pooled, i) => once(`a${i + 1}`, v3a(pooled))),
      once("reduce_a", [["3x3/2 384"], ["1x1 64", "3x3 96", "3x3/2 96"], ["max"]]),
      ...[128, 160, 160, 192].map((width, i) => once(`b${i + 1}`, v3b(width))),
      once("reduce_b", [["1x1 192", "3x3/2 320"], ["1x1 192", "1x7 192", "7x1 192", "3x3/2 192"], ["max"]]),
      once("c1", v3c),
      once("c2", v3c),
    ],
  },
  "bruinxiong-resnet-v2": { ...bruinxiong, modules: residuals(false) },
} as const satisfies Record<string, InceptionForm>;
