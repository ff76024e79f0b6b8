/** oneDNN of whichever version this machine has, ready to speak. */

import { Api } from "./api.node.ts";
import { dialectV2 } from "./api-v2.node.ts";
import { dialectV3 } from "./api-v3.node.ts";
import { hasEightBits, hasIsa, type Library, loadLibrary, versionFor } from "./library.node.ts";

let library: Library | undefined;
let libraryOfTiles: Library | undefined;

/**
 * Loaded once; of two versions that are there the one that is faster in this precision.
 * @throws SenetError `executor` where it is not on this machine
 */
export function onednnLibrary(precision: "float32" | "bf16" = "float32"): Library {
  library ??= loadLibrary();
  const wanted = versionFor(precision, library.isa);
  if (wanted === library.version.major || wanted === 2) return library;
  libraryOfTiles ??= loadLibrary(undefined, wanted);
  return libraryOfTiles;
}

export const openApi = (library: Library = onednnLibrary()): Api =>
  new Api(library, library.version.major === 2 ? dialectV2(library) : dialectV3(library));

/** Whether the processor multiplies in bf16 itself: elsewhere bf16 is slower than float32. */
export const hasBf16 = (): boolean => hasIsa(onednnLibrary().isa, "avx512Bf16");

/** In a line, why bf16 is not faster than float32 here; none where it is. */
export function reasonAgainstBf16(): string | undefined {
  return hasBf16() ? undefined : "this processor does not multiply in bf16";
}

/** Whether networks in eight bits are computed so. */
export const computesInEightBits = (): boolean => hasEightBits(onednnLibrary().isa);
