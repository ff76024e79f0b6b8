/** Lets a server listen, and reports why it cannot. */

import type { AddressInfo } from "node:net";
import { causeText, SenetError } from "../errors.ts";

export interface Port {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
}

const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: "another program listens there",
  EACCES: "this user may not listen there: ports below 1024 are the system's",
  EADDRNOTAVAIL: "this machine has no such address",
  ENOTFOUND: "there is no such host",
};

/**
 * Starts listening.
 * @param bound returns the bound address
 * @returns `http://127.0.0.1:8080`
 * @throws SenetError `io` where the port is taken or not allowed
 */
export async function listenAt(
  { host, port }: Port,
  listen: () => Promise<unknown>,
  bound: () => AddressInfo,
): Promise<string> {
  try {
    await listen();
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new SenetError("io", "the server cannot listen here", {
      where: `${host.includes(":") ? `[${host}]` : host}:${port}`,
      found: reasons[code ?? ""] ?? causeText(cause),
      hint: "another host or port; port 0 takes any that is free",
      cause,
    });
  }
  const { address, family, port: taken } = bound();
  return `http://${family === "IPv6" ? `[${address}]` : address}:${taken}`;
}
