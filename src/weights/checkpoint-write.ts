/** Writes our weight files. */

import { encodeSafetensors } from "../formats/safetensors-write.ts";
import { isTrainable } from "../ir/graph.ts";
import type { Tensor } from "../tensor.ts";
import { parametersOf } from "../zoo/graphs.ts";
import { averagePrefix, type Checkpoint, checkpointFormat, optimizerPrefix } from "./checkpoint.ts";

/**
 * Encodes a checkpoint, as chunks to be written one after another.
 * @param isHalf chooses tensors to be written as float16
 */
export function encodeCheckpoint(checkpoint: Checkpoint, isHalf?: (tensor: Tensor) => boolean): Uint8Array[] {
  const { model, labels, preprocessing, weights, quantization, training, run } = checkpoint;
  const tensors = new Map(weights);
  const metadata = new Map([
    ["format", checkpointFormat],
    ["model", inOrder(model)],
    ["labels", inOrder(labels)],
    ["preprocessing", inOrder(preprocessing)],
  ]);
  if (training !== undefined) metadata.set("training", inOrder(training));
  if (quantization !== undefined) metadata.set("quantization", inOrder(quantization));
  if (run !== undefined) {
    metadata.set("config", inOrder(run.config));
    metadata.set("state", inOrder(run.state));
    if (run.data !== undefined) metadata.set("data", inOrder(run.data));
    metadata.set("optimizer", inOrder([...run.optimizer.keys()]));
    const [state] = run.optimizer.values();
    const learnt = parametersOf(model).filter(isTrainable);
    const frozen = state === undefined ? [] : learnt.filter(({ name }) => !state.has(name)).map(({ name }) => name);
    if (frozen.length > 0) metadata.set("frozen", inOrder(frozen));
    for (const [slot, values] of run.optimizer) {
      for (const [name, value] of values) tensors.set(`${optimizerPrefix}${slot}/${name}`, value);
    }
    if (run.average !== undefined) metadata.set("average", "true");
    for (const [name, value] of run.average ?? []) tensors.set(averagePrefix + name, value);
  }
  return encodeSafetensors(tensors, metadata, isHalf);
}

/** JSON with sorted keys, so that a value read from a file gives the same bytes again. */
const inOrder = (value: unknown): string =>
  JSON.stringify(value, (_, part: unknown) =>
    typeof part === "object" && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
