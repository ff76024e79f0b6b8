/**
 * Finds and binds the MPI library. There are two binary interfaces: Open MPI's handles are addresses of objects in the
 * library; those of MPICH (and of Intel MPI and MVAPICH, which follow it) are integers.
 */

import koffi from "koffi";
import { cFunction } from "../c-library.node.ts";
import { causeText, SenetError } from "../errors.ts";

/** A handle of a communicator or type. */
export type Handle = bigint | number;
type Native = (...args: readonly (Handle | ArrayBufferView | null)[]) => number;

export type Flavour = "Open MPI" | "MPICH";

/**
 * Memory that native code may keep a pointer to: V8 moves small typed arrays, but never the contents of an ArrayBuffer.
 */
export const ownMemory = (bytes: number): ArrayBuffer => new ArrayBuffer(Math.max(8, bytes));

export interface MpiLibrary {
  readonly flavour: Flavour;
  readonly path: string;
  /** Name and version: `Open MPI v4.1.4`. */
  readonly version: string;
  /** Initialises the library. @returns its level of thread support */
  init(): number;
  finalize(): void;
  /** Ends all processes of the job; may not return. */
  abort(code: number): void;
  rank(): number;
  size(): number;
  /** The communicator of all processes. */
  readonly world: Handle;
  /** A communicator of the same processes with separate messages. */
  duplicate(): Handle;
  /** @param most largest number of messages under way */
  messages(channel: Handle, most: number): Messages;
  /** Receives a message on `world` if one has arrived. @returns whether there was one */
  take(data: ArrayBufferView, from: number, tag: number): boolean;
  /** Adds element by element, locally; several times as fast as V8. */
  add(from: Float32Array, into: Float32Array): void;
}

/** Messages that are started one by one and checked together, which also advances them. Their memory must not move. */
export interface Messages {
  send(data: ArrayBufferView, to: number, tag: number): void;
  receive(data: ArrayBufferView, from: number, tag: number): void;
  /** Whether all started messages are done; then new ones can be started. */
  areDone(): boolean;
}

export const pathVariable = "SENET_MPI";
const install = "apt-get install openmpi-bin (or mpich), or SENET_MPI=path of libmpi.so";

const names: Readonly<Record<Flavour, readonly string[]>> = {
  "Open MPI": ["libmpi.so.40", "libmpi.40.dylib", "/opt/homebrew/lib/libmpi.dylib"],
  MPICH: ["libmpi.so.12", "libmpich.so.12", "libmpi.12.dylib"],
};

/** Library names to try, the launcher's kind first. */
export const candidates = (first: Flavour): readonly string[] => [
  ...names[first],
  ...names[first === "MPICH" ? "Open MPI" : "MPICH"],
];

/**
 * @param first the kind of MPI of the launcher
 * @throws SenetError `executor` where none is found, or the named file is not one
 */
export function loadMpi(first: Flavour, path: string | undefined = process.env[pathVariable]): MpiLibrary {
  const isGiven = path !== undefined && path !== "";
  const reasons: string[] = [];
  for (const candidate of isGiven ? [path] : candidates(first)) {
    try {
      return bind(candidate);
    } catch (cause) {
      reasons.push(`${candidate}: ${causeText(cause).split("\n")[0]}`);
    }
  }
  throw new SenetError("executor", "no MPI library was found on this machine", {
    ...(isGiven ? { where: `${pathVariable}=${path}` } : {}),
    expected: "Open MPI 4 or 5 (libmpi.so.40), or MPICH 3.4 or later, or one with its interface (libmpi.so.12)",
    found: reasons,
    hint: install,
  });
}

