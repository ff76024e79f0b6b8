/** Connections to the public internet only: whoever may name an address must not reach this machine or its neighbours. */

import { lookup as resolve } from "node:dns";
import { BlockList, isIP } from "node:net";
import { Agent, buildConnector, type Dispatcher } from "undici";

/** What IANA's registries of special-purpose addresses do not call globally reachable, and what leads into such by way of IPv4. */
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
  // Of IPv6 only 2000::/3 is given out.
  ["::", 3, "ipv6"],
  ["4000::", 2, "ipv6"],
  ["8000::", 1, "ipv6"],
  ["2001::", 23, "ipv6"],
  ["2001:db8::", 32, "ipv6"],
  ["2002::", 16, "ipv6"],
  ["3fff::", 20, "ipv6"],
];

/** One for each family: a list of both would take an IPv4 address for the IPv6 one that it is mapped to. */
const blocked = { ipv4: new BlockList(), ipv6: new BlockList() };
for (const [address, prefix, family] of special) blocked[family].addSubnet(address, prefix, family);

/** Whether an IP address is one of the public internet. */
export function isPublicAddress(address: string): boolean {
  if (isIP(address) === 0) return false;
  const family = isIP(address) === 4 ? "ipv4" : "ipv6";
  return !blocked[family].check(address, family);
}

/**
 * Asks only where `isAllowed` lets it: each connection, also that of a redirect, is checked by the address that it is made
 * to, so that a name cannot lead elsewhere the second time that it is looked up. It knows no proxy, which would look names up itself.
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
      // What is an address already is not looked up.
      const host = options.hostname.replace(/^\[|\]$/g, "");
      if (isIP(host) !== 0 && !isAllowed(host)) return done(refuse(host), null);
      connect(options, done);
    },
  });
}
