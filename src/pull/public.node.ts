/**
 * Restricts connections to the public internet: clients who may name addresses must not reach this machine or its
 * network.
 */

import { lookup as resolve } from "node:dns";
import { BlockList, isIP } from "node:net";
import { Agent, buildConnector, type Dispatcher } from "undici";

/**
 * Addresses that IANA's special-purpose registries do not list as globally reachable, and those that lead to such
 * addresses via IPv4.
 */
const special: readonly (readonly [address: string, prefix: number, family: "ipv4" | "ipv6"])[] = [
  ["0.0.0.0", 8, "ipv4"],
  ["10.0.0.0", 8, "ipv4"],
  ["100.64.0.0", 10, "ipv4"],
  ["127.0.0.0", 8, "ipv4"],
  ["169.254.0.0", 16, "ipv4"],
  ["172.16.0.0", 12, "ipv4"],
  ["192.0.0.0", 24, "ipv4"],
  ["192.0.2.0", 24, "ipv4"],
  ["192.88.99.0", 24, "ipv4"],
  ["192.168.0.0", 16, "ipv4"],
  ["198.18.0.0", 15, "ipv4"],
  ["198.51.100.0", 24, "ipv4"],
  ["203.0.113.0", 24, "ipv4"],
  ["224.0.0.0", 4, "ipv4"],
  ["240.0.0.0", 4, "ipv4"],
  // Only 2000::/3 of IPv6 is allocated.
  ["::", 3, "ipv6"],
  ["4000::", 2, "ipv6"],
  ["8000::", 1, "ipv6"],
  ["2001::", 23, "ipv6"],
  ["2001:db8::", 32, "ipv6"],
  ["2002::", 16, "ipv6"],
  ["3fff::", 20, "ipv6"],
];

/** One list per family: a combined list would confuse IPv4 addresses with their IPv6 mappings. */
const blocked = { ipv4: new BlockList(), ipv6: new BlockList() };
for (const [address, prefix, family] of special) blocked[family].addSubnet(address, prefix, family);

/** Whether an IP address belongs to the public internet. */
export function isPublicAddress(address: string): boolean {
  if (isIP(address) === 0) return false;
  const family = isIP(address) === 4 ? "ipv4" : "ipv6";
  return !blocked[family].check(address, family);
}

/**
 * An HTTP client that only connects to addresses for which `isAllowed` is true. Every connection, including those of
 * redirects, is checked by the address actually used, so that a name cannot resolve differently the second time. It
 * uses no proxy, which would resolve names itself.
 */
export function guardedAgent(isAllowed: (address: string) => boolean = isPublicAddress): Dispatcher {
  const refuse = (host: string) => new Error(`${host} is not on the public internet`);
  const connect = buildConnector({
    lookup: (host, options, done) => {
      resolve(host, { ...options, all: true }, (error, addresses) => {
        if (error !== null) return done(error, [], 0);
        const allowed = addresses.filter(({ address }) => isAllowed(address));
        if (allowed.length < addresses.length || addresses.length === 0) return done(refuse(host), [], 0);
        if (options.all === true) return done(null, allowed);
        const [{ address, family } = { address: "", family: 0 }] = allowed;
        done(null, address, family);
      });
    },
  });
  return new Agent({
    connect: (options, done) => {
      // A numeric address is not resolved.
      const host = options.hostname.replace(/^\[|\]$/g, "");
      if (isIP(host) !== 0 && !isAllowed(host)) return done(refuse(host), null);
      connect(options, done);
    },
  });
}
