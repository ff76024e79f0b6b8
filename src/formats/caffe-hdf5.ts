/**
 * Caffe's networks saved as HDF5 (`snapshot_format: HDF5`): a dataset `/data/LAYER/0`, `/data/LAYER/1`, ... for each blob.
 *
 * HDF5 itself is read by h5wasm, the format's C library as WebAssembly, loaded when the first such file comes. It works
 * in its own memory on a copy of the file, so that this reader, unlike the others, gives copies.
 */

import { SenetError } from "../errors.ts";
import { sizeOf, type Tensor, tensor } from "../tensor.ts";
import { type Fail, failAt, fetchAgain, shownName } from "./bytes.ts";
import type { CaffeLayer } from "./caffemodel.ts";

type Library = typeof import("h5wasm");
type Group = InstanceType<Library["Group"]>;
type FileSystem = Awaited<Library["ready"]>["FS"];
type Dataset = InstanceType<Library["Dataset"]>;

/** Links may form cycles, and a small file may link one group many times: no honest object takes fewer bytes. */
const bytesPerObject = 64;
const mostObjects = 100_000;
const deepest = 16;

/** Class and order of numbers in the library's words. */
const floatClass = 1;

let opened = 0;
let isSilent = false;

/**
 * The blobs of each layer by the layer's name, in order. Layers without weights have none in such files; what they
 * are and how they are connected is in the prototxt.
 * @param where the file's name, for errors
 * @throws SenetError `weights` (as a rejection) where the file is damaged or is not one of Caffe's
 */
export async function parseCaffeHdf5(bytes: Uint8Array, where: string): Promise<Map<string, Tensor[]>> {
  const fail: Fail = (what, details) => failAt(where)(what, { hint: fetchAgain, ...details });
  const library = await import("h5wasm");
  const { FS } = await library.ready;
  silence(FS);
  // A name of its own: files that are open at the same time are told apart by it.
  const path = `senet-${opened++}.h5`;
  let file: InstanceType<Library["File"]> | undefined;
  try {
    FS.writeFile(path, bytes);
    file = new library.File(path, "r");
    if (file.file_id < 0n) fail("this is not an HDF5 file, or it is damaged");
    const data = file.get("data");
    if (!(data instanceof library.Group)) {
      return fail("the file has no group /data", { expected: "/data/LAYER/0, 1, ... as Caffe writes them" });
    }
    const reading: Reading = { library, fail, left: allowanceFor(bytes) };
    const layers = new Map<string, Tensor[]>();
    readGroup(data, "", 0, reading, layers);
    if (layers.size === 0) fail("there is no layer with weights in the group /data");
    return layers;
  } catch (cause) {
    if (cause instanceof SenetError) throw cause;
    return fail("the file's HDF5 structures are damaged", { cause });
  } finally {
    close(file);
    // It is not there where it could not be written.
    if (FS.analyzePath(path).exists) FS.unlink(path);
  }
}

/**
 * The library prints a page for every fault that it finds in a file; we say it in one line. (Its handler that throws
 * instead leaves the file open, and the library confused.)
 */
function silence(FS: FileSystem): void {
  if (isSilent) return;
  isSilent = true;
  // The library's types leave this function out.
  FS.close((FS as FileSystem & { getStream(descriptor: number): Parameters<FileSystem["close"]>[0] }).getStream(2));
  // The lowest free descriptor is the one that was just closed.
  FS.open("/dev/null", "w");
}

function close(file: { close(): unknown } | undefined): void {
  try {
    file?.close();
  } catch {
    // A damaged file may fail here once more; there is nothing left to lose.
  }
}

const allowanceFor = ({ length }: Uint8Array): Reading["left"] => ({
  objects: Math.min(mostObjects, Math.ceil(length / bytesPerObject)),
  bytes: 8 * length,
});

interface Reading {
  readonly library: Library;
  readonly fail: Fail;
  /** What may still be read, so that a small file cannot become large. */
  readonly left: { objects: number; bytes: number };
}

/** Names of layers may have slashes, which make groups within groups: a group with datasets is a layer. */
function readGroup(group: Group, name: string, depth: number, reading: Reading, layers: Map<string, Tensor[]>): void {
  const { library, fail, left } = reading;
  if (depth > deepest) fail(`groups are nested more than ${deepest} deep`);
  const blobs = new Map<string, Tensor>();
  for (const key of group.keys()) {
    if (--left.objects < 0) fail("the file has more objects than it can hold, some of them many times over");
    const child = name === "" ? key : `${name}/${key}`;
    // Caffe writes none, and what they lead to may be anywhere, in other files too.
    if (group.get_link(`${group.path}/${key}`) !== null) {
      fail(`${shownName(child)} is a link to something else, which Caffe never writes`);
    }
    const object = group.get(key);
    if (object instanceof library.Group) readGroup(object, child, depth + 1, reading, layers);
    else if (object instanceof library.Dataset) blobs.set(key, readDataset(object, child, reading));
    else fail(`${shownName(child)} is neither group nor dataset`);
  }
  if (blobs.size === 0) return;
  const ordered = Array.from({ length: blobs.size }, (_, i) => blobs.get(`${i}`));
  const missing = ordered.indexOf(undefined);
  if (missing >= 0) {
    fail(`the layer ${shownName(name)} has no blob ${missing}`, {
      found: [...blobs.keys()].slice(0, 5).map(shownName).join(", "),
    });
  }
  layers.set(name, ordered as Tensor[]);
}

function readDataset(dataset: Dataset, name: string, { fail, left }: Reading): Tensor {
  const { type, size, littleEndian, shape, virtual_sources } = dataset.metadata;
  if (
    type !== floatClass ||
    (size !== 4 && size !== 8) ||
    !littleEndian ||
    virtual_sources !== undefined ||
    shape === null
  ) {
    return fail(`the dataset ${shownName(name)} does not hold floats`, {
      expected: "float32 or float64, little-endian",
    });
  }
  // Before the values are asked for: a dataset may claim any size and hold nothing.
  left.bytes -= sizeOf(shape) * size;
  if (!(left.bytes >= 0))
    fail(`the dataset ${shownName(name)} is larger than the file can hold`, { found: `[${shape.join(", ")}]` });
  const data = sizeOf(shape) === 0 ? (size === 4 ? new Float32Array() : new Float64Array()) : dataset.value;
  const isFloats = (data instanceof Float32Array && size === 4) || (data instanceof Float64Array && size === 8);
  if (!isFloats || data.length !== sizeOf(shape)) {
    return fail(`the values of the dataset ${shownName(name)} cannot be read`);
  }
  return tensor(shape, data);
}

/** Blobs without definitions, as these files have them. */
export function bareLayers(blobs: ReadonlyMap<string, readonly Tensor[]>, where: string): CaffeLayer[] {
  return [...blobs].map(([name, blobs]) => {
    const definition = { where: `${where}: layer ${shownName(name)}`, fields: new Map() };
    return { name, type: "", bottoms: [], tops: [], blobs, definition };
  });
}
