/** Functions of the C library, called by koffi. */

import { createRequire } from "node:module";

type Koffi = typeof import("koffi");
type CFunction = ReturnType<ReturnType<Koffi["load"]>["func"]>;

const require = createRequire(import.meta.url);

/** Not imported statically: without koffi everything but oneDNN and MPI works, only slower. */
const koffi = (): Koffi => require("koffi") as Koffi;

const found = new Map<string, CFunction | undefined>();

/**
 * A function of the C library, looked up once; `undefined` where this system's library lacks it or koffi does not load.
 * @param declaration in C: `int malloc_trim(size_t keptBytes)`
 */
export function cFunction(declaration: string): CFunction | undefined {
  if (!found.has(declaration)) found.set(declaration, find(declaration));
  return found.get(declaration);
}

function find(declaration: string): CFunction | undefined {
  try {
    return koffi().load(null).func(declaration);
  } catch {
    return undefined;
  }
}

/** Address of an array's first byte, to be passed to C; the array must stay referenced as long as it is used. */
export const memoryAddress = (data: ArrayBufferView): bigint => koffi().address(data) as bigint;
