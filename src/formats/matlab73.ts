/**
 * Reads MATLAB files of version 7.3: HDF5 after 512 bytes of MATLAB's own. Numbers are datasets with reversed
 * dimensions, structs are groups, cells and arrays of structs are datasets of references into `/#refs#`.
 */

import { type Shape, sizeOf, type TensorData } from "../tensor.ts";
import { shownName } from "./bytes.ts";
import { type Hdf5Dataset, type Hdf5File, type Hdf5Group, type Hdf5Reading, readHdf5 } from "./hdf5.ts";
import { deepest, failDeep, type MatValue, type MatVariables } from "./matlab-value.ts";

/**
 * The variables of a file.
 * @param where the file's name, for errors
 * @throws SenetError `weights` (as a rejection) where it is damaged
 */
export function parseMatlab73(bytes: Uint8Array, where: string): Promise<MatVariables> {
  return readHdf5(bytes, where, (file, reading) => {
    const tree = new Tree(file, reading);
    const variables = new Map<string, MatValue>();
    for (const name of file.keys()) {
      // Targets of references, and MATLAB's metadata about objects.
      if (name === targets || name === "#subsystem#") continue;
      variables.set(name, tree.valueAt(file, name, name, 0));
    }
    return variables;
  });
}

interface Attribute {
  readonly value: unknown;
  readonly metadata: { readonly vlen: boolean; readonly size: number; readonly total_size: number };
}
type Attributes = Readonly<Record<string, Attribute>>;

/** Longest attribute: class names and booleans are shorter. */
const mostAttributeBytes = 256;

/** The library's representation of a reference. */
interface Reference {
  readonly ref_data: Uint8Array;
}
const isReference = (value: unknown): value is Reference =>
  typeof value === "object" && value !== null && "ref_data" in value;

const integerClass = 0;
const floatClass = 1;
const referenceClass = 7;

/** Group of the references' targets. */
const targets = "#refs#";

const keyOf = (reference: Reference): string => reference.ref_data.join(" ");

class Tree {
  readonly #file: Hdf5File;
  readonly #reading: Hdf5Reading;
  /** Names of the objects in `/#refs#` by reference: the library itself searches the whole file for each. */
  #names: ReadonlyMap<string, string> | undefined;

  constructor(file: Hdf5File, reading: Hdf5Reading) {
    this.#file = file;
    this.#reading = reading;
  }

