/**
 * Reads TensorFlow checkpoints of version 2, "tensor bundles": `PREFIX.index` says where each variable is; the values are
 * in one or more files `PREFIX.data-00000-of-00001`. Every checksum is checked.
 *
 * Format: https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/protobuf/tensor_bundle.proto; the index
 * is a LevelDB table.
 */

import { crc32c, maskedCrc } from "../crc32c.ts";
import { dtypeOf, sizeOf, type Tensor } from "../tensor.ts";
import { readAnyElements } from "./any-elements.ts";
import { damagedAt, type ElementType, elementBytes, type FailWhole, shownName } from "./bytes.ts";
import { type Entry, isTable, readTable } from "./leveldb.ts";
import { ProtoReader } from "./protobuf.ts";

/** A variable's entry in the index. */
export interface BundleEntry {
  /** TensorFlow's type number. */
  readonly dtype: number;
  readonly shape: readonly number[];
  readonly shard: number;
  /** In bytes. */
  readonly offset: number;
  readonly size: number;
  /** Masked. */
  readonly crc: number;
}

export interface BundleIndex {
  readonly shards: number;
  readonly entries: ReadonlyMap<string, BundleEntry>;
}

/** TensorFlow's type numbers. */
const types: Readonly<Record<number, ElementType>> = {
  1: "F32",
  2: "F64",
  3: "I32",
  4: "U8",
  5: "I16",
  6: "I8",
  9: "I64",
  10: "BOOL",
  14: "BF16",
  17: "U16",
  19: "F16",
  22: "U32",
  23: "U64",
};
/** The type number of text, which weights never have. */
const textType = 7;

/** Whether it ends like an index. */
export const isTensorflowIndex = isTable;

/** Names of the files with values, in the index's folder. */
export const dataFilesOf = (index: string, shards: number): string[] => {
  const prefix = index
    .split(/[/\\]/)
    .at(-1)!
    .replace(/\.index$/, "");
  const number = (n: number) => `${n}`.padStart(5, "0");
  return Array.from({ length: shards }, (_, i) => `${prefix}.data-${number(i)}-of-${number(shards)}`);
};

/**
 * Reads an index.
 * @param where the file's name, for errors
 * @throws SenetError `weights` where it is damaged
 */
export function parseTensorflowIndex(bytes: Uint8Array, where: string): BundleIndex {
  const fail = damagedAt(where);
  let shards: number | undefined;
  const entries = new Map<string, BundleEntry>();
  for (const { key, value } of readTable(bytes, fail)) {
    if (key === "") shards = shardsIn(value, where, fail);
    else entries.set(key, entryIn(value, where, damagedAt(`${where}: variable ${shownName(key)}`)));
  }
  if (shards === undefined) {
    return fail("this table is not the index of a TensorFlow checkpoint", {
      expected: "an entry without a name, the header",
      found: `${entries.size} entries${entries.size === 0 ? "" : `, ${shownName([...entries.keys()][0]!)} first`}`,
      hint: "give the .index that TensorFlow's Saver wrote",
    });
  }
  return { shards, entries };
}

/** More than anybody has. */
const mostShards = 1000;

/** The number of shards in a BundleHeaderProto. */
function shardsIn({ bytes, offset }: Entry["value"], where: string, fail: FailWhole): number {
  const header = new ProtoReader(bytes, where, offset);
  let shards = 0;
  while (header.next()) {
    if (header.field === 1 && header.wire === 2) {
      fail("this is a TensorFlow checkpoint of version 1, which is not read", {
        expected: "version 2: a header with the number of its files",
        found: "a header with tensors",
        hint: "load it in TensorFlow, and save it with tf.train.Saver(write_version=2), the default since 1.0",
      });
    }
    if (header.field === 1) shards = header.int();
    else if (header.field === 2 && header.int() !== 0) {
      fail("the checkpoint is big-endian, which is not read", {
        expected: "little-endian",
        found: "big-endian",
        hint: "load it in TensorFlow on the machine that wrote it, and save it as NumPy's .npz",
      });
    } else if (header.field !== 2) header.skip();
  }
  if (shards < 1 || shards > mostShards)
    fail("the checkpoint is in an unlikely number of files", { expected: `1 to ${mostShards}`, found: `${shards}` });
  return shards;
}

/** More than any variable's number of dimensions. */
const mostAxes = 32;

