/** Addresses, and what must not be seen of them. */

/** One place where a file can be had. */
export interface Address {
  /** Fit to be shown: without name and password. */
  readonly url: string;
  /** `Authorization`, for this host alone. */
  readonly authorization?: string;
}

/** Name and password leave the address for the header that they are meant for. */
export function addressOf({ href }: URL): Address {
  const url = new URL(href);
  const { username, password } = url;
  url.username = "";
  url.password = "";
  if (username === "" && password === "") return { url: url.href };
  const credentials = [username, password].map(decodeURIComponent).join(":");
  return { url: url.href, authorization: `Basic ${Buffer.from(credentials).toString("base64")}` };
}

export const byHand = (addresses: readonly Address[], path: string): string =>
  `with a browser, fetch ${addresses.map(({ url }) => url).join(" or ")} and save it as ${path}`;
