/** oneDNN of whichever version this machine has, ready to speak. */

import { Api } from "./api.node.ts";
import { dialectV2 } from "./api-v2.node.ts";
import { dialectV3 } from "./api-v3.node.ts";
import { type Library, loadLibrary } from "./library.node.ts";

let library: Library | undefined;

/** Loaded once. @throws SenetError `executor` where it is not on this machine */
export function onednnLibrary(): Library {
  library ??= loadLibrary();
  return library;
}

export const openApi = (library: Library = onednnLibrary()): Api =>
  new Api(library, library.version.major === 2 ? dialectV2(library) : dialectV3(library));

/** AVX-512 with BF16; what the larger instruction sets have too. */
const isaBf16 = 0xe7;

/** Whether the processor multiplies in bf16 itself: elsewhere bf16 is slower than float32. */
export function hasBf16(): boolean {
  const api = openApi();
  const { isa } = api;
  api.dispose();
  return (isa & isaBf16) === isaBf16;
}
