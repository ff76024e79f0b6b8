/** Writes networks as weight files for other programs. */

import { encodeCaffemodel } from "../formats/caffemodel-write.ts";
import { encodeSafetensors } from "../formats/safetensors-write.ts";
import { samePreprocessing } from "../images/preprocessing-facts.ts";
import { impliedLabels } from "../import/labels.ts";
import type { Naming } from "../import/naming.ts";
import { weightsAs } from "../import/write.ts";
import type { Tensor } from "../tensor.ts";
import { carriedMetadata, nameWithCarried } from "./carried.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { encodeCheckpoint } from "./checkpoint-write.ts";
import { requireFloat32 } from "./program.ts";

/**
 * A weight file in chunks to be written one after another: our own for the naming `senet`, safetensors for PyTorch's
 * namings, a caffemodel for Caffe's. The weights stay as they are, so that the network goes on wanting its own
 * pre-processing and giving its own order of classes, whatever others under these names want and give; the file carries
 * both for `openWeights`.
 * @param isHalf which tensors are written as float16, in safetensors
 * @throws SenetError `usage` where the network is none of that naming's
 */
export function encodeWeights(
  checkpoint: Checkpoint,
  naming: Naming,
  isHalf?: (tensor: Tensor) => boolean,
): Uint8Array[] {
  const { model, labels, preprocessing } = checkpoint;
  if (naming.name === "senet") {
    const { run: _, ...network } = checkpoint;
    return encodeCheckpoint(network, isHalf);
  }
  requireFloat32(checkpoint, model.name);
  const source = weightsAs(checkpoint, naming);
  if (source.kind === "tensors") {
    // What PyTorch's own tools write, and some want to see.
    const metadata = new Map([["format", "pt"], ...carriedMetadata({ labels, preprocessing })]);
    return encodeSafetensors(source.tensors, metadata, isHalf);
  }
  const name = followsConventions(checkpoint, naming) ? model.name : nameWithCarried(model.name, checkpoint);
  return encodeCaffemodel(name, [...source.layers.values()]);
}

/** Whether the labels and the pre-processing are those that a file with these names is taken to have. */
export function followsConventions({ model, labels, preprocessing }: Checkpoint, naming: Naming): boolean {
  return (
    samePreprocessing(preprocessing, naming.preprocessing(model.config)) &&
    impliedLabels(naming, model).every((label, i) => label === labels[i])
  );
}
