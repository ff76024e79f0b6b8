/** Fetches a known file: tries each address in turn until the file is complete and correct. */

import { type Dispatcher, EnvHttpProxyAgent } from "undici";
import { SenetError } from "../errors.ts";
import { type Address, byHand } from "./address.node.ts";
import type { KnownFile } from "./addresses.ts";
import { download, type Progress } from "./download.node.ts";
import { Part } from "./part.node.ts";
import { AddressFailure, defaultTiming, type Timing } from "./request.node.ts";
import { faultOf } from "./verify.node.ts";

export interface FetchOptions {
  /** Is told about failures and what is done about them. */
  readonly say?: (line: string) => void;
  readonly onProgress?: (progress: Progress) => void;
  readonly signal?: AbortSignal;
  readonly timing?: Partial<Timing>;
}

/** Fetches a file to `path`; see `pull`. */
export async function fetchFile(
  name: string,
  known: KnownFile,
  addresses: readonly Address[],
  path: string,
  options: FetchOptions,
): Promise<void> {
  const part = await Part.claim(path);
  try {
    await fetchInto(part, name, known, addresses, path, options);
    await part.finish(path);
  } finally {
    await part.release();
  }
}

/** Tries the addresses in turn until `part` is complete and correct. */
async function fetchInto(
  part: Part,
  name: string,
  known: KnownFile,
  addresses: readonly Address[],
  path: string,
  { say = () => {}, onProgress = () => {}, signal, timing }: FetchOptions,
): Promise<void> {
  const dispatcher = proxied();
  const options = {
    dispatcher,
    timing: { ...defaultTiming, ...timing },
    isChecked: known.hash !== undefined,
    say,
    onProgress,
    ...(known.bytes !== undefined && { bytes: known.bytes }),
    ...(signal !== undefined && { signal }),
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
        failures.push(`${address.url}: ${error.message}`);
        say(failures.at(-1)!);
      }
    }
  } finally {
    await dispatcher.destroy();
  }
  throw new SenetError("io", "could not be fetched", {
    where: name,
    found: ["every address failed", ...failures],
    hint: `${byHand(addresses, path)}; behind a proxy, set HTTPS_PROXY; a mirror of your own, SENET_MIRROR`,
  });
}

async function fetchFrom(
  address: Address,
  part: Part,
  known: KnownFile,
  options: Parameters<typeof download>[2],
): Promise<void> {
  for (;;) {
    const earlier = part.length;
    await download(address, part, options);
    const fault = await faultOf(part.path, known);
    if (fault === undefined) return;
    await part.restart({ address: address.url });
    if (earlier === 0) throw new AddressFailure(fault);
    options.say(`${address.url}: ${fault}; the part from before may belong to another file; starting again`);
  }
}

/**
 * The HTTP client, which uses the proxies in `HTTP_PROXY` and `HTTPS_PROXY`, except for hosts in `NO_PROXY`. @throws
 * SenetError `usage`
 */
export function proxied(): Dispatcher {
  try {
    // For http: addresses, proxies expect absolute request targets, as from a browser; many refuse to tunnel to port
    // 80.
    return new EnvHttpProxyAgent({ proxyTunnel: false });
  } catch (cause) {
    // Without their values, which may contain a password.
    const names = Object.keys(process.env).filter((key) => /^https?_proxy$/i.test(key));
    throw new SenetError("usage", "the proxy set in the environment cannot be used", {
      expected: "http://host:port",
      found: `an error of ${names.join(" or ")}`,
      cause,
    });
  }
}
