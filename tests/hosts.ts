/**
 * Two hosts on this machine: network namespaces with a cable between them and their own host names, so that MPI
 * considers them two machines. The link's speed can be set, and it can be cut.
 */

import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Flavour } from "../src/mpi/library.node.ts";
import { launch, needsMpi } from "./mpi.ts";

interface Host {
  /** The namespace, and the host's name. */
  readonly name: string;
  readonly address: string;
}

/** The ends of the cable, each in its namespace. */
const cable = "cable";

function command(program: string, ...args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${program} ${args.join(" ")}: ${error?.message ?? stderr}`);
  return stdout;
}

const ip = (...args: readonly string[]): string => command("ip", ...args);

/** `{ skip: reason }` if hosts cannot be created or MPI is absent; spread it into a test's options. */
export function needsHosts(flavour: Flavour): { skip: string | false } {
  const mpi = needsMpi(flavour);
  return mpi.skip === false ? { skip: withoutHosts() } : mpi;
}

let reason: string | false | undefined;

function withoutHosts(): string | false {
  if (reason !== undefined) return reason;
  try {
    new Hosts().end();
    reason = false;
  } catch (error) {
    reason = `network namespaces cannot be made here: ${(error as Error).message.split("\n")[0]}`;
  }
  return reason;
}

let made = 0;

export class Hosts {
  readonly #folder = mkdtempSync(join(tmpdir(), "senet-hosts-"));
  /** The launchers' command for starting processes on another host, instead of ssh. */
  readonly #agent = join(this.#folder, "agent");
  readonly hosts: readonly [Host, Host];

  constructor() {
    const number = `${process.pid}-${made++}`;
    const host = (letter: string, last: number): Host => ({
      name: `senet-${letter}-${number}`,
      address: `10.77.0.${last}`,
    });
    this.hosts = [host("a", 1), host("b", 2)];
    const [a, b] = this.hosts;
    try {
      for (const { name } of this.hosts) ip("netns", "add", name);
      ip("link", "add", cable, "netns", a.name, "type", "veth", "peer", "name", cable, "netns", b.name);
      for (const { name, address } of this.hosts) {
        ip("-n", name, "address", "add", `${address}/24`, "dev", cable);
        for (const link of [cable, "lo"]) ip("-n", name, "link", "set", link, "up");
      }
      this.setSpeed(1);
      this.#waitForCable();
    } catch (error) {
      this.end();
      throw error;
    }
    const cases = this.hosts.map(({ name, address }) => `${address}) name=${name};;`).join(" ");
    const inside = `ip netns exec "$name" unshare --uts sh -c 'hostname "$0"; exec sh -c "$1"' "$name" "$*"`;
    writeFileSync(
      this.#agent,
      `#!/bin/sh\nwhile [ "\${1#-}" != "$1" ]; do shift; done\nhost=$1; shift\ncase $host in ${cases} esac\nexec ${inside}\n`,
    );
    chmodSync(this.#agent, 0o755);
  }

  /** The ends come up with a delay. */
  #waitForCable(): void {
    const isUp = ({ name }: Host) => !/tentative|NO-CARRIER/.test(ip("-n", name, "address", "show", "dev", cable));
    for (let tries = 0; tries < 100 && !this.hosts.every(isUp); tries++) spawnSync("sleep", ["0.1"]);
  }

  /** @param gigabits a second, both ways */
  setSpeed(gigabits: number): void {
    // A burst lasts about a millisecond, and queues are short, as in a switch.
    const shape = ["tbf", "rate", `${gigabits}gbit`, "burst", `${Math.round(128 * gigabits)}kb`, "latency", "20ms"];
    for (const { name } of this.hosts) {
      command("ip", "netns", "exec", name, "tc", "qdisc", "replace", "dev", cable, "root", ...shape);
    }
  }

  /** Number of bytes sent from the first host to the second. */
  get sent(): number {
    const [{ name }] = this.hosts;
    const said = command("ip", "netns", "exec", name, "cat", `/sys/class/net/${cable}/statistics/tx_bytes`);
    return Number(said);
  }

  /** Cuts the cable: nothing arrives, and no process is notified. */
  cut(): void {
    const [{ name }] = this.hosts;
    ip("-n", name, "link", "set", cable, "down");
  }

  /** Starts `count` processes from the first host, half of them on each; the other arguments are the command. */
  launch(flavour: Flavour, count: number): readonly string[] {
    const [{ name, address }, other] = this.hosts;
    const there = ["ip", "netns", "exec", name, "unshare", "--uts", "sh", "-c", `hostname ${name}; exec "$@"`, "sh"];
    const each = count / 2;
    const own = ["10.77.0.0/24", "--mca", "oob_tcp_if_include", "10.77.0.0/24"];
    const more =
      flavour === "Open MPI"
        ? [
            ...["--mca", "plm_rsh_agent", this.#agent, "--mca", "btl_tcp_if_include", ...own],
            ...["--host", `${address}:${each},${other.address}:${each}`],
          ]
        : [
            ...["-launcher", "ssh", "-launcher-exec", this.#agent, "-iface", cable],
            ...["-hosts", `${address}:${each},${other.address}:${each}`],
          ];
    return [...there, ...launch(flavour, count, more)];
  }

  /**
   * UCX, MPICH's transport, identifies the machine by its boot id, whatever the host's name, and would use shared
   * memory.
   */
  get env(): Readonly<Record<string, string>> {
    return { UCX_TLS: "tcp,self", UCX_NET_DEVICES: cable };
  }

  /** Processes that run on the hosts. */
  get processes(): readonly number[] {
    return this.hosts.flatMap(({ name }) => ip("netns", "pids", name).split("\n").filter(Boolean).map(Number));
  }

  end(): void {
    for (const { name } of this.hosts) {
      const pids = spawnSync("ip", ["netns", "pids", name], { encoding: "utf8" }).stdout ?? "";
      for (const pid of pids.split("\n").filter(Boolean)) spawnSync("kill", ["-9", pid]);
      spawnSync("ip", ["netns", "delete", name]);
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