  /** @param path for errors */
  valueAt(group: Hdf5Group, key: string, path: string, depth: number): MatValue {
    // Links may lead anywhere, even into other files.
    if (group.get_link(`${group.path === "/" ? "" : group.path}/${key}`) !== null) {
      this.#reading.fail("a value is a link to something else, which MATLAB never writes", {
        expected: "a group or a dataset",
        found: `a link at ${shownName(path)}`,
      });
    }
    return this.#valueOf(group.get(key), path, depth);
  }

  #valueOf(object: unknown, path: string, depth: number): MatValue {
    const { library, fail } = this.#reading;
    this.#reading.takeObject();
    if (depth > deepest) failDeep(fail);
    if (object instanceof library.Group) return this.#structOf(object, path, depth);
    if (object instanceof library.Dataset) return this.#datasetOf(object, path, depth);
    return { kind: "other", what: "neither a group nor a dataset" };
  }

  #structOf(group: Hdf5Group, path: string, depth: number): MatValue {
    const { library, fail } = this.#reading;
    const attributes: Attributes = group.attrs;
    if ("MATLAB_sparse" in attributes) return { kind: "other", what: "a sparse matrix" };
    const fields = new Map<string, readonly MatValue[]>();
    let size: number | undefined;
    for (const key of group.keys()) {
      const inner = `${path}.${key}`;
      const object = group.get(key);
      // In an array of structs, each field is a dataset of references without a class, unlike a cell.
      const isArray =
        object instanceof library.Dataset &&
        object.metadata.type === referenceClass &&
        !("MATLAB_class" in (object.attrs as Attributes));
      const values = isArray ? this.#referred(object, inner, depth) : [this.valueAt(group, key, inner, depth + 1)];
      size ??= values.length;
      if (values.length !== size) {
        fail(`the fields of ${shownName(path)} are not equally long`, {
          expected: `${size} values`,
          found: `${values.length} in ${shownName(key)}`,
        });
      }
      fields.set(key, values);
    }
    return { kind: "struct", size: size ?? 1, fields };
  }

  /** The targets of a dataset's references. */
  #referred(dataset: Hdf5Dataset, path: string, depth: number): MatValue[] {
    const { fail } = this.#reading;
    const { shape } = dataset.metadata;
    if (shape === null) return [];
    this.#reading.takeBytes(shape, 8, path);
    const references: unknown = sizeOf(shape) === 0 ? [] : dataset.value;
    if (!Array.isArray(references) || references.length !== sizeOf(shape) || !references.every(isReference)) {
      return fail(`the values of ${shownName(path)} cannot be read`, {
        expected: `${sizeOf(shape)} references`,
        found: Array.isArray(references) ? `${references.length} values` : typeof references,
      });
    }
    return references.map((reference, i) => {
      const name = this.#namesOfTargets().get(keyOf(reference));
      const object = name === undefined ? undefined : this.#file.get(name);
      return this.#valueOf(object, `${path}{${i + 1}}`, depth + 1);
    });
  }

  #namesOfTargets(): ReadonlyMap<string, string> {
    if (this.#names !== undefined) return this.#names;
    const { library } = this.#reading;
    const group = this.#file.get(targets);
    const names = new Map<string, string>();
    for (const key of group instanceof library.Group ? group.keys() : []) {
      this.#reading.takeObject();
      const path = `${targets}/${key}`;
      const object = this.#file.get(path);
      if (object instanceof library.Group || object instanceof library.Dataset) {
        names.set(keyOf(object.create_reference()), path);
      }
    }
    this.#names = names;
    return names;
  }

  /**
   * MATLAB's attributes have a fixed length; if a damaged one says otherwise, the library follows an invalid pointer
   * forever.
   */
  #attribute(attributes: Attributes, name: string, path: string): unknown {
    const attribute = attributes[name];
    if (attribute === undefined) return undefined;
    const { vlen, size, total_size: count } = attribute.metadata;
    if (!vlen && size * count <= mostAttributeBytes) return attribute.value;
    return this.#reading.fail(`the attribute ${name} of ${shownName(path)} is not one that MATLAB writes`, {
      expected: `a fixed length of at most ${mostAttributeBytes} bytes`,
      found: vlen ? "a variable length" : `${size * count} bytes`,
    });
  }

  #datasetOf(dataset: Hdf5Dataset, path: string, depth: number): MatValue {
    const { fail } = this.#reading;
    const attributes: Attributes = dataset.attrs;
    const named = this.#attribute(attributes, "MATLAB_class", path);
    const name = typeof named === "string" ? named : "double";
    const { type, size, littleEndian, shape, virtual_sources } = dataset.metadata;
    const isEmpty = Number(this.#attribute(attributes, "MATLAB_empty", path) ?? 0) === 1;
    if (isEmpty) {
      // The dataset then contains the dimensions, one of which is 0.
      if (name === "char") return { kind: "text", text: "" };
      if (name === "cell") return { kind: "cell", items: [] };
      if (name === "struct") return { kind: "struct", size: 0, fields: new Map() };
      return { kind: "numbers", shape: [0, 0], data: new Float64Array() };
    }
    if (name === "cell") return { kind: "cell", items: this.#referred(dataset, path, depth) };
    if (type === referenceClass) return { kind: "cell", items: this.#referred(dataset, path, depth) };
    if ((type !== integerClass && type !== floatClass) || virtual_sources !== undefined || shape === null) {
      return { kind: "other", what: name };
    }
    if (!littleEndian && size > 1) {
      fail(`the numbers of ${shownName(path)} are big-endian, which is not read`, {
        expected: "little-endian",
        found: "big-endian",
        hint: "load it in MATLAB, and save it again",
      });
    }
    this.#reading.takeBytes(shape, size, path);
    const values = sizeOf(shape) === 0 ? new Float64Array() : this.#valuesOf(dataset, path, shape);
    if (name === "char") return { kind: "text", text: new TextDecoder("utf-16le").decode(Uint16Array.from(values)) };
    return { kind: "numbers", shape: shape.toReversed(), data: values };
  }

  /** The values in the library's type, or as int32, or float64 if they do not fit. */
  #valuesOf(dataset: Hdf5Dataset, path: string, shape: Shape): TensorData {
    const value: unknown = dataset.value;
    if (!ArrayBuffer.isView(value) || (value as unknown as ArrayLike<unknown>).length !== sizeOf(shape)) {
      return this.#reading.fail(`the values of ${shownName(path)} cannot be read`, {
        expected: `${sizeOf(shape)} numbers`,
        found: ArrayBuffer.isView(value) ? `${value.byteLength} bytes` : typeof value,
      });
    }
    if (value instanceof Float32Array || value instanceof Float64Array || value instanceof Int32Array) return value;
    const numbers = Float64Array.from(value as unknown as ArrayLike<number>, Number);
    const fits = numbers.every((number) => number >= -(2 ** 31) && number < 2 ** 31);
    return fits ? Int32Array.from(numbers) : numbers;
  }
}
