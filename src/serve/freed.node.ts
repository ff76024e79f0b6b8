/** Memory of networks that have been closed. */

let trim: Promise<(() => void) | undefined> | undefined;

/**
 * Gives freed memory back to the system. glibc keeps it otherwise: once a large piece has been freed, pieces of that
 * size come from its heaps, which rarely shrink, so that a server grew by 300 MB over its first reloads (docs/log.md).
 * Does nothing where there is no glibc.
 */
export async function returnFreed(): Promise<void> {
  trim ??= findTrim();
  (await trim)?.();
}

async function findTrim(): Promise<(() => void) | undefined> {
  if (process.platform !== "linux") return undefined;
  try {
    const { default: koffi } = await import("koffi");
    const mallocTrim = koffi.load(null).func("int malloc_trim(size_t keptBytes)");
    return () => mallocTrim(0);
  } catch {
    return undefined; // without koffi, or with another C library
  }
}
