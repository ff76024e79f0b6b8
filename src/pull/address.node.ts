/** Addresses, with credentials kept out of messages. */

/** An address of a file. */
export interface Address {
  /** Without user name and password, safe to print. */
  readonly url: string;
  /** The `Authorization` header, for this host only. */
  readonly authorization?: string;
}

/** Moves user name and password from the address to the header. */
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
