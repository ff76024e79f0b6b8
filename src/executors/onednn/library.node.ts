/** Finds oneDNN on this machine and loads it. */

import { existsSync, readdirSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import koffi from "koffi";
import { cFunction } from "../../c-library.node.ts";
import { causeText, option, SenetError } from "../../errors.ts";
import { faultOfTrial, probe, truncationOf } from "./probe.node.ts";
import type { ElementType } from "./spec.ts";

/** Address of a native object. */
export type Handle = bigint;
/** A pointer argument: an address, our memory, or null. */
export type Pointer = Handle | ArrayBufferView | null;
export type NativeFunction<Result> = (...args: readonly (Pointer | number)[]) => Result;

export interface Version {
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
}

export interface Library {
  /** The file it was loaded from. */
  readonly path: string;
  readonly version: Version;
  /** The instruction set that it uses on this processor, in version 3's numbers; see `hasIsa`. */
  readonly isa: number;
  /**
   * Binds a function by its C declaration without prefix: `int stream_wait(void *stream)`.
   * @throws SenetError `executor` where the library has no such function
   */
  bind<Result = number>(declaration: string): NativeFunction<Result>;
}

/**
 * The version likely to be faster if both are installed, used where nothing is measured. Version 3 has no Winograd
 * algorithm, so a float32 training step of SE-ResNet-50 takes a third longer (docs/log.md); its code for AMX tiles is
 * up to four times as fast (docs/engines.md).
 */
export const versionFor = (type: ElementType, isa: number): 2 | 3 => (type !== "f32" && hasIsa(isa, "amx") ? 3 : 2);

/** Names to try: the system's search path, Debian's versioned names (`libdnnl.so.3.6`), then Homebrew's folder. */
export const candidates = (first: 2 | 3): readonly string[] => [
  ...(first === 2 ? ["libdnnl.so.2"] : []),
  "libdnnl.so.3",
  ...versionedNames([...givenFolders(), ...systemFolders]),
  ...(first === 3 ? ["libdnnl.so.2"] : []),
  "/opt/homebrew/opt/onednn/lib/libdnnl.dylib",
  "/usr/local/opt/onednn/lib/libdnnl.dylib",
  "libdnnl.3.dylib",
  "dnnl.dll",
];

/** Folders that the system searches first. */
const givenFolders = (): readonly string[] =>
  (process.env.LD_LIBRARY_PATH ?? "").split(":").filter((folder) => folder !== "");

const debianArchitecture = process.arch === "arm64" ? "aarch64" : "x86_64";
const systemFolders: readonly string[] = [
  "/usr/lib",
  "/usr/lib64",
  `/usr/lib/${debianArchitecture}-linux-gnu`,
  "/usr/local/lib",
];

/** Files in these folders that are libraries of version 3, newest first. */
export function versionedNames(folders: readonly string[]): readonly string[] {
  const found = folders.flatMap((folder) => {
    const names = existsSync(folder) ? readdirSync(folder) : [];
    return names.filter((name) => /^libdnnl\.so\.3\.\d+$/.test(name)).map((name) => join(folder, name));
  });
  const minor = (path: string) => Number(path.slice(path.lastIndexOf(".") + 1));
  return found.sort((a, b) => minor(b) - minor(a));
}

const supported = [2, 3];
export const pathVariable = "SENET_ONEDNN";
const install =
  "apt-get install libdnnl2 (Debian 12) or libdnnl3.6 (Debian 13), brew install onednn (macOS), or SENET_ONEDNN=path";

/**
 * Loads oneDNN. @param path the value of `SENET_ONEDNN`; if set, only that file is tried. It may be anything, so it is
 * first loaded once in another process; files found by the system's search are only checked for completeness.
 * @param first the version to look for first
 * @throws SenetError `executor` where there is none, or none that can be used: then `where` names one that was given or is there
 */
export function loadLibrary(path: string | undefined = process.env[pathVariable], first: 2 | 3 = 2): Library {
  if (path !== undefined && path !== "") return givenLibrary(path);
  let fault: SenetError | undefined;
  const reasons: string[] = [];
  for (const candidate of candidates(first)) {
    const files = filesOf(candidate);
    try {
      files.forEach(refuseCutOff);
      return tried(open(candidate));
    } catch (cause) {
      reasons.push(`${candidate}: ${loadFault(cause)}`);
      if (cause instanceof SenetError) fault ??= cause;
      else if (files.length > 0) fault ??= unusable(files[0]!, loadFault(cause));
    }
  }
  throw fault ?? new SenetError("executor", "oneDNN was not found on this machine", { ...wanted, found: reasons });
}

function givenLibrary(path: string): Library {
  const where = `${pathVariable}=${path}`;
  try {
    probe(path);
    return tried(open(path));
  } catch (cause) {
    if (!(cause instanceof SenetError)) throw unusable(where, loadFault(cause));
    throw new SenetError(cause.code, cause.what, { ...cause.details, where });
  }
}

/** Libraries that were found but fail their trial, in a line each. */
const faulty = new Map<string, string>();

export const leftAlone = (): readonly string[] => [...faulty.values()];

/** @throws SenetError `executor` where the library fails its trial */
function tried(library: Library): Library {
  const fault = faultOfTrial(library);
  if (fault === undefined) return library;
  const { path, version } = library;
  faulty.set(path, `oneDNN ${formatVersion(version)} (${path}) is left alone: ${fault}`);
  throw new SenetError("executor", "this library of oneDNN cannot be used on this processor", {
    where: path,
    found: fault,
    hint: "version 2 of oneDNN; on a virtual machine one that shows the processor's caches",
  });
}

/** What the system's loader says, without what koffi says before it. */
const loadFault = (cause: unknown): string => causeText(cause).replace(/^Failed to load shared library: /, "");

const wanted = { expected: `a library of version ${supported.join(" or ")}`, hint: install };

const unusable = (where: string, found: string): SenetError =>
  new SenetError("executor", "this library of oneDNN does not load", { where, ...wanted, found });

/** The files of this name where systems look, as far as is known. */
function filesOf(name: string): readonly string[] {
  const paths = isAbsolute(name) ? [name] : [...givenFolders(), ...systemFolders].map((folder) => join(folder, name));
  return paths.filter((path) => existsSync(path));
}

/** Any of them may be the one that the system takes. @throws SenetError `executor` */
function refuseCutOff(path: string): void {
  const truncation = truncationOf(path);
  if (truncation !== undefined) throw unusable(path, truncation);
}

/** @throws the system loader's error; SenetError `executor` where the library is not a supported oneDNN */
export function open(path: string): Library {
  const native = koffi.load(path);
  keepLoaded(path);
  const bind = <Result>(declaration: string): NativeFunction<Result> => {
    const [, result, name, parameters] = /^(.*?)(\w+)\((.*)\)$/.exec(declaration)!;
    try {
      return native.func(`${result}dnnl_${name}(${parameters})`) as unknown as NativeFunction<Result>;
    } catch (cause) {
      throw new SenetError("executor", `the oneDNN library has no function dnnl_${name}`, {
        where: path,
        hint: `another build of oneDNN (${install}), or ${option("executor")} ort`,
        cause,
      });
    }
  };
  const [major, minor, patch] = koffi.decode(bind<Handle>("void *version()")(), "int", 3) as Int32Array;
  const version = { major: major!, minor: minor!, patch: patch! };
  if (!supported.includes(version.major)) {
    throw new SenetError("executor", "this version of oneDNN is not supported", {
      where: path,
      expected: `version ${supported.join(" or ")}`,
      found: formatVersion(version),
      hint: install,
    });
  }
  return { path, version, isa: isaOf(version, bind<number>("int get_effective_cpu_isa()")()), bind };
}

/**
 * Keeps one more reference to the library. Otherwise Node would unload it at exit while OpenMP threads are still in its
 * code, and crash.
 */
function keepLoaded(path: string): void {
  const now = 2;
  const noDelete = process.platform === "darwin" ? 0x80 : 0x1000;
  cFunction("void *dlopen(const char *path, int flags)")?.(path, now | noDelete);
}

export const formatVersion = ({ major, minor, patch }: Version): string => `${major}.${minor}.${patch}`;

/** Version 2 has another number for AVX2 with VNNI, whose own it gives to processors that are long gone (Xeon Phi). */
export const isaOf = ({ major }: Pick<Version, "major">, number: number): number =>
  major === 2 ? (number & ~0x418) | (number & 0x400 ? 0x8 : 0) : number;

/** Instruction sets by version 3's numbers: each larger set has the bits of the smaller ones. */
const isas = { avx2: 0x7, avx2Vnni: 0xf, avx512: 0x27, avx512Vnni: 0x67, avx512Bf16: 0xe7, amx: 0x3e7 } as const;

/** @param isa the library's instruction set */
export const hasIsa = (isa: number, name: keyof typeof isas): boolean => (isa & isas[name]) === isas[name];

/**
 * Whether the processor has eight-bit multiply-add (VNNI). Without it the library uses 16 bits, in which sums may
 * overflow.
 */
export const hasEightBits = (isa: number): boolean => hasIsa(isa, "avx512Vnni") || hasIsa(isa, "avx2Vnni");

/** The C string at an address. */
export const textAt = (address: Handle): string => koffi.decode(address, "char", -1) as string;

/** Processor time of this thread in milliseconds; wall-clock time where Linux does not tell. */
export function threadMilliseconds(): number {
  if (process.platform !== "linux") return performance.now();
  const ofThread = 3;
  cFunction("int clock_gettime(int clock, void *time)")!(ofThread, time);
  return Number(time[0]!) * 1e3 + Number(time[1]!) / 1e6;
}

/** Seconds and nanoseconds. */
const time = new BigInt64Array(2);
