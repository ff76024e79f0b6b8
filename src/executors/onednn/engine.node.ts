/** oneDNN of whichever version this machine has, ready to speak. */

import { Api } from "./api.node.ts";
import { dialectV2 } from "./api-v2.node.ts";
import { dialectV3 } from "./api-v3.node.ts";
import { hasEightBits, hasIsa, type Library, loadLibrary } from "./library.node.ts";
import type { PlanLayout } from "./spec.ts";

let library: Library | undefined;

/** Loaded once. @throws SenetError `executor` where it is not on this machine */
export function onednnLibrary(): Library {
  library ??= loadLibrary();
  return library;
}

export const openApi = (library: Library = onednnLibrary()): Api =>
  new Api(library, library.version.major === 2 ? dialectV2(library) : dialectV3(library));

/** Whether the processor multiplies in bf16 itself: elsewhere bf16 is slower than float32. */
export const hasBf16 = (): boolean => hasIsa(onednnLibrary().isa, "avx512Bf16");

/** How pictures stand between operations where that is not said: as the library has the fastest code for. */
export function layoutFor(precision: "float32" | "bf16"): PlanLayout {
  const said = process.env[layoutVariable];
  if (said === "blocks" || said === "channelsLast") return said;
  // Products of tiles (AMX) it has for channels last only (docs/engines.md).
  return precision === "bf16" && hasIsa(onednnLibrary().isa, "amx") ? "channelsLast" : "blocks";
}

const layoutVariable = "SENET_ONEDNN_LAYOUT";

/** In a line, why bf16 is not faster than float32 here; none where it is. */
export function reasonAgainstBf16(): string | undefined {
  return hasBf16() ? undefined : "this processor does not multiply in bf16";
}

/** Whether networks in eight bits are computed so. */
export const computesInEightBits = (): boolean => hasEightBits(onednnLibrary().isa);
