/** Memory: how much of it this process may still use, huge pages, and giving it back. */

import { freemem } from "node:os";
import { join } from "node:path";
import { cFunction, memoryAddress } from "./c-library.node.ts";
import { option, SenetError } from "./errors.ts";
import { cgroupFolders, systemText } from "./machine.node.ts";
import { gibibytes } from "./text-output.ts";

/**
 * Bytes available before the system swaps, refuses or kills: the minimum of the system's free memory, of what the
 * control groups (a container's limit) leave, and of what `ulimit` leaves (`-v` and `-d`).
 * @param root the folder that contains `proc` and `sys`; tests substitute their own
 */
export function availableMemory(root = "/"): number {
  return Math.max(0, Math.min(ofSystem(root), ...ofGroups(root), ...ofLimits(root)));
}

/**
 * Bytes that this process could have in all: more would only be promised. The system promises any amount, and ends the
 * process when it uses it.
 */
export const attainableMemory = (): number => availableMemory() + process.memoryUsage.rss();

/**
 * Refuses what the system would promise, and end the process for using.
 * @param batches how many batches are in memory at the same time
 * @throws SenetError `usage` where they would exceed the free memory
 */
export function checkBatchesFit(batchSize: number, pictureBytes: number, batches = 1): void {
  const wanted = batches * batchSize * pictureBytes;
  const available = availableMemory();
  if (wanted <= available) return;
  throw new SenetError("usage", "the batches are too large for the memory that is left", {
    where: option("batchSize"),
    expected: `at most ${gibibytes(available)} for ${batches === 1 ? "a batch" : `${batches} batches`}`,
    found: `${gibibytes(wanted)} for batches of ${batchSize} pictures`,
    hint: `${option("batchSize")} ${Math.max(1, Math.floor(available / 4 / batches / pictureBytes))}, or smaller pictures`,
  });
}

/** The bytes of a line `Name: 123 kB` in a file of /proc. */
function kilobytes(text: string | undefined, name: string): number | undefined {
  const found = new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(text ?? "");
  return found === null ? undefined : Number(found[1]) * 1024;
}

const ofSystem = (root: string): number =>
  // Falls back to free memory without reclaimable caches.
  kilobytes(systemText(join(root, "proc/meminfo")), "MemAvailable") ?? freemem();

/**
 * Bytes left in the control groups. Version 2 has a hard and a throttling limit, version 1 has one with another name.
 * Reclaimable caches count as free.
 */
function ofGroups(root: string): number[] {
  return cgroupFolders("memory", root).map((folder) => {
    const number = (name: string) => {
      const text = systemText(join(folder, name));
      return text === undefined || text === "max" ? undefined : Number(text);
    };
    const limits = ["memory.max", "memory.high", "memory.limit_in_bytes"].map(number);
    const limit = Math.min(...limits.map((value) => value ?? Number.POSITIVE_INFINITY));
    const used = number("memory.current") ?? number("memory.usage_in_bytes") ?? 0;
    const stat = systemText(join(folder, "memory.stat")) ?? "";
    const unused = Number((/^total_inactive_file (\d+)/m.exec(stat) ?? /^inactive_file (\d+)/m.exec(stat))?.[1] ?? 0);
    return limit - Math.max(0, used - unused);
  });
}

const ofLimits = (root: string): number[] => [availableAddresses(root), ofLimit(root, "Max data size", "VmData")];

/** Bytes of address space that `ulimit -v` leaves; threads reserve much more of it than they use. */
export const availableAddresses = (root = "/"): number => ofLimit(root, "Max address space", "VmSize");

/** What a limit of `ulimit` leaves. */
const ofLimit = (root: string, name: string, taken: string): number =>
  limit(root, name) - (kilobytes(systemText(join(root, "proc/self/status")), taken) ?? 0);

/** A limit of `ulimit` in bytes; infinite without one. */
function limit(root: string, name: string): number {
  const limits = systemText(join(root, "proc/self/limits")) ?? "";
  const most = new RegExp(`^${name}\\s+(\\d+)`, "m").exec(limits)?.[1];
  return most === undefined ? Number.POSITIVE_INFINITY : Number(most);
}

/**
 * Address space that a thread of JavaScript reserves, mostly without using it. Where `ulimit -v` leaves less, V8 would
 * abort the process.
 */
const scriptThreadAddresses = 768 * 2 ** 20;

/**
 * How many threads of JavaScript the address space has room for: infinitely many without a limit.
 * @param purpose what they are for: `to prepare pictures in`
 * @throws SenetError `usage` where there is no room for one
 */
export function scriptThreadsThatFit(purpose: string, addresses = availableAddresses()): number {
  if (addresses >= scriptThreadAddresses) return Math.floor(addresses / scriptThreadAddresses);
  const mib = (bytes: number) => `${Math.max(0, Math.floor(bytes / 2 ** 20))} MiB`;
  throw new SenetError("usage", `there is too little address space ${purpose}`, {
    expected: `${mib(scriptThreadAddresses)} for a thread`,
    found: `${mib(addresses)} left by \`ulimit -v\``,
    hint: "ulimit -v unlimited, or 4000000 at least",
  });
}

/**
 * Bytes of address space for the stack of an OpenMP thread: `OMP_STACKSIZE`, in kilobytes unless it has a unit, or
 * what `ulimit -s` says. (OpenMP 5.2, section 21.2.1; pthread_create(3).)
 */
export function stackBytes(
  root = "/",
  environment: Readonly<Record<string, string | undefined>> = process.env,
): number {
  const units = { b: 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 } as const;
  const said = environment.OMP_STACKSIZE ?? environment.GOMP_STACKSIZE ?? "";
  const [, number, unit = "k"] = /^\s*(\d+)\s*([bkmg])?\s*$/i.exec(said) ?? [];
  if (number !== undefined) return Math.max(1, Number(number) * units[unit.toLowerCase() as keyof typeof units]);
  const usual = 8 * 2 ** 20;
  const most = limit(root, "Max stack size");
  return Number.isFinite(most) ? Math.max(1, most) : usual;
}

/** Size of a huge page on x86-64, and on arm64 with 4 KiB pages. */
export const hugePage = 2 ** 21;

/**
 * Asks Linux for huge pages from the buffer's first boundary of one to its end. Must be called before the memory is
 * touched. Where nothing can be asked for, or there is no whole page, nothing happens.
 */
export function adviseHugePages(buffer: ArrayBufferLike): void {
  if (process.platform !== "linux" || buffer.byteLength < 2 * hugePage) return;
  const madvise = cFunction("int madvise(void *address, size_t length, int advice)");
  if (madvise === undefined) return;
  const hugePages = 14;
  const address = memoryAddress(new Uint8Array(buffer, 0, 1));
  const start = offsetToBoundary(address, hugePage);
  madvise(address + BigInt(start), buffer.byteLength - start, hugePages);
}

/** Bytes from the address to the next multiple of `boundary`. */
export function offsetToBoundary(address: bigint, boundary: number): number {
  const over = Number(address % BigInt(boundary));
  return over === 0 ? 0 : boundary - over;
}

/**
 * Gives freed memory back to the system. glibc keeps it otherwise: once a large piece has been freed, pieces of that
 * size come from its heaps, which rarely shrink, so that a server grew by 300 MB over its first reloads (docs/log.md).
 * Does nothing where there is no glibc.
 */
export function returnFreed(): void {
  cFunction("int malloc_trim(size_t keptBytes)")?.(0);
}
