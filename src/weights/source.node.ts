/** What a weight file of any format holds, before anybody knows of which network it is. */

import { SenetError } from "../errors.ts";
import type { Tensor } from "../tensor.ts";
import { failAt } from "./bytes.ts";
import { parseCaffeHdf5 } from "./caffe-hdf5.node.ts";
import { type CaffeLayer, parseCaffemodel, readBlob } from "./caffemodel.ts";
import { type Carried, carriedInName, readCarried } from "./carried.ts";
import { type Checkpoint, decodeCheckpoint, isCheckpoint } from "./checkpoint.ts";
import { detectFormat, type WeightFormat } from "./detect.ts";
import type { HubConfig } from "./hub.ts";
import { caffeBlobSource, caffeSource, type WeightSource } from "./maps/rename.ts";
import { parseOnnxInitialisers } from "./onnx-initialisers.ts";
import { type CaffeMessage, parsePrototxt } from "./prototxt.ts";
import { parseSafetensors } from "./safetensors.ts";
import { parseTorch } from "./torch.ts";
import type { SaidLabels } from "./torch-state.ts";

export interface WeightFile {
  readonly bytes: Uint8Array;
  /** Its name, for errors. */
  readonly where: string;
  /** What timm's `config.json` beside it says. */
  readonly hub?: HubConfig | undefined;
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
      readonly caffe?: { readonly layers: readonly CaffeLayer[]; readonly definition?: CaffeMessage };
    }
  | { readonly kind: "definition"; readonly definition: CaffeMessage }
  /** The mean of a Caffe network's pictures. */
  | { readonly kind: "mean"; readonly blob: Tensor }
);

/**
 * @param state which of the weights in a PyTorch checkpoint; see parseTorch
 * @throws SenetError (as a rejection) `weights` where the file is in no format that is read, or damaged; `usage` where
 * `state` is not in it
 */
export async function readContent({ bytes, where }: WeightFile, state?: string): Promise<FileContent> {
  const format = detectFormat(bytes, where);
  if (state !== undefined && format !== "torch" && format !== "prototxt") {
    throw new SenetError("usage", "this file has one set of weights only", {
      where,
      expected: "a checkpoint of PyTorch's for --state",
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
      const { tensors, metadata } = parseOnnxInitialisers(bytes, where);
      if (metadata.has("model") && metadata.has("preprocessing")) {
        failAt(where)("this is senet's own ONNX file, whose batch norms are folded into its convolutions", {
          hint: "open the file that it was made of",
        });
      }
      return { ...weights, source: { kind: "tensors", tensors }, carried: {} };
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
