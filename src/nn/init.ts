/** Initialisation of weights: a rule for each kind of layer, depending on its weight's fans. */

import type { Initial } from "../ir/graph.ts";

/** The kind of a layer; `gate` means the two layers of squeeze and excitation. */
export type Part = "conv" | "gate" | "classifier";

export interface Fans {
  /** Fan-in and fan-out, including the kernel's positions. */
  readonly in: number;
  readonly out: number;
}

type Rule = (fans: Fans) => Initial;

const he: Rule = (fans) => ({ kind: "normal", deviation: Math.sqrt(2 / fans.in) });
const heOut: Rule = (fans) => ({ kind: "normal", deviation: Math.sqrt(2 / fans.out) });
/** TensorFlow's variance_scaling before 1.13. */
const cutHe: Rule = (fans) => ({ kind: "cutNormal", deviation: Math.sqrt(2 / fans.in) });
const cutHeOut: Rule = (fans) => ({ kind: "cutNormal", deviation: Math.sqrt(2 / fans.out) });
/** Glorot and Bengio (2010), equation 16. */
const glorot: Rule = (fans) => ({ kind: "uniform", bound: Math.sqrt(6 / (fans.in + fans.out)) });
/** As PyTorch's Linear, except that biases start at 0 here. */
const torchLinear: Rule = (fans) => ({ kind: "uniform", bound: 1 / Math.sqrt(fans.in) });
const orthonormal: Rule = (fans) => ({ kind: "orthonormal", deviation: Math.sqrt(2 / fans.in) });
const hundredth: Rule = () => ({ kind: "normal", deviation: 0.01 });
const all = (rule: Rule) => ({ conv: rule, gate: rule, classifier: rule });

const rules = {
  /** "msra" in Caffe, which the authors used (docs/networks.md, 3.1). */
  he: { conv: he, gate: he, classifier: hundredth },
  /** bruinxiong: MXNet's Xavier with a gaussian, factor "in" and magnitude 2. */
  "he everywhere": all(he),
  tensorpack: { conv: cutHeOut, gate: cutHe, classifier: hundredth },
  /** moskomule's ResNets; those for CIFAR are by fan-in. */
  "he by fan-out": { conv: heOut, gate: torchLinear, classifier: torchLinear },
  "he by fan-in": { conv: he, gate: torchLinear, classifier: torchLinear },
  glorot: all(glorot),
  orthonormal: all(orthonormal),
} satisfies Record<string, Record<Part, Rule>>;

export type Initialisation = keyof typeof rules;
export const initialisations = Object.keys(rules) as [Initialisation, ...Initialisation[]];

export const initialOf = (name: Initialisation, part: Part, fans: Fans): Initial => rules[name][part](fans);
