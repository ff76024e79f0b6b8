/** What this machine's ONNX Runtime can do that depends on its processor. */

import { InferenceSession, Tensor } from "onnxruntime-node";
import { Emitter, nchwc } from "./emitter.ts";
import { encodeModel } from "./onnx.ts";

let found: Promise<number> | undefined;

/** Channels in a block of the blocked layout (blocks.ts): 16 with AVX-512, 8 with AVX2; 0 where there is none. */
export function blockSize(): Promise<number> {
  found ??= probe().catch(() => 0);
  return found;
}

/** Blocks two pixels of 16 channels: how many channels of the first pixel stand before the second one? */
async function probe(): Promise<number> {
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
  const session = await InferenceSession.create(model, { executionProviders: ["cpu"], logSeverityLevel: 4 });
  const secondPixel = 1;
  const { y } = await session.run({
    x: new Tensor(
      "float32",
      Float32Array.from({ length: 32 }, (_, i) => i),
      shape,
    ),
  });
  await session.release();
  return (y!.data as Float32Array).indexOf(secondPixel);
}
