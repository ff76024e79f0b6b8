/** Reads our weight files, of all kinds. */

import { SenetError } from "../errors.ts";
import type { Parameter } from "../ir/graph.ts";
import type { Quantization } from "../passes/quantize.ts";
import * as z from "../schema.ts";
import { positive, texts } from "../zoo/bounds.ts";
import { builtBy } from "../zoo/built.ts";
import { inferenceGraph, type Model } from "../zoo/graphs.ts";
import type { NetworkFunction } from "../zoo/own-function.ts";
import { type Checkpoint, type Decoding, decodeWith, readMetadata, unusableMetadata } from "./checkpoint.ts";
import { eightBitGraph } from "./eight-bit-graph.ts";

/**
 * @param where the file's name, for errors
 * @param build the function of the user's own network
 * @throws SenetError `weights` where the file is damaged, not ours, or its tensors do not match its model or are not
 * finite; `usage` where `build` is missing, or not needed
 */
export const decodeCheckpoint = (bytes: Uint8Array, where: string, build?: NetworkFunction): Checkpoint =>
  decodeWith({ build, eightBits }, bytes, where)!;

const quantizationSchema = z.strictObject({
  layers: texts(100_000),
  scales: z.record(z.string(), z.number().check(z.gt(0))),
  method: z.string(),
  images: positive,
  source: z.optional(
    z.strictObject({ file: z.string().check(z.maxLength(4096)), digest: z.string().check(z.maxLength(128)) }),
  ),
});

const eightBits: NonNullable<Decoding["eightBits"]> = (model, metadata, where) => {
  const { source, ...rest } = readMetadata(metadata, "quantization", quantizationSchema, where);
  const quantization = { ...rest, ...(source && { source }) };
  return { quantization, parameters: eightBitParameters(model, quantization, where) };
};

/** The parameters of the eight-bit network. */
function eightBitParameters(model: Model, quantization: Quantization, where: string): readonly Parameter[] {
  const imageSize = builtBy(model.config).imageSize(model.config);
  try {
    return eightBitGraph(inferenceGraph(model, { batch: 1, imageSize }), quantization).parameters;
  } catch (cause) {
    if (!(cause instanceof SenetError)) throw cause;
    return unusableMetadata("quantization", where)(cause.message.split("\n"), cause);
  }
}
