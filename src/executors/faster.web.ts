/** Picks the faster of two engines. */

import { SenetError } from "../errors.ts";
import type { Executor } from "./executor.ts";

/** If both work, measures the workload on each. */
export async function faster<Engine extends { readonly executor: Executor }>(
  measure: (executor: Executor) => Promise<number>,
  onGpu: (why: string) => Engine,
  onWasm: (why: string) => Engine,
): Promise<Engine> {
  let onDevice: number;
  try {
    onDevice = await measure(onGpu("").executor);
  } catch (error) {
    if (!(error instanceof SenetError)) throw error;
    return onWasm(`WebGPU does not run it (${[error.details.found ?? error.what].flat()[0]})`);
  }
  const onProcessor = await measure(onWasm("").executor);
  const measured = (ours: number, other: number) => `${ours.toFixed(1)} ms a picture, ${other.toFixed(1)} on the other`;
  return onDevice <= onProcessor
    ? onGpu(`${measured(onDevice, onProcessor)}, WebAssembly`)
    : onWasm(`${measured(onProcessor, onDevice)}, WebGPU`);
}
