/**
 * Downloadable weight files as data (docs/networks.md, 6): addresses, and how to check them. Ports whose released files
 * cannot be read here (tensorpack, MatConvNet, MXNet) are left out.
 */

import type { WeightFormat } from "../formats/formats.ts";

export interface Hash {
  readonly algorithm: "sha256" | "sha384";
  /** The hash or its beginning: PyTorch's file names contain the first eight digits. */
  readonly hex: string;
}

export interface KnownFile {
  /** File name in the cache and on mirrors. */
  readonly file: string;
  /** Tried in this order. */
  readonly addresses: readonly string[];
  /** Undefined if unknown. */
  readonly bytes?: number;
  /** Undefined if unknown; then only the format can be checked. */
  readonly hash?: Hash;
  readonly format: WeightFormat;
  /** The author of these weights. */
  readonly source: string;
  readonly licence: string;
}

const sha256 = (hex: string): { hash: Hash } => ({ hash: { algorithm: "sha256", hex } });
const sha384 = (hex: string): { hash: Hash } => ({ hash: { algorithm: "sha384", hex } });

const intel = "https://storage.openvinotoolkit.org/repositories/open_model_zoo/public/2021.4/";
/** The address behind Google Drive's confirmation page for files too large for its virus scanner. */
const drive = (id: string) => `https://drive.usercontent.google.com/download?id=${id}&export=download&confirm=t`;
const timmReleases = "https://github.com/rwightman/pytorch-image-models/releases/download/";
const gluonReleases = "https://github.com/rwightman/pytorch-pretrained-gluonresnet/releases/download/v0.1/";

/** A file of the authors: from Intel's mirror first, if it has the file, since Drive limits downloads. */
function released(file: string, driveId: string, mirror?: string): KnownFile {
  return {
    file: `${file}.caffemodel`,
    addresses: [...(mirror === undefined ? [] : [`${intel}${mirror}/${file}.caffemodel`]), drive(driveId)],
    format: "caffemodel",
    source: "hujie-frank/SENet",
    licence: "Apache-2.0",
  };
}

/** A PyTorch file whose name ends with the first digits of its hash. */
function torchFile(name: string, hex: string, folders: readonly string[], source: string, licence: string): KnownFile {
  const file = `${name}-${hex}.pth`;
  return {
    file,
    addresses: folders.map((folder) => `${folder}${file}`),
    ...sha256(hex),
    format: "torch",
    source,
    licence,
  };
}

/** timm kept the first three unchanged and re-saved the others (see `timmLegacy`). */
function cadene(name: string, hex: string, bytes: number, alsoAtTimm: boolean): KnownFile {
  const folders = ["https://data.lip6.fr/cadene/pretrainedmodels/"];
  if (alsoAtTimm) folders.unshift(`${timmReleases}v0.1-cadene/`);
  return { ...torchFile(name, hex, folders, "Cadene/pretrained-models.pytorch", "BSD-3-Clause"), bytes };
}

const timmLegacy = (name: string, hex: string) =>
  torchFile(name, hex, [`${timmReleases}v0.1-weights/`], "timm (legacy)", "Apache-2.0");

const gluon = (name: string, hex: string) =>
  torchFile(`gluon_${name}`, hex, [gluonReleases], "rwightman/pytorch-pretrained-gluonresnet", "not stated");

const timm = (repository: string): KnownFile => ({
  file: `${repository}.safetensors`,
  addresses: [`https://huggingface.co/timm/${repository}/resolve/main/model.safetensors`],
  format: "safetensors",
  source: `timm/${repository}`,
  licence: "Apache-2.0",
});

