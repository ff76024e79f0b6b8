/** Errors reported by the paper and the re-implementations, in percent; single crop of 224 on ImageNet unless noted. */

import type { Port, Published } from "./family.ts";

const albanie = "albanie/mcnSENets";
/** The released weights in MatConvNet, from albanie's README. */
const byAlbanie: Readonly<Record<string, readonly [paper: string, reached?: string]>> = {
  "se-bn-inception": ["SE-BN-Inception", "24.16 % top-1, 7.35 % top-5"],
  "se-resnet-50": ["SE-ResNet-50", "22.30 % top-1, 6.30 % top-5"],
  "se-resnet-101": ["SE-ResNet-101", "21.59 % top-1, 5.81 % top-5"],
  "se-resnet-152": ["SE-ResNet-152", "21.38 % top-1, 5.60 % top-5"],
  "se-resnext-50": ["SE-ResNeXt-50", "21.01 % top-1, 5.58 % top-5"],
  "se-resnext-101": ["SE-ResNeXt-101", "19.73 % top-1, 4.98 % top-5"],
  "senet-154": ["SENet-154", "18.67 % top-1, 4.50 % top-5"],
  // No figure is given.
  "shicai-se-resnet-50": ["SE-ResNet-50"],
};

/** Re-implementations that provide weights of a zoo network in another program's files. */
export function importsOf(name: string): readonly Port[] {
  const found = Object.hasOwn(byAlbanie, name) ? byAlbanie[name] : undefined;
  if (found === undefined) return [];
  const [paper, reached] = found;
  return [{ source: albanie, paper, ...(reached !== undefined && { reached: `${reached} error (its README)` }) }];
}

type Errors = Pick<Published, "top1Error"> & Partial<Published>;

/** The paper's own results, arXiv 1709.01507; plain networks are its re-implementations. */
const onImagenet: Readonly<Record<string, Errors>> = {
  "ResNet-50": { top1Error: 24.8, top5Error: 7.48 },
  "ResNet-101": { top1Error: 23.17, top5Error: 6.52 },
  "ResNet-152": { top1Error: 22.42, top5Error: 6.34 },
  "ResNeXt-50": { top1Error: 22.11, top5Error: 5.9 },
  "ResNeXt-101": { top1Error: 21.18, top5Error: 5.57 },
  "SE-ResNet-50": { top1Error: 23.29, top5Error: 6.62 },
  "SE-ResNet-101": { top1Error: 22.38, top5Error: 6.07 },
  "SE-ResNet-152": { top1Error: 21.57, top5Error: 5.73 },
  "SE-ResNeXt-50": { top1Error: 21.1, top5Error: 5.49 },
  "SE-ResNeXt-101": { top1Error: 20.7, top5Error: 5.01 },
  "SE-BN-Inception": { top1Error: 24.23, top5Error: 7.14 },
  // At 299 pixels.
  "SE-Inception-ResNet-v2": { top1Error: 19.8, top5Error: 4.79 },
  "SENet-154": { top1Error: 18.68, top5Error: 4.47 },
};

const onCifar10: Readonly<Record<string, Errors>> = {
  "ResNet-110": { top1Error: 6.37 },
  "ResNet-164": { top1Error: 5.46 },
  "SE-ResNet-110": { top1Error: 5.21 },
  "SE-ResNet-164": { top1Error: 4.39 },
};

/** The paper's errors for a port's network, if it has that network on such pictures. */
export function paperErrors({ paper }: Pick<Port, "paper">, classes: number): Errors | undefined {
  const [name = ""] = paper.split(/,| for /);
  const table = classes === 1000 ? onImagenet : onCifar10;
  return Object.hasOwn(table, name) ? table[name] : undefined;
}
