/** Opens ONNX files by their graph, with labels and pre-processing. */

import { failAt } from "../formats/bytes.ts";
import type { OnnxModel } from "../formats/onnx-initialisers.ts";
import { imagenetPreprocessing, type Preprocessing } from "../images/preprocess.ts";
import { asGrey } from "../images/preprocessing-facts.ts";
import { importOnnxNetwork, type OnnxImport } from "../import/onnx-network.ts";
import * as z from "../schema.ts";
import type { Tensor } from "../tensor.ts";
import { channelsOf, type Model } from "../zoo/index.ts";
import { labelsSchema, preprocessingSchema, readMetadata } from "./checkpoint.ts";

export interface OnnxNetwork {
  readonly model: Model;
  readonly weights: Map<string, Tensor>;
  /** Side of its pictures. */
  readonly imageSize: number;
  readonly preprocessing: Preprocessing;
  /** Labels, in files of ours. */
  readonly labels?: readonly string[];
  readonly preprocessingFrom: string;
  /** Mean and deviation, if its graph normalises pictures itself. */
  readonly normalization?: OnnxImport["normalization"];
}

const isOurs = ({ metadata }: OnnxModel): boolean => metadata.has("model") && metadata.has("preprocessing");

/** Whether the graph says more than tensors' names, as after folding batch norms. */
export const isToldByGraph = (onnx: OnnxModel): boolean =>
  isOurs(onnx) || !onnx.nodes.some(({ op }) => op === "BatchNormalization");

/**
 * Imports the network. @throws SenetError `weights` where an operation is not supported, or the metadata are damaged
 */
export function openOnnx(onnx: OnnxModel, where: string): OnnxNetwork {
  if (isOurs(onnx)) {
    const read = <T>(key: string, schema: z.Schema<T>) => readMetadata(onnx.metadata, key, schema, where);
    const { name } = read("model", z.looseObject({ name: z.string().check(z.maxLength(1000)) }));
    const preprocessing = read("preprocessing", preprocessingSchema);
    const labels = read("labels", labelsSchema);
    const imported = importOnnxNetwork(onnx, where, { name, imageSize: preprocessing.crop });
    // Ours never do it.
    if (imported.normalization !== undefined)
      failAt(where)("the file says how to normalise pictures, and its graph does it once more");
    return { ...imported, preprocessing, labels, preprocessingFrom: "the file" };
  }
  const imported = importOnnxNetwork(onnx, where);
  const { model, imageSize: side, hasGates, normalization } = imported;
  const usual: Preprocessing = {
    ...imagenetPreprocessing,
    resize: side < 64 ? side : Math.round((side * 256) / 224),
    crop: side,
    // As timm and torchvision evaluate theirs.
    interpolation: hasGates ? "bicubic" : "bilinear",
  };
  const preprocessing = { ...(channelsOf(model.config) === 1 ? asGrey(usual) : usual), ...normalization };
  const rest = "what is usual for PyTorch's networks, since an ONNX file does not say it";
  const preprocessingFrom = normalization === undefined ? rest : `its graph, and the rest from ${rest}`;
  return { ...imported, preprocessing, preprocessingFrom };
}