/** Plain names are the authors' own files; a suffix after the dot names the port. */
export const knownFiles: ReadonlyMap<string, KnownFile> = new Map<string, KnownFile>([
  [
    "se-bn-inception",
    {
      ...released("SE-BN-Inception", "0BwHV3BlNKkWlTWRRbDZYbVB2WWc", "se-inception"),
      ...sha256("0660aa2b867f7353794d3ac02081d9178ac0709e8d8d75c29290dba4bc10ce03"),
    },
  ],
  [
    "se-resnet-50",
    {
      ...released("SE-ResNet-50", "0BwHV3BlNKkWlS2QwZHFzM3RjNzg", "se-resnet-50"),
      ...sha256("72880fde3bd29b324bb302c80f49a098b8970597494c56525fd410a8d2ed5993"),
    },
  ],
  [
    "se-resnet-101",
    {
      ...released("SE-ResNet-101", "0BwHV3BlNKkWlTEg4YmcwQ0FoZFU", "se-resnet-101"),
      ...sha256("09777ce1202087954ee34ae2566cf611d03d2d8195ced0fe51b612ebf951d729"),
    },
  ],
  [
    "se-resnet-152",
    {
      ...released("SE-ResNet-152", "0BwHV3BlNKkWlcFE0Q2NTcWl3WUE", "se-resnet-152"),
      ...sha256("bbe7fc5b5068b7cd4b12ce1bb78f61bd3f48238a372e70ab9c0724afa778e5d1"),
    },
  ],
  [
    "se-resnext-50",
    {
      ...released("SE-ResNeXt-50", "0BwHV3BlNKkWlQ2Z0Q204V1RITjA", "se-resnext-50"),
      ...sha384("cbc0b1da5a2a21ba1398fa1e79b143f637c5dc0248262ab6cf936ef783a3a1cd23943bf5f19f03f19000d7e7d3baf700"),
    },
  ],
  [
    "se-resnext-101",
    {
      ...released("SE-ResNeXt-101", "0BwHV3BlNKkWleklsNzBiZlprblk", "se-resnext-101"),
      ...sha256("78dc95c9b768fdb32a0a3981a686edaf655df82973b051d818bae523c9a93c90"),
    },
  ],
  ["senet-154", released("SENet-154", "0BwHV3BlNKkWlbTFZbzFTSXBUTUE")],

  ["se-resnet-50.cadene", cadene("se_resnet50", "ce0d4300", 112_611_220, true)],
  ["se-resnet-101.cadene", cadene("se_resnet101", "7e38fcc6", 197_822_624, true)],
  ["se-resnet-152.cadene", cadene("se_resnet152", "d17c99b7", 268_033_864, true)],
  ["se-resnext-50.cadene", cadene("se_resnext50_32x4d", "a260b3a4", 110_559_176, false)],
  ["se-resnext-101.cadene", cadene("se_resnext101_32x4d", "3b2fe3d8", 196_466_866, false)],
  ["senet-154.cadene", cadene("senet154", "c7b49a05", 461_488_402, false)],

  ["se-resnet-18.timm-legacy", timmLegacy("seresnet18", "4bb0ce65")],
  ["se-resnet-34.timm-legacy", timmLegacy("seresnet34", "a4004e63")],
  ["se-resnext-50.timm-legacy", timmLegacy("legacy_se_resnext50_32x4d", "f3651bad")],
  ["se-resnext-101.timm-legacy", timmLegacy("legacy_se_resnext101_32x4d", "37725eac")],
  ["senet-154.timm-legacy", timmLegacy("legacy_senet154", "e9eb9fe6")],

  ["se-resnet-50.timm-a1", timm("seresnet50.a1_in1k")],
  [
    "se-resnet-50.timm-a2",
    {
      ...timm("seresnet50.a2_in1k"),
      ...sha256("ff82ee22e5b6c607fd984f63b83a9a8b55787b2703c4683a5cd51297d27e9460"),
    },
  ],
  ["se-resnet-50.timm-a3", timm("seresnet50.a3_in1k")],
  ["se-resnet-50.timm-ra2", timm("seresnet50.ra2_in1k")],
  ["se-resnext-50.timm-racm", timm("seresnext50_32x4d.racm_in1k")],
  ["se-resnext-50.timm-gluon", timm("seresnext50_32x4d.gluon_in1k")],
  ["se-resnext-101.timm-gluon", timm("seresnext101_32x4d.gluon_in1k")],
  ["senet-154.timm-gluon", timm("senet154.gluon_in1k")],

  ["se-resnext-50.gluon", gluon("seresnext50_32x4d", "90cf2d6e")],
  ["se-resnext-101.gluon", gluon("seresnext101_32x4d", "cf52900d")],
  ["senet-154.gluon", gluon("senet154", "70a1a3c0")],

  [
    "se-resnet-50.moskomule",
    {
      // It is unknown what the digits in its name are a hash of, so they are not checked.
      file: "seresnet50-60a8950a85b2b.pkl",
      addresses: ["https://github.com/moskomule/senet.pytorch/releases/download/archive/seresnet50-60a8950a85b2b.pkl"],
      format: "torch",
      source: "moskomule/senet.pytorch",
      licence: "MIT",
    },
  ],
  [
    "se-resnet-50.shicai",
    {
      file: "SE-ResNet-50-shicai.caffemodel",
      addresses: [drive("0B7ubpZO7HnlCWkwtSG5CdXBKcmc")],
      format: "caffemodel",
      source: "shicai/SENet-Caffe",
      licence: "BSD-3-Clause",
    },
  ],
]);
