/** What a weight file of any format holds, before anybody knows of which network it is. */

import { SenetError } from "../errors.ts";
import { failAt, shownName } from "../formats/bytes.ts";
import { parseCaffeHdf5 } from "../formats/caffe-hdf5.ts";
import { type CaffeLayer, parseCaffemodel, readBlob } from "../formats/caffemodel.ts";
import { detectFormat, type WeightFormat } from "../formats/detect.ts";
import {
  type ExternalData,
  externalFiles,
  type OnnxModel,
  parseOnnxInitialisers,
} from "../formats/onnx-initialisers.ts";
import { type CaffeMessage, parsePrototxt } from "../formats/prototxt.ts";
import { parseSafetensors } from "../formats/safetensors.ts";
import { parseTorch } from "../formats/torch.ts";
import type { SaidLabels } from "../formats/torch-state.ts";
import type { HubConfig } from "../import/hub.ts";
import { caffeBlobSource, caffeSource, type WeightSource } from "../import/rename.ts";
import type { Tensor } from "../tensor.ts";
import { type Carried, carriedInName, readCarried } from "./carried.ts";
import { type Checkpoint, decodeCheckpoint, isCheckpoint } from "./checkpoint.ts";

export interface WeightFile {
  readonly bytes: Uint8Array;
  /** Its name, for errors. */
  readonly where: string;
  /** What timm's `config.json` beside it says. */
  readonly hub?: HubConfig | undefined;
  /** All files of a model that is in several; `bytes` are those of the index, or of one of them. */
  readonly parts?: Parts;
  /** The bytes of a file in the same folder. @throws SenetError (as a rejection) where it is none, or not in there */
  readonly beside?: (name: string) => Promise<Uint8Array>;
}

export interface Parts {
  readonly files: readonly WeightFile[];
  /** All tensors that the index names. */
  readonly names?: readonly string[];
}

/** One of our own files, a file of weights, or the definition of a Caffe network. */
export type FileContent = {
  readonly where: string;
  readonly format: WeightFormat;
  /** What was guessed or chosen in reading it; see `Opened.notes`. */
  readonly notes?: readonly string[];
} & (
  | { readonly kind: "checkpoint"; readonly checkpoint: Checkpoint }
  | {
      readonly kind: "weights";
      readonly source: WeightSource;
      readonly carried: Carried;
      /** Names of classes beside the weights: those of the network, if there are as many. */
      readonly saidLabels?: readonly SaidLabels[];
      /** All of a caffemodel's layers and its definition; a file of HDF5 has layers without definitions. */
      readonly onnx?: OnnxModel;
      readonly caffe?: { readonly layers: readonly CaffeLayer[]; readonly definition?: CaffeMessage };
    }
  | { readonly kind: "definition"; readonly definition: CaffeMessage }
  /** The mean of a Caffe network's pictures. */
  | { readonly kind: "mean"; readonly blob: Tensor }
);

/**
 * @param state which of the weights in a PyTorch checkpoint; see parseTorch
 * @throws SenetError (as a rejection) `weights` where the file is in no supported format, or damaged; `usage` where
 * `state` is not in it
 */
export async function readContent(file: WeightFile, state?: string): Promise<FileContent> {
  const { bytes, where, parts } = file;
  if (parts !== undefined) return readParts(file, parts, state);
  const format = detectFormat(bytes, where);
  if (state !== undefined && format !== "torch" && format !== "prototxt") {
    throw new SenetError("usage", "this file has one set of weights only", {
      where,
      expected: "a PyTorch checkpoint for --state",
      found: format,
    });
  }
  const weights = { where, format, kind: "weights" } as const;
  switch (format) {
    case "safetensors": {
      const { tensors, metadata } = parseSafetensors(bytes, where);
      if (isCheckpoint(metadata)) {
        return { where, format, kind: "checkpoint", checkpoint: decodeCheckpoint(bytes, where) };
      }
      return { ...weights, source: { kind: "tensors", tensors }, carried: readCarried(metadata, where) };
    }
    case "torch": {
      const { tensors, labels, notes } = await parseTorch(bytes, where, state);
      return { ...weights, source: { kind: "tensors", tensors }, carried: {}, saidLabels: labels, notes };
    }
    case "onnx": {
      const onnx = parseOnnxInitialisers(bytes, where, await externalData(file));
      return { ...weights, source: { kind: "tensors", tensors: onnx.tensors }, carried: {}, onnx };
    }
    case "caffemodel": {
      const { name, layers, definition } = parseCaffemodel(bytes, where);
      const carried = carriedInName(name, where);
      return { ...weights, source: caffeSource(layers), carried, caffe: { layers, definition } };
    }
    case "caffe-hdf5": {
      const source = caffeBlobSource(await parseCaffeHdf5(bytes, where), where);
      const layers = source.kind === "layers" ? [...source.layers.values()] : [];
      return { ...weights, source, carried: {}, caffe: { layers } };
    }
    case "binaryproto":
      return { where, format, kind: "mean", blob: readBlob(bytes, where) };
    case "prototxt":
      return { where, format, kind: "definition", definition: parsePrototxt(bytes, where) };
  }
}

/** The values that an ONNX model keeps in files beside it. */
async function externalData({ bytes, where, beside }: WeightFile): Promise<ExternalData> {
  const data = new Map<string, Uint8Array>();
  if (beside === undefined) return data;
  for (const name of externalFiles(bytes, where)) data.set(name, await beside(name));
  return data;
}

/** The tensors of a model that is in several files. */
async function readParts({ where }: WeightFile, { files, names }: Parts, state?: string): Promise<FileContent> {
  const fail = failAt(where);
  const tensors = new Map<string, Tensor>();
  const contents = await Promise.all(files.map((file) => readContent(file, state)));
  for (const content of contents) {
    if (content.kind !== "weights" || content.source.kind !== "tensors") {
      return fail("this is not part of a model in several files", { found: `${content.format}: ${content.where}` });
    }
    for (const [name, tensor] of content.source.tensors) {
      if (tensors.has(name)) fail(`the tensor ${shownName(name)} is in two files`);
      tensors.set(name, tensor);
    }
  }
  const missing = names?.filter((name) => !tensors.has(name)) ?? [];
  if (missing.length > 0) {
    fail(`the files lack ${missing.length} of the tensors that the index names`, {
      found: missing.slice(0, 5).map(shownName).join(", "),
    });
  }
  return { where, format: contents[0]!.format, kind: "weights", source: { kind: "tensors", tensors }, carried: {} };
}
