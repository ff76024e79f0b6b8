/** What this process may use of its machine: processors, caches, instruction sets. */

import { existsSync, readFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import { join } from "node:path";

/** Where facts about the machine are read from; tests substitute their own. */
export interface Machine {
  /** The folder that contains `proc` and `sys`. */
  readonly root: string;
  /** Number of processors that this process may run on. */
  readonly parallelism: number;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

const thisMachine = (): Machine => ({
  root: "/",
  parallelism: availableParallelism(),
  environment: process.env,
});

/**
 * Number of threads that can run at once: the processors that this process may run on (`taskset`, a cpuset), or the CPU
 * quota of its control groups if that is less; at least 1.
 */
export function machineThreads(machine: Machine = thisMachine()): number {
  return Math.max(1, Math.floor(Math.min(machine.parallelism, cpuQuota(machine.root))));
}

/** Default number of threads: the same, but at most `OMP_NUM_THREADS`. */
export function usableThreads(machine: Machine = thisMachine()): number {
  const most = machineThreads(machine);
  // A list is for nested teams; the first number is the outer one's.
  const wanted = Number.parseInt(machine.environment.OMP_NUM_THREADS ?? "", 10);
  return wanted >= 1 ? Math.min(most, wanted) : most;
}

/**
 * Largest useful number of loader threads. They also wait for disks, so there may be more than can run at once. Each
 * takes some tens of megabytes.
 */
export const mostWorkers = (machine?: Machine): number => 4 * machineThreads(machine);

/** Describes the number of threads: `1 of 16 processors (OMP_NUM_THREADS=1)`. */
export function describeThreads(machine: Machine = thisMachine(), processors: number = cpus().length): string {
  const threads = usableThreads(machine);
  const quota = cpuQuota(machine.root);
  const reasons = [
    ...(machine.parallelism < processors ? [`this process may run on ${machine.parallelism}`] : []),
    ...(quota < machine.parallelism ? [`the CPU quota pays for ${Number(quota.toFixed(2))}`] : []),
    ...(threads < machineThreads(machine) ? [`OMP_NUM_THREADS=${machine.environment.OMP_NUM_THREADS}`] : []),
  ];
  return reasons.length === 0 ? `${threads}` : `${threads} of ${processors} processors: ${reasons.join(", ")}`;
}

/** CPU quota of this process's control groups, the smallest of all levels; infinite without one. */
function cpuQuota(root: string): number {
  const quotas = cgroupFolders("cpu", root).map((folder) => {
    // Version 2 has both numbers in one file, version 1 in two; "max" and −1 mean no limit.
    const [quota, period] =
      systemText(join(folder, "cpu.max"))?.split(/\s+/) ??
      ["cpu.cfs_quota_us", "cpu.cfs_period_us"].map((name) => systemText(join(folder, name)));
    const share = Number(quota) / Number(period);
    return share > 0 ? share : Number.POSITIVE_INFINITY;
  });
  return Math.min(...quotas);
}

/**
 * The folders of this process's control groups for a controller, its own first, then its parents. A container may see
 * the path that its host has, which does not exist inside; then only existing parents count.
 */
export function cgroupFolders(controller: "cpu" | "memory", root = "/"): readonly string[] {
  const at = join(root, "sys/fs/cgroup");
  const groups = (systemText(join(root, "proc/self/cgroup")) ?? "").split("\n").flatMap((line) => {
    // hierarchy:controllers:path; version 2 has no controllers.
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers === undefined || path === undefined) return [];
    if (controllers === "") return [at, join(at, "unified")].map((top) => ({ top, path }));
    if (!controllers.split(",").includes(controller)) return [];
    return [...new Set([controllers, controller])].map((name) => ({ top: join(at, name), path }));
  });
  return groups.flatMap(({ top, path }) => {
    const parts = path.split("/").filter((part) => part !== "" && part !== "..");
    const folders = parts.map((_, i) => join(top, ...parts.slice(0, parts.length - i)));
    return [...folders, top].filter((folder) => existsSync(folder));
  });
}

/** Milliseconds that this process has had a processor since it began, all its threads together. */
export function cpuMilliseconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Size of the last-level cache in bytes, which several processors may share; 16 MiB if unknown. */
export function lastCache({ root }: Pick<Machine, "root"> = thisMachine()): number {
  const folder = join(root, "sys/devices/system/cpu/cpu0/cache");
  // Level 1 has separate caches for instructions and data, hence indices 2 and 3.
  const sizes = [3, 2].map((index) => /^(\d+)K$/.exec(systemText(join(folder, `index${index}`, "size")) ?? "")?.[1]);
  const kilobytes = Number(sizes.find((size) => size !== undefined) ?? 16 * 1024);
  return kilobytes * 1024;
}

/** The text of a file of the system, if it exists. */
export function systemText(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8").trim();
  } catch {
    return undefined;
  }
}

/** Instruction sets that matter for networks, by Linux's names. */
const tellingSets = [
  ...["avx2", "avx512f", "avx_vnni", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_int8", "amx_bf16", "amx_fp16"],
  ...["asimd", "sve", "bf16", "i8mm"],
] as const;

/** The processor's instruction sets that matter for networks, by Linux's names; empty if unknown. */
export function instructionSets({ root }: Pick<Machine, "root"> = thisMachine()): readonly string[] {
  const file = join(root, "proc", "cpuinfo");
  if (!existsSync(file)) return [];
  const [, flags = ""] = /^(?:flags|Features)\s*:(.*)$/m.exec(readFileSync(file, "latin1")) ?? [];
  const has = new Set(flags.split(/\s+/));
  return tellingSets.filter((name) => has.has(name));
}
