/** `pull`: from a name to a file in the cache, which is fetched and checked first if it is not there. */

import { stat } from "node:fs/promises";
import { join } from "node:path";
import { option, SenetError } from "../errors.ts";
import { cacheFolder } from "../files/cache.node.ts";
import { makeFolder } from "../files/files.node.ts";
import { nearestNames } from "../names.ts";
import { type Address, addressOf, byHand } from "./address.node.ts";
import { type KnownFile, knownFiles } from "./addresses.ts";
import { faultOfCached, noteChecked } from "./checked.node.ts";
import type { Progress } from "./download.node.ts";
import type { FetchOptions } from "./fetch.node.ts";
import type { Timing } from "./request.node.ts";

export type { Progress, Timing };

export interface PullOptions extends FetchOptions {
  /** Known files; default: all in addresses.ts. */
  readonly known?: ReadonlyMap<string, KnownFile>;
  /** Cache folder; default: see `cacheFolder`. */
  readonly cache?: string;
  /**
   * An address to try first, to which the file's name is appended; default: `$SENET_MIRROR`. Only it may use `http:`
   * and contain credentials, which are sent to it and shown nowhere.
   */
  readonly mirror?: string;
  /** Make no requests. */
  readonly offline?: boolean;
  /** Fetch even if the file is there. */
  readonly force?: boolean;
  /** Check the hash of an existing file, even if it was checked before and has not changed since. */
  readonly check?: boolean;
}

/**
 * The path of a known file in the cache, fetched if it is not there. An existing file is checked once, and again if it
 * has changed. Obeys `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`. Any interrupted attempt is continued by the next one.
 * @throws SenetError `usage` where there is no such name; `io` with all addresses and their faults, or where the cache
 * cannot be written; `weights` where another file is in the cache; the signal's reason
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
  // Imported late, so that cached files do not load the HTTP client.
  const { fetchFile } = await import("./fetch.node.ts");
  await fetchFile(name, known, addresses, path, options);
  await noteChecked(path, known);
  return path;
}

/** Looks up a file. @throws SenetError `usage`, with the nearest names */
function knownFile(name: string, known = knownFiles): KnownFile {
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
      // The part before an @ may be a password.
      found: mirror.replace(/^.*@/s, "...@"),
    });
  }
  return addressOf(new URL(file, base));
}