/** @throws the system loader's error */
function bind(path: string): MpiLibrary {
  // UCX, the transport of MPICH and some builds of Open MPI, hooks memory management, which crashed V8 once. This
  // variable is read while the library loads.
  process.env.UCX_MEM_EVENTS ??= "no";
  // Open MPI's plugins look for its symbols globally.
  const library = koffi.load(path, { global: true });
  const version = versionOf(library);
  const flavour: Flavour = hasSymbol(library, "ompi_mpi_comm_world") ? "Open MPI" : "MPICH";
  const isOpen = flavour === "Open MPI";
  const handle = isOpen ? "void *" : "int";
  const native = (name: string, ...parameters: readonly string[]): Native =>
    library.func(`int MPI_${name}(${parameters.join(", ")})`) as unknown as Native;
  const symbol = (name: string): Handle => koffi.address(library.symbol(name, "void *")) as Handle;
  const world = isOpen ? symbol("ompi_mpi_comm_world") : 0x44000000;
  const byte = isOpen ? symbol("ompi_mpi_byte") : 0x4c00010d;
  const float = isOpen ? symbol("ompi_mpi_float") : 0x4c00040a;
  const sum = isOpen ? symbol("ompi_mpi_op_sum") : 0x58000003;
  const ignore = isOpen ? 0n : 1n;

  const [pointer, int] = ["void *", "int"];
  const single = [pointer, int, handle, int, int, handle, pointer];
  const functions = {
    init: native("Init_thread", pointer, pointer, int, pointer),
    finalize: native("Finalize"),
    abort: native("Abort", handle, int),
    rank: native("Comm_rank", handle, pointer),
    size: native("Comm_size", handle, pointer),
    duplicate: native("Comm_dup", handle, pointer),
    send: native("Isend", ...single),
    receive: native("Irecv", ...single),
    probe: native("Iprobe", int, int, handle, pointer, pointer),
    take: native("Recv", ...single),
    testAll: native("Testall", int, pointer, pointer, pointer),
    add: native("Reduce_local", pointer, pointer, int, handle, handle),
  };
  const flag = new Int32Array(ownMemory(4));
  const check = (name: keyof typeof functions, status: number): void => {
    if (status !== 0)
      throw new SenetError("executor", `MPI failed (${name})`, { where: path, found: `error ${status}` });
  };
  const ask = (name: "rank" | "size"): number => {
    const answer = new Int32Array(ownMemory(4));
    check(name, functions[name](world, answer));
    return answer[0]!;
  };
  const handleBytes = isOpen ? 8 : 4;
  const messages = (channel: Handle, most: number): Messages => {
    const all = new Uint8Array(ownMemory(handleBytes * most));
    const requests = Array.from({ length: most }, (_, i) => all.subarray(handleBytes * i));
    let count = 0;
    return {
      send(data, to, tag) {
        check("send", functions.send(data, data.byteLength, byte, to, tag, channel, requests[count++]!));
      },
      receive(data, from, tag) {
        check("receive", functions.receive(data, data.byteLength, byte, from, tag, channel, requests[count++]!));
      },
      areDone() {
        if (count === 0) return true;
        check("testAll", functions.testAll(count, all, flag, ignore));
        if (flag[0] === 0) return false;
        count = 0;
        return true;
      },
    };
  };
  return {
    flavour,
    path,
    version,
    init() {
      const granted = new Int32Array(ownMemory(4));
      const funneled = 1;
      check("init", functions.init(null, null, funneled, granted));
      return granted[0]!;
    },
    finalize: () => check("finalize", functions.finalize()),
    abort: (code) => void functions.abort(world, code),
    rank: () => ask("rank"),
    size: () => ask("size"),
    world,
    duplicate() {
      const made = new BigInt64Array(ownMemory(8));
      check("duplicate", functions.duplicate(world, made));
      return isOpen ? made[0]! : new Int32Array(made.buffer)[0]!;
    },
    messages,
    take(data, from, tag) {
      check("probe", functions.probe(from, tag, world, flag, ignore));
      if (flag[0] === 0) return false;
      check("take", functions.take(data, data.byteLength, byte, from, tag, world, ignore));
      return true;
    },
    add: (from, into) => check("add", functions.add(from, into, into.length, float, sum)),
  };
}

function hasSymbol(library: ReturnType<typeof koffi.load>, name: string): boolean {
  try {
    library.symbol(name, "void *");
    return true;
  } catch {
    return false;
  }
}

/** Works before initialisation. */
function versionOf(library: ReturnType<typeof koffi.load>): string {
  const text = new Uint8Array(8192);
  const length = new Int32Array(ownMemory(4));
  const ask = library.func("int MPI_Get_library_version(void *text, void *length)") as unknown as Native;
  ask(text, length);
  const first = new TextDecoder().decode(text.subarray(0, length[0])).split(/[\n,]/)[0]!;
  return first.replace("MPICH Version:", "MPICH").replaceAll(/\s+/g, " ").replace("\0", "").trim();
}

/** Lets the system end this process after this many seconds, even if it hangs in a library. */
export function endIn(seconds: number): void {
  cFunction("unsigned int alarm(unsigned int seconds)")?.(seconds);
}
