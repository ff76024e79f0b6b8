/** Addresses of a page. */

/** Makes an address absolute: the worker has another base address. */
export const absolute = (address: string | URL): string =>
  new URL(address, globalThis.document?.baseURI ?? location.href).href;

/** The last part of its path, decoded. */
export function fileNameAt(address: string): string {
  const last = new URL(address).pathname.split("/").at(-1) || address;
  try {
    return decodeURIComponent(last);
  } catch {
    return last;
  }
}
