/** oneDNN of whichever version this machine has, ready to speak. */

import { Api } from "./api.node.ts";
import { dialectV2 } from "./api-v2.node.ts";
import { dialectV3 } from "./api-v3.node.ts";
import { hasIsa, type Library, loadLibrary } from "./library.node.ts";

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
