/**
 * Networks released by others with unusual pre-processing, which can only be recognised by the file's name or hash.
 * After timm's models/resnet.py and models/senet.py, and torchvision's transforms.
 */

import { SenetError } from "../errors.ts";
import { imagenetPreprocessing, type Preprocessing } from "../images/preprocess.ts";

/** A released file. */
export interface Release {
  /** timm's name and tag, or torchvision's. */
  readonly name: string;
  readonly preprocessing: Preprocessing;
}

const bicubic = (crop: number, cropPart: number): Preprocessing => ({
  ...imagenetPreprocessing,
  interpolation: "bicubic",
  resize: Math.floor(crop / cropPart),
  crop,
});

const timms = bicubic(224, 0.875);
/** "ResNet strikes back": recipes A1 and A2, and A3, which trained on small pictures. */
const a1 = bicubic(224, 0.95);
const a3 = bicubic(160, 0.95);
/** torchvision's V2 weights. */
const v2: Preprocessing = { ...imagenetPreprocessing, resize: 232 };

/**
 * By architecture: timm's tag, the first digits of its first published file's hash (which are in its name), and the
 * pre-processing.
 */
const releases: Readonly<Record<string, readonly (readonly [tag: string, hash: string, wants: Preprocessing])[]>> = {
  legacy_seresnet18: [["in1k", "4bb0ce65", timms]],
  seresnet50: [
    ["a1_in1k", "ffa00869", a1],
    ["a2_in1k", "850de0d9", a1],
    ["a3_in1k", "317ecd56", a3],
  ],
  resnet18: [
    ["a1_in1k", "d63eafa0", a1],
    ["a2_in1k", "b61bd467", a1],
    ["a3_in1k", "40c531c8", a3],
    ["gluon_in1k", "0757602b", timms],
  ],
  resnet34: [
    ["a1_in1k", "46f8f793", a1],
    ["a2_in1k", "82d47d71", a1],
    ["a3_in1k", "a20cabb6", a3],
    ["bt_in1k", "43635321", timms],
    ["gluon_in1k", "c6d82d59", timms],
  ],
  resnet50: [
    ["a1_in1k", "14fe96d1", a1],
    ["a1h_in1k", "001a1197", bicubic(176, 0.9)],
    ["a2_in1k", "a2746f79", a1],
    ["a3_in1k", "59cae1ef", a3],
    ["b1k_in1k", "532a802a", a1],
    ["b2k_in1k", "1ba180c1", a1],
    ["c1_in1k", "5ba5e060", a1],
    ["c2_in1k", "d01e05b2", a1],
    ["d_in1k", "f39db8af", a1],
    ["ram_in1k", "a26f946b", timms],
    ["am_in1k", "6c502b37", timms],
    ["ra_in1k", "85ebb6e5", timms],
    ["bt_in1k", "86acaeed", timms],
    ["gluon_in1k", "0ebe02e2", timms],
    ["tv2_in1k", "11ad3fa6", v2],
  ],
  resnet101: [
    ["a1h_in1k", "36d3f2aa", a1],
    ["a1_in1k", "cdcb52a9", a1],
    ["a2_in1k", "6edb36c7", a1],
    ["a3_in1k", "1db14157", a3],
    ["gluon_in1k", "3b017079", timms],
    ["tv2_in1k", "cd907fc2", v2],
  ],
  resnet152: [
    ["a1h_in1k", "dc400468", a1],
    ["a1_in1k", "2eee8a7a", a1],
    ["a2_in1k", "b4c6978f", a1],
    ["a3_in1k", "134d4688", a3],
    ["gluon_in1k", "c1edb0dd", timms],
    ["tv2_in1k", "f82ba261", v2],
  ],
  resnext50_32x4d: [
    ["a1h_in1k", "0146ab0a", a1],
    ["a1_in1k", "b5a91a1d", a1],
    ["a2_in1k", "efc76add", a1],
    ["a3_in1k", "3e450271", a3],
    ["ra_in1k", "d733960d", timms],
    ["gluon_in1k", "e6a097c1", timms],
    ["tv2_in1k", "1a0047aa", v2],
  ],
  resnext101_32x4d: [["gluon_in1k", "b253c8c4", timms]],
};

/** The zoo's network for each timm architecture. */
const zooNames: Readonly<Record<string, string>> = {
  legacy_seresnet18: "se-resnet-18",
  seresnet50: "se-resnet-50-modern",
  resnet18: "resnet-18",
  resnet34: "resnet-34",
  resnet50: "resnet-50-modern",
  resnet101: "resnet-101-modern",
  resnet152: "resnet-152-modern",
  resnext50_32x4d: "resnext-50",
  resnext101_32x4d: "resnext-101",
};

/**
 * Identifies a release by its path (`seresnet50_a1_0-ffa00869.pth`, `timm/seresnet50.a1_in1k/model.safetensors`) or
 * hash.
 * @param model name of the recognised network
 * @param hash computes the SHA-256 of its bytes in hexadecimal; only called if the path is not conclusive
 */
export async function releaseOf(
  path: string,
  model: string,
  hash: () => Promise<string>,
): Promise<Release | undefined> {
  const known = Object.entries(releases)
    .filter(([architecture]) => `${model}-`.startsWith(`${zooNames[architecture]}-`))
    .flatMap(([architecture, all]) =>
      all.map(([tag, start, preprocessing]) => ({ name: `${architecture}.${tag}`, start, preprocessing })),
    );
  if (known.length === 0) return undefined;
  const parts = path.split(/[/\\]/).slice(-5);
  const file = parts.at(-1)!;
  const names = parts.map(
    (part) =>
      part
        .replace(/^models--/, "")
        .split("--")
        .at(-1)!,
  );
  const byPath = known.find(
    ({ name, start }) =>
      file.includes(`-${start}`) || names.some((part) => part === name || part.startsWith(`${name}.`)),
  );
  // Another hash in the name means that it is none of these.
  if (byPath !== undefined || /-[0-9a-f]{8,64}\.\w+$/.test(file)) return byPath;
  const whole = await hash();
  return known.find(({ start }) => whole.startsWith(start));
}

/**
 * Refuses timm's networks with anti-aliasing, whose tensors look like those of networks without.
 * @param name an architecture or file name
 * @throws SenetError `weights` for one of them
 */
export function checkArchitecture(name: string, where: string): void {
  const found = /(?:^|[^a-z0-9])((?:se|eca)?resne(?:t|xt)(?:aa|blur)\d+\w*)/.exec(name)?.[1];
  if (found === undefined) return;
  throw new SenetError("weights", "this network smooths its pictures before subsampling, which is not supported here", {
    where,
    expected: "a network without blur or average pooling in its blocks",
    found,
    hint: "export it as ONNX where it was trained",
  });
}
