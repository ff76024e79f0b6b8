/** From a name to a file in the cache: what is there is used, what is not is fetched, checked, and only then put there. */

import { stat } from "node:fs/promises";
import { join } from "node:path";
import { option, SenetError } from "../errors.ts";
import { cacheFolder } from "../files/cache.node.ts";
import { makeFolder } from "../files/files.node.ts";
import { nearestNames } from "../names.ts";
import { type Address, addressOf, byHand } from "./address.node.ts";
import { type KnownFile, knownFiles } from "./addresses.ts";
import { faultOfCached, noteChecked } from "./checked.node.ts";
import type { Progress, Timing } from "./download.node.ts";
import type { FetchOptions } from "./fetch.node.ts";

export type { Progress, Timing };

export interface PullOptions extends FetchOptions {
  /** Default: every file of addresses.ts. */
  readonly known?: ReadonlyMap<string, KnownFile>;
  /** Default: see cacheFolder. */
  readonly cache?: string;
  /**
   * An address that is tried first, with the file's name behind it; default: `$SENET_MIRROR`. It alone may be `http:`, and
   * may have a name and a password, which are sent to it and shown nowhere.
   */
  readonly mirror?: string;
  /** No request at all. */
  readonly offline?: boolean;
  /** Fetch it even if it is there. */
  readonly force?: boolean;
  /** Check the hash of a file that is there, even if it was checked before and has not changed since. */
  readonly check?: boolean;
}

/**
 * The path of a known file in the cache, fetched if it is not there. A file that is there is checked once, and again when
 * it has changed. Obeys `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`. An attempt that ends early, in whatever way, is
 * continued by the next one.
 * @throws SenetError `usage` where there is no such name; `io` with all addresses and what is wrong with each, or where
 * the cache cannot be written; `weights` where another file is in the cache; the signal's reason
 */
export async function pull(name: string, options: PullOptions = {}): Promise<string> {
  const known = knownFile(name, options.known);
  const cache = options.cache ?? cacheFolder();
  const path = join(cache, known.file);
  if (options.force !== true && (await isFile(path))) {
    const fault = await faultOfCached(path, known, options.check === true);
    if (fault === undefined) return path;
    throw new SenetError("weights", "this is not the released file", {
      where: path,
      found: fault,
      hint: `senet pull ${name}, with ${option("force")}, fetches it again`,
    });
  }
  const addresses = addressesOf(known, options.mirror ?? process.env.SENET_MIRROR);
  if (options.offline === true) {
    throw new SenetError("io", `is not in the cache, and ${option("offline")} forbids fetching it`, {
      where: name,
      found: `no ${path}`,
      hint: byHand(addresses, path),
    });
  }
  await makeFolder(cache, `another folder: ${option("cache")}, or SENET_CACHE`);
  // Only now: what needs no network does not load its client.
  const { fetchFile } = await import("./fetch.node.ts");
  await fetchFile(name, known, addresses, path, options);
  await noteChecked(path, known);
  return path;
}

/** @throws SenetError `usage` with the nearest names */
export function knownFile(name: string, known = knownFiles): KnownFile {
  const file = known.get(name);
  if (file !== undefined) return file;
  throw new SenetError("usage", `there are no released weights called "${name}"`, {
    hint: `${nearestNames(name, [...known.keys()]).join(", ")} (senet pull lists all)`,
  });
}

export const isFile = async (path: string): Promise<boolean> =>
  (await stat(path).catch(() => undefined))?.isFile() === true;

function addressesOf({ file, addresses }: KnownFile, mirror: string | undefined): readonly Address[] {
  const known = addresses.map((address) => {
    const url = new URL(address);
    if (url.protocol === "https:" || isThisMachine(url)) return { url: url.href };
    throw new SenetError("usage", "an address must be encrypted", { where: address, expected: "https:" });
  });
  return mirror === undefined || mirror === "" ? known : [mirrored(file, mirror), ...known];
}

const isThisMachine = ({ protocol, hostname }: URL): boolean =>
  protocol === "http:" && /^(?:127(?:\.\d+){3}|\[::1\]|localhost)$/.test(hostname);

function mirrored(file: string, mirror: string): Address {
  const base = mirror.endsWith("/") ? mirror : `${mirror}/`;
  if (!/^https?:/.test(base) || !URL.canParse(base)) {
    throw new SenetError("usage", "SENET_MIRROR is not an address", {
      expected: "http://host/folder/ or https://host/folder/",
      // What stands before an @ may be a password.
      found: mirror.replace(/^.*@/s, "...@"),
    });
  }
  return addressOf(new URL(file, base));
}
