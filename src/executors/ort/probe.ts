/** Finds out what an ONNX Runtime can do on this processor. */

import { tensor } from "../../tensor.ts";
import { Emitter, nchwc } from "./emitter.ts";
import { encodeModel } from "./onnx.ts";
import { type OrtHost, runModel } from "./runtime.ts";

const found = new WeakMap<OrtHost, Promise<number>>();

/** Number of channels in a block (blocks.ts): 16 with AVX-512, 8 with AVX2; 0 if there is no blocked layout. */
export function blockSize(host: OrtHost): Promise<number> {
  const known = found.get(host) ?? probe(host).catch(() => 0);
  found.set(host, known);
  return known;
}

/**
 * Converts two pixels of 16 channels to blocks, to find out how many channels of the first pixel come before the second
 * one.
 */
async function probe(host: OrtHost): Promise<number> {
  const shape = [1, 16, 1, 2];
  const emit = new Emitter();
  const blocked = emit.node("ReorderInput", ["x"], { channels_last: { int: 0 } }, nchwc);
  emit.rename(blocked, "y");
  const { nodes, constants } = emit.finish();
  const model = encodeModel({
    name: "probe",
    opsets: { "": 18, [nchwc]: 1 },
    nodes,
    initialisers: constants,
    inputs: [{ name: "x", dtype: "float32", shape }],
    outputs: [{ name: "y", dtype: "float32", shape }],
    metadata: {},
  });
  const secondPixel = 1;
  const x = tensor(
    shape,
    Float32Array.from({ length: 32 }, (_, i) => i),
  );
  const outputs = await runModel(host, model, new Map([["x", x]]), "the probe");
  return outputs.get("y")!.indexOf(secondPixel);
}
