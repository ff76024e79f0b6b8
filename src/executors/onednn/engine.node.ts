/** The oneDNN libraries of this machine, of either version. */

import { instructionSets } from "../../machine.node.ts";
import { Api } from "./api.node.ts";
import { dialectV2 } from "./api-v2.node.ts";
import { dialectV3 } from "./api-v3.node.ts";
import { hasEightBits, hasIsa, type Library, leftAlone, loadLibrary, versionFor } from "./library.node.ts";
import type { ElementType } from "./spec.ts";

let loaded: readonly Library[] | undefined;

/**
 * One library of each installed version, loaded once; the one likely to be faster in this precision comes first.
 * @throws SenetError `executor` where none is installed
 */
export function onednnLibraries(type: ElementType = "f32"): readonly Library[] {
  loaded ??= bothVersions();
  const wanted = versionFor(type, loaded[0]!.isa);
  return loaded.toSorted((a, b) => Number(b.version.major === wanted) - Number(a.version.major === wanted));
}

function bothVersions(): Library[] {
  const first = loadLibrary();
  const other = loadLibrary(undefined, first.version.major === 2 ? 3 : 2);
  return other.version.major === first.version.major ? [first] : [first, other];
}

/** The preferred library. @throws SenetError `executor` */
export const onednnLibrary = (): Library => onednnLibraries()[0]!;

export const openApi = (library: Library = onednnLibrary()): Api =>
  new Api(library, library.version.major === 2 ? dialectV2(library) : dialectV3(library));

/** Whether the processor has bf16 multiplication; otherwise bf16 is slower than float32. */
export const hasBf16 = (): boolean => hasIsa(onednnLibrary().isa, "avx512Bf16");

/** Whether it does so by tiles (AMX). */
export const hasTiles = (): boolean => onednnLibraries().some(({ isa }) => hasIsa(isa, "amx"));

/** In lines, what would make it faster on this processor, and which libraries are left alone. */
export function advice(): readonly string[] {
  return [...adviceOnTiles(), ...leftAlone()];
}

function adviceOnTiles(): readonly string[] {
  const majors = onednnLibraries().map(({ version }) => version.major);
  if (!hasTiles()) {
    const has = instructionSets().includes("amx_bf16");
    return has ? ["this processor has AMX, which oneDNN does not use (ONEDNN_MAX_CPU_ISA? an old kernel?)"] : [];
  }
  const newer =
    "with version 3 of oneDNN, too, bf16 and eight bits would be up to four times as fast on this processor (AMX)";
  return majors.includes(3) ? [] : [newer];
}

/** Why bf16 is not faster than float32 here, in one line; undefined if it is. */
export function reasonAgainstBf16(): string | undefined {
  return hasBf16() ? undefined : "this processor does not multiply in bf16";
}

/** Whether networks in eight bits are computed in eight bits here. */
export const computesInEightBits = (): boolean => hasEightBits(onednnLibrary().isa);

/**
 * Whether float32 inference is faster than on ONNX Runtime. With Winograd's algorithm and pre-transformed weights,
 * which version 2 has for AVX-512, one picture is as fast and a batch a fifth faster (docs/log.md).
 */
export function isFastestAtInference(): boolean {
  const { version, isa } = onednnLibrary();
  return version.major === 2 && hasIsa(isa, "avx512");
}
