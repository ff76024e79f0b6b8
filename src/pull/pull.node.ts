/** From a name to a file in the cache: what is there is used, what is not is fetched, checked, and only then put there. */

import { stat } from "node:fs/promises";
import { join } from "node:path";
import { type Dispatcher, EnvHttpProxyAgent } from "undici";
import { SenetError } from "../errors.ts";
import { makeFolder } from "../files/files.node.ts";
import { nearestNames } from "../names.ts";
import { type KnownFile, knownFiles } from "./addresses.ts";
import { cacheFolder } from "./cache.node.ts";
import { AddressFailure, defaultTiming, download, type Progress, type Timing } from "./download.node.ts";
import { Part } from "./part.node.ts";
import { faultOf } from "./verify.node.ts";

export type { Progress, Timing };

export interface PullOptions {
  /** Default: every file of addresses.ts. */
  readonly known?: ReadonlyMap<string, KnownFile>;
  /** Default: see cacheFolder. */
  readonly cache?: string;
  /** An address that is tried first, with the file's name behind it; default: `$SENET_MIRROR`. */
  readonly mirror?: string;
  /** No request at all. */
  readonly offline?: boolean;
  /** Fetch it even if it is there. */
  readonly force?: boolean;
  /** Check the hash of a file that is there, too. */
  readonly check?: boolean;
  /** Told what goes wrong and what is done about it. */
  readonly say?: (line: string) => void;
  readonly onProgress?: (progress: Progress) => void;
  readonly signal?: AbortSignal;
  readonly timing?: Partial<Timing>;
}

/**
 * The path of a known file in the cache, fetched if it is not there. Obeys `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`.
 * An attempt that ends early, in whatever way, is continued by the next one.
 * @throws SenetError `usage` where there is no such name; `io` with all addresses and what is wrong with each, or where
 * the cache cannot be written; `weights` where `check` finds another file in the cache; the signal's reason
 */
export async function pull(name: string, options: PullOptions = {}): Promise<string> {
  const known = knownFile(name, options.known);
  const cache = options.cache ?? cacheFolder();
  const path = join(cache, known.file);
  if (options.force !== true && (await isFile(path))) {
    if (options.check === true) await checkCached(path, known);
    return path;
  }
  const addresses = addressesOf(known, options.mirror ?? process.env.SENET_MIRROR);
  if (options.offline === true) {
    throw new SenetError("io", "is not in the cache, and nothing may be fetched", {
      where: name,
      found: `no ${path}`,
      hint: byHand(addresses, path),
    });
  }
  await makeFolder(cache, "another folder: --cache, or SENET_CACHE");
  const part = await Part.claim(path);
  try {
    await fetchInto(part, name, known, addresses, path, options);
    await part.finish(path);
  } finally {
    await part.release();
  }
  return path;
}

/** @throws SenetError `usage` with the nearest names */
export function knownFile(name: string, known = knownFiles): KnownFile {
  const file = known.get(name);
  if (file !== undefined) return file;
  throw new SenetError("usage", `no file is known by the name "${name}"`, {
    hint: `${nearestNames(name, [...known.keys()]).join(", ")} (senet pull lists all)`,
  });
}

export const isFile = async (path: string): Promise<boolean> =>
  (await stat(path).catch(() => undefined))?.isFile() === true;

async function checkCached(path: string, known: KnownFile): Promise<void> {
  const fault = await faultOf(path, known);
  if (fault === undefined) return;
  throw new SenetError("weights", "this is not the released file", {
    where: path,
    found: fault,
    hint: "--force fetches it again",
  });
}

function addressesOf({ file, addresses }: KnownFile, mirror: string | undefined): readonly string[] {
  if (mirror === undefined || mirror === "") return addresses;
  const base = mirror.endsWith("/") ? mirror : `${mirror}/`;
  if (!/^https?:/.test(base) || !URL.canParse(base)) {
    throw new SenetError("usage", "SENET_MIRROR is not an address", {
      expected: "http://host/folder/ or https://host/folder/",
      found: mirror,
    });
  }
  return [new URL(file, base).href, ...addresses];
}

const byHand = (addresses: readonly string[], path: string) =>
  `with a browser, fetch ${addresses.join(" or ")} and save it as ${path}`;

/** Tries the addresses in turn until `part` is the file. */
async function fetchInto(
  part: Part,
  name: string,
  known: KnownFile,
  addresses: readonly string[],
  path: string,
  { say = () => {}, onProgress = () => {}, signal, timing }: PullOptions,
): Promise<void> {
  const dispatcher = proxied();
  const options = {
    dispatcher,
    timing: { ...defaultTiming, ...timing },
    isChecked: known.hash !== undefined,
    say,
    onProgress,
    ...(known.bytes === undefined ? {} : { bytes: known.bytes }),
    ...(signal === undefined ? {} : { signal }),
  };
  const failures: string[] = [];
  try {
    for (const address of addresses) {
      try {
        await fetchFrom(address, part, known, options);
        if (known.hash === undefined) say(`${name}: no hash is known to check it against`);
        return;
      } catch (error) {
        if (!(error instanceof AddressFailure)) throw error;
        failures.push(`${address}: ${error.message}`);
        say(failures.at(-1)!);
      }
    }
  } finally {
    await dispatcher.destroy();
  }
  throw new SenetError("io", "could not be fetched", {
    where: name,
    found: `a fault of each address:${failures.map((failure) => `\n    ${failure}`).join("")}`,
    hint: `${byHand(known.addresses, path)}; behind a proxy, set HTTPS_PROXY; a mirror of your own, SENET_MIRROR`,
  });
}

async function fetchFrom(
  address: string,
  part: Part,
  known: KnownFile,
  options: Parameters<typeof download>[2],
): Promise<void> {
  for (;;) {
    const earlier = part.length;
    await download(address, part, options);
    const fault = await faultOf(part.path, known);
    if (fault === undefined) return;
    await part.restart({ address });
    if (earlier === 0) throw new AddressFailure(fault);
    options.say(`${address}: ${fault}; what was there before may have been of another file: once more, from the start`);
  }
}

function proxied(): Dispatcher {
  try {
    // For http: addresses, proxies expect the whole address, as from a browser; many refuse to tunnel to port 80.
    return new EnvHttpProxyAgent({ proxyTunnel: false });
  } catch (cause) {
    // Not their values, which may hold a password.
    const names = Object.keys(process.env).filter((key) => /^https?_proxy$/i.test(key));
    throw new SenetError("usage", "the proxy that the environment names cannot be used", {
      expected: "http://host:port",
      found: `an error of ${names.join(" or ")}`,
      cause,
    });
  }
}
