/** A digest that identifies weights, whatever the format of their file. */

import { createHash } from "node:crypto";
import type { NetworkWeights } from "./program.ts";

/** Of their names and bytes, and of what their eight bits stand for. */
export function digestOf({ weights, quantization }: NetworkWeights): string {
  const hash = createHash("sha256");
  if (quantization !== undefined) hash.update(JSON.stringify(quantization));
  for (const [name, { data }] of [...weights].sort(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update(`${name}\0`).update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest("hex").slice(0, 16);
}