/** Reads a BundleEntryProto, in which zeros are omitted. */
function entryIn({ bytes, offset: at }: Entry["value"], where: string, fail: FailWhole): BundleEntry {
  const entry = new ProtoReader(bytes, where, at);
  let [dtype, shard, offset, size, crc] = [0, 0, 0, 0, 0];
  const shape: number[] = [];
  while (entry.next()) {
    if (entry.field === 1) dtype = entry.int();
    else if (entry.field === 2) readShape(entry.message(), shape);
    else if (entry.field === 3) shard = entry.int();
    else if (entry.field === 4) offset = entry.int();
    else if (entry.field === 5) size = entry.int();
    else if (entry.field === 6) crc = entry.fixed32();
    else if (entry.field === 7) {
      fail("the variable is saved in slices, which are not read", {
        expected: "one piece",
        found: "slices",
        hint: "save it without a partitioner",
      });
    } else entry.skip();
  }
  if (shape.length > mostAxes || shape.some((extent) => extent < 0)) {
    fail("its shape is damaged", {
      expected: `at most ${mostAxes} extents of 0 or more`,
      found: `[${shape.slice(0, 8).join(", ")}]`,
    });
  }
  return { dtype, shape, shard, offset, size, crc };
}

/** Reads a TensorShapeProto. */
function readShape(message: ProtoReader, shape: number[]): void {
  while (message.next()) {
    if (message.field !== 2) {
      message.skip();
      continue;
    }
    const dimension = message.message();
    let extent = 0;
    while (dimension.next()) {
      if (dimension.field === 1) extent = dimension.int();
      else dimension.skip();
    }
    shape.push(extent);
  }
}

export interface TensorflowFile {
  readonly tensors: Map<string, Tensor>;
  readonly notes: readonly string[];
}

/**
 * The variables of a checkpoint, without text. float32, float64 and int32 are views of the files' bytes if aligned.
 * @param bytes the index
 * @param where its name, from which those of the other files follow
 * @param beside reads a file in the same folder
 * @throws SenetError `weights` (as a rejection) where a file is damaged; what `beside` throws where one is missing
 */
export async function parseTensorflow(
  bytes: Uint8Array,
  where: string,
  beside: ((name: string) => Promise<Uint8Array>) | undefined,
): Promise<TensorflowFile> {
  const { shards, entries } = parseTensorflowIndex(bytes, where);
  const names = dataFilesOf(where, shards);
  if (beside === undefined) {
    return damagedAt(where)("the values of these variables are in other files", {
      expected: names.slice(0, 5).join(", "),
      found: "the index alone",
      hint: "give all of them together",
    });
  }
  const used = new Set([...entries.values()].map(({ shard }) => shard));
  const data = new Map<number, Uint8Array>();
  for (const [shard, name] of names.entries()) if (used.has(shard)) data.set(shard, await beside(name));
  const tensors = new Map<string, Tensor>();
  let texts = 0;
  for (const [name, entry] of entries) {
    if (entry.dtype === textType) texts++;
    else
      tensors.set(
        name,
        tensorOf(entry, data.get(entry.shard), names, damagedAt(`${where}: variable ${shownName(name)}`)),
      );
  }
  return {
    tensors,
    notes: texts === 0 ? [] : [`left aside ${texts} ${texts === 1 ? "variable" : "variables"} of text`],
  };
}

function tensorOf(
  { dtype, shape, shard, offset, size, crc }: BundleEntry,
  data: Uint8Array | undefined,
  files: readonly string[],
  fail: FailWhole,
): Tensor {
  const type = types[dtype];
  if (type === undefined) {
    fail("its type cannot be read", {
      expected: Object.values(types).join(", "),
      found: `TensorFlow's type ${dtype}`,
      hint: "save it again as float32",
    });
  }
  const file = files[shard];
  if (data === undefined) {
    return fail("it is in a file that the checkpoint does not have", {
      expected: `one of ${files.length}`,
      found: `number ${shard + 1}`,
    });
  }
  if (offset < 0 || size < 0 || offset > data.length || size > data.length - offset) {
    return fail("its values are not in the file", {
      expected: `${size} bytes from ${offset}`,
      found: `${data.length} bytes in ${file}`,
    });
  }
  if (sizeOf(shape) * elementBytes[type!] !== size) {
    fail("its values do not fill its shape", { expected: `[${shape.join(", ")}]`, found: `${size} bytes` });
  }
  const sum = maskedCrc(crc32c(data.subarray(offset, offset + size)));
  if (sum !== crc) {
    fail("its values are damaged: their checksum is another", {
      expected: crc.toString(16).padStart(8, "0"),
      found: `${sum.toString(16).padStart(8, "0")} in ${file}`,
    });
  }
  const values = readAnyElements(type!, data, offset, sizeOf(shape));
  return { dtype: dtypeOf(values), shape, data: values };
}
