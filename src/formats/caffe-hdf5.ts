/**
 * Reads Caffe networks saved as HDF5 (`snapshot_format: HDF5`): a dataset `/data/LAYER/0`, `/data/LAYER/1`, ... for
 * each blob.
 */

import { sizeOf, type Tensor, tensor } from "../tensor.ts";
import { failAt, shownName } from "./bytes.ts";
import type { CaffeLayer } from "./caffemodel.ts";
import { elsewhere } from "./foreign.ts";
import { type Hdf5Dataset, type Hdf5Group, type Hdf5Reading, readHdf5 } from "./hdf5.ts";

const deepest = 16;

/** HDF5's constants for type class and byte order. */
const floatClass = 1;

/**
 * The blobs of each layer by the layer's name, in order. Layers without weights are absent; what layers are and how
 * they are connected is in the prototxt.
 * @param where the file's name, for errors
 * @throws SenetError `weights` (as a rejection) where the file is damaged or not Caffe's
 */
export function parseCaffeHdf5(bytes: Uint8Array, where: string): Promise<Map<string, Tensor[]>> {
  return readHdf5(bytes, where, (file, reading) => {
    const { library, fail } = reading;
    const data = file.get("data");
    if (!(data instanceof library.Group)) {
      const found = file.keys().slice(0, 5).map(shownName).join(", ") || "nothing";
      return failAt(where)("this HDF5 file is not Caffe's: it has no group /data", {
        expected: "/data/LAYER/0, 1, ... as Caffe writes them",
        found,
        hint: elsewhere,
      });
    }
    const layers = new Map<string, Tensor[]>();
    readGroup(data, "", 0, reading, layers);
    if (layers.size === 0) {
      fail("there is no layer with weights in the group /data", { expected: "/data/LAYER/0, 1, ...", found: "none" });
    }
    return layers;
  });
}

/** Layer names may contain slashes, which create nested groups: a group with datasets is a layer. */
function readGroup(
  group: Hdf5Group,
  name: string,
  depth: number,
  reading: Hdf5Reading,
  layers: Map<string, Tensor[]>,
): void {
  const { library, fail } = reading;
  if (depth > deepest) {
    fail(`groups are nested more than ${deepest} deep`, { expected: `at most ${deepest}`, found: "more" });
  }
  const blobs = new Map<string, Tensor>();
  for (const key of group.keys()) {
    reading.takeObject();
    const child = name === "" ? key : `${name}/${key}`;
    // Caffe writes no links, and their targets could be anywhere, even in other files.
    if (group.get_link(`${group.path}/${key}`) !== null) {
      fail("a layer or blob is a link to something else, which Caffe never writes", {
        expected: "a group or a dataset",
        found: `a link at ${shownName(child)}`,
      });
    }
    const object = group.get(key);
    if (object instanceof library.Group) readGroup(object, child, depth + 1, reading, layers);
    else if (object instanceof library.Dataset) blobs.set(key, readDataset(object, child, reading));
    else fail(`${shownName(child)} is neither group nor dataset`, { expected: "one of both", found: "something else" });
  }
  if (blobs.size === 0) return;
  const ordered = Array.from({ length: blobs.size }, (_, i) => blobs.get(`${i}`));
  const missing = ordered.indexOf(undefined);
  if (missing >= 0) {
    fail(`the layer ${shownName(name)} has no blob ${missing}`, {
      expected: "0, 1, ...",
      found: [...blobs.keys()].slice(0, 5).map(shownName).join(", "),
    });
  }
  layers.set(name, ordered as Tensor[]);
}

function readDataset(dataset: Hdf5Dataset, name: string, reading: Hdf5Reading): Tensor {
  const { fail } = reading;
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
      found: `${littleEndian ? "" : "big-endian, "}class ${type} of ${size} bytes`,
      hint: "Caffe writes no other: convert the datasets to float32",
    });
  }
  reading.takeBytes(shape, size, name);
  const data = sizeOf(shape) === 0 ? (size === 4 ? new Float32Array() : new Float64Array()) : dataset.value;
  const isFloats = (data instanceof Float32Array && size === 4) || (data instanceof Float64Array && size === 8);
  if (!isFloats || data.length !== sizeOf(shape)) {
    return fail(`the values of the dataset ${shownName(name)} cannot be read`, {
      expected: `${sizeOf(shape)} floats`,
      found: ArrayBuffer.isView(data) ? `${data.byteLength} bytes` : typeof data,
    });
  }
  return tensor(shape, data);
}

/** Layers with blobs but without definitions, as in these files. */
export function bareLayers(blobs: ReadonlyMap<string, readonly Tensor[]>, where: string): CaffeLayer[] {
  return [...blobs].map(([name, blobs]) => {
    const definition = { where: `${where}: layer ${shownName(name)}`, fields: new Map() };
    return { name, type: "", bottoms: [], tops: [], blobs, definition };
  });
}
