/** Addresses of a page. */

/** The library's worker has a base address of its own. */
export const absolute = (address: string | URL): string =>
  new URL(address, globalThis.document?.baseURI ?? location.href).href;

/** The last part of its path, as a person reads it. */
export function fileNameAt(address: string): string {
  const last = new URL(address).pathname.split("/").at(-1) || address;
  try {
    return decodeURIComponent(last);
  } catch {
    return last;
  }
}
