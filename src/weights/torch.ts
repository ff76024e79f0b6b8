/**
 * PyTorch's files, `torch.save` of a state_dict, old (a row of pickles, then the storages) and new (a ZIP archive), read
 * without running anything: the unpickler knows the few names that tensors need and refuses every other.
 *
 * The layouts are those of https://github.com/pytorch/pytorch/blob/main/torch/serialization.py.
 */

import { sizeOf, type Tensor, type TensorData } from "../tensor.ts";
import { type ElementType, elementBytes, type Fail, failAt, fetchAgain, readElements, shownName } from "./bytes.ts";
import { PickleGlobal, type PickleHost, type PickleValue, unpickle } from "./pickle.ts";
import { readZip, type ZipEntry, zipContent } from "./zip.ts";

/**
 * The tensors of a `.pth`, `.pt`, `.th` or `.pkl` file. A dict under "state_dict" or "model" is taken where the file has
 * one, and the prefix "module." (of DataParallel) is removed where all names have it.
 *
 * float32, float64 and int32 are views on `bytes` where aligned and contiguous; float16 and bfloat16 widen to float32,
 * int64 narrows to int32, smaller integers and booleans widen to it. Strides are honoured.
 * @param where the file's name, for errors
 * @throws SenetError `weights` (as a rejection) where the file is damaged, names anything that is not allowed (the error
 * says what), or holds no tensors by name
 */
export async function parseTorch(bytes: Uint8Array, where: string): Promise<Map<string, Tensor>> {
  const isZip = bytes.length >= 4 && bytes[0] === 0x50 && bytes[1] === 0x4b;
  // Widening makes four bytes of one, and inflating some of few; a file that asks for far more means harm.
  const made: Made = { left: 9 * bytes.length + 2 ** 16 };
  const { value, storages } = isZip ? await readArchive(bytes, where, made) : readLegacy(bytes, where);
  const state = findState(value, failAt(where));
  const tensors = new Map<string, Tensor>();
  const names = [...state.keys()];
  const prefix = names.every((name) => name.startsWith("module.")) ? "module.".length : 0;
  for (const [name, tensor] of state) {
    const failTensor = failAt(`${where}: tensor ${shownName(name)}`);
    tensors.set(name.slice(prefix), materialise(tensor, storages, made, failTensor));
  }
  return tensors;
}

/** Whether the file begins as `torch.save` began it before 1.6: a pickle of the magic number 0x1950a86a20f9469cfc6c. */
export function isLegacyTorch(bytes: Uint8Array): boolean {
  return legacyMagic.every((byte, i) => bytes[i] === byte);
}

const legacyMagic: readonly number[] = [
  0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e,
];

const storageTypes: Readonly<Record<string, ElementType>> = {
  DoubleStorage: "F64",
  FloatStorage: "F32",
  HalfStorage: "F16",
  BFloat16Storage: "BF16",
  LongStorage: "I64",
  IntStorage: "I32",
  ShortStorage: "I16",
  CharStorage: "I8",
  ByteStorage: "U8",
  BoolStorage: "BOOL",
};

function storageType(global: string): ElementType | undefined {
  const name = global.replace(/^torch\.(cuda\.)?/, "");
  return global !== name && Object.hasOwn(storageTypes, name) ? storageTypes[name] : undefined;
}

/** A storage that the pickle speaks of; its bytes are elsewhere in the file. */
class StorageRef {
  readonly key: string;
  readonly type: ElementType;
  /** In elements. */
  readonly length: number;
  /** Where it starts in the storage of this key, in elements: old files have storages that are parts of others. */
  readonly offset: number;
  constructor(key: string, type: ElementType, length: number, offset: number) {
    this.key = key;
    this.type = type;
    this.length = length;
    this.offset = offset;
  }
}

class TensorRef {
  readonly storage: StorageRef;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  constructor(storage: StorageRef, offset: number, shape: readonly number[], strides: readonly number[]) {
    this.storage = storage;
    this.offset = offset;
    this.shape = shape;
    this.strides = strides;
  }
}

/** The bytes of the storages by key, and what their elements became. */
interface Storage {
  readonly bytes: Uint8Array;
  /** The elements once they are needed: several tensors may share them. */
  values?: { readonly type: ElementType; readonly data: TensorData };
}
type Storages = ReadonlyMap<string, Storage>;

interface Contents {
  readonly value: PickleValue;
  readonly storages: Storages;
}

const isSize = (value: PickleValue): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
/** PyTorch's own limit of axes; without one, a long list that is checked again and again could take hours. */
const isSizes = (value: PickleValue): value is number[] =>
  Array.isArray(value) && value.length <= 64 && value.every(isSize);

/** Pairs of the OrderedDicts of a file; see mostContainers in pickle.ts. */
const mostPairs = 300_000;

/** What pickles of tensors may name and refer to. */
class TorchHost implements PickleHost {
  /** The element types of all storages that the pickle refers to, those of an optimiser too. */
  readonly storages = new Map<string, ElementType>();
  #pairs = 0;

  allows(name: string): boolean {
    return Object.hasOwn(TorchHost.#functions, name) || storageType(name) !== undefined;
  }

  call(name: string, args: readonly PickleValue[], fail: Fail): PickleValue {
    const callee = Object.hasOwn(TorchHost.#functions, name) ? TorchHost.#functions[name] : undefined;
    return callee === undefined
      ? fail(`the pickle calls ${shownName(name)}, which is no function`)
      : callee(this, args, fail);
  }

  static readonly #functions: Readonly<
    Record<string, (host: TorchHost, args: readonly PickleValue[], fail: Fail) => PickleValue>
  > = {
    "collections.OrderedDict": (host, args, fail) => host.#orderedDict(args, fail),
    "torch.Size": (_, [extents], fail) => (isSizes(extents) ? extents : fail("a torch.Size is not one of extents")),
    "torch._utils._rebuild_tensor": (_, args, fail) => rebuildTensor(args, fail),
    "torch._utils._rebuild_tensor_v2": (_, args, fail) => rebuildTensor(args, fail),
    "torch._utils._rebuild_parameter": (_, [tensor], fail) =>
      tensor instanceof TensorRef ? tensor : fail("a parameter is not made of a tensor"),
  };

  persistent(id: PickleValue, fail: Fail): PickleValue {
    const [kind, type, key, , length, part] = Array.isArray(id) ? id : [];
    const element = type instanceof PickleGlobal ? storageType(type.name) : undefined;
    if (kind !== "storage" || element === undefined || typeof key !== "string" || !isSize(length)) {
      return fail("the pickle refers to what is no storage");
    }
    this.storages.set(key, element);
    // In old files only: the key of the part, its offset and its length.
    if (part === undefined || part === null) return new StorageRef(key, element, length, 0);
    if (!Array.isArray(part) || !isSize(part[1]) || !isSize(part[2]) || part[1] + part[2] > length) {
      return fail("the pickle refers to a part of a storage that is not in it");
    }
    return new StorageRef(key, element, part[2], part[1]);
  }

  /** Python 2 pickled an OrderedDict as a call with the list of its pairs; Python 3 sets them afterwards. */
  #orderedDict([pairs = []]: readonly PickleValue[], fail: Fail): Map<PickleValue, PickleValue> {
    if (!Array.isArray(pairs)) return fail("an OrderedDict is not made of pairs");
    this.#pairs += pairs.length;
    if (this.#pairs > mostPairs) fail(`the pickle has dicts of more than ${mostPairs} items`);
    const isPair = (pair: PickleValue) => Array.isArray(pair) && pair.length === 2;
    return pairs.every(isPair) ? new Map(pairs) : fail("an OrderedDict is not made of pairs");
  }
}

function rebuildTensor([storage, offset, shape, strides]: readonly PickleValue[], fail: Fail): TensorRef {
  const isSound = storage instanceof StorageRef && isSize(offset) && isSizes(shape) && isSizes(strides);
  if (!isSound || shape.length !== strides.length) {
    return fail("a tensor is not made of a storage, an offset, extents and strides");
  }
  return new TensorRef(storage, offset, shape, strides);
}

function readLegacy(bytes: Uint8Array, where: string): Contents {
  const fail: Fail = (what, details) => failAt(where)(what, { hint: fetchAgain, ...details });
  if (!isLegacyTorch(bytes)) {
    fail("this is not a file of PyTorch's", { expected: "a ZIP archive, or the magic number of torch.save" });
  }
  const host = new TorchHost();
  const protocol = unpickle(bytes, legacyMagic.length, host, fail);
  if (protocol.value !== 1001) {
    const found = typeof protocol.value === "number" ? `${protocol.value}` : kindOf(protocol.value);
    fail("the file's protocol is not known", { expected: "1001", found });
  }
  const system = unpickle(bytes, protocol.end, host, fail);
  if (!(system.value instanceof Map) || system.value.get("little_endian") !== true) {
    fail("the file was not written on a little-endian machine", { hint: "load it there and save it as safetensors" });
  }
  const content = unpickle(bytes, system.end, host, fail);
  const keys = unpickle(bytes, content.end, host, fail);
  const { value: keyList } = keys;
  if (!Array.isArray(keyList) || !keyList.every((key) => typeof key === "string")) {
    return fail("the list of storages is damaged");
  }
  const storages = new Map<string, Storage>();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let position = keys.end;
  for (const key of keyList) {
    // Without its type a storage's length in bytes is not known; torch.save writes only those that it referred to.
    const type = host.storages.get(key);
    if (type === undefined || storages.has(key)) return fail(`the storage ${shownName(key)} is not one of a tensor`);
    const length = bytes.length - position >= 8 ? Number(view.getBigUint64(position, true)) : undefined;
    const start = position + 8;
    if (length === undefined || length > (bytes.length - start) / elementBytes[type]) {
      return fail(`the storage ${shownName(key)} is cut short`, {
        expected: `at most ${Math.max(0, bytes.length - start)} bytes`,
        found: length === undefined ? "no length" : `${length} elements of ${elementBytes[type]} bytes`,
      });
    }
    position = start + length * elementBytes[type];
    storages.set(key, { bytes: bytes.subarray(start, position) });
  }
  if (position !== bytes.length) {
    fail("there are bytes after the last storage", { expected: `${position} bytes`, found: `${bytes.length}` });
  }
  return { value: content.value, storages };
}

async function readArchive(bytes: Uint8Array, where: string, made: Made): Promise<Contents> {
  const fail: Fail = (what, details) => failAt(where)(what, { hint: fetchAgain, ...details });
  const entries = readZip(bytes, where);
  const names = [...entries.keys()].filter((name) => name === "data.pkl" || name.endsWith("/data.pkl"));
  const [pickleName] = names;
  if (pickleName === undefined || names.length > 1) {
    return fail("this archive is not one of PyTorch's", {
      expected: "one entry NAME/data.pkl",
      found: names.length > 1 ? names.slice(0, 3).map(shownName).join(", ") : `${entries.size} other entries`,
    });
  }
  const root = pickleName.slice(0, -"data.pkl".length);
  const contentOf = async (entry: ZipEntry): Promise<Uint8Array> => {
    const content = await zipContent(entry, made.left, where);
    if (!entry.isStored) made.left -= content.length;
    return content;
  };
  const order = entries.get(`${root}byteorder`);
  if (order !== undefined && String.fromCharCode(...(await contentOf(order)).subarray(0, 10)) !== "little") {
    fail("the file was not written on a little-endian machine", { hint: "load it there and save it as safetensors" });
  }
  const pickle = await contentOf(entries.get(pickleName)!);
  const { value, end } = unpickle(pickle, 0, new TorchHost(), fail);
  if (end !== pickle.length) fail("there are bytes after the pickle", { found: `${pickle.length - end}` });
  const storages = new Map<string, Storage>();
  for (const [name, entry] of entries) {
    const key = name.startsWith(`${root}data/`) ? name.slice(root.length + "data/".length) : undefined;
    if (key !== undefined) storages.set(key, { bytes: await contentOf(entry) });
  }
  return { value, storages };
}

/** The dict of tensors by name that a file holds, at the top or where checkpoints keep it. */
function findState(value: PickleValue, fail: Fail): Map<string, TensorRef> {
  const expected = 'tensors by name, at the top, under "state_dict" or under "model"';
  let state = value;
  // Twice at most: { state_dict: ... } within { model: ... }.
  for (let i = 0; i < 2 && state instanceof Map; i++) {
    const inner: PickleValue = state.get("state_dict") ?? state.get("model");
    if (!(inner instanceof Map)) break;
    state = inner;
  }
  if (!(state instanceof Map)) return fail("the file holds no dict", { expected, found: kindOf(state) });
  const tensors = new Map<string, TensorRef>();
  const others: string[] = [];
  for (const [name, tensor] of state) {
    if (typeof name === "string" && tensor instanceof TensorRef) tensors.set(name, tensor);
    else others.push(`${typeof name === "string" ? shownName(name) : kindOf(name)} (${kindOf(tensor)})`);
  }
  if (others.length > 0 || tensors.size === 0) {
    const more = others.length > 5 ? `, and ${others.length - 5} more` : "";
    return fail(tensors.size === 0 ? "the file holds no tensors by name" : "not everything in the file is a tensor", {
      expected,
      found: others.length === 0 ? "an empty dict" : others.slice(0, 5).join(", ") + more,
      hint: "save the weights alone: torch.save(model.state_dict(), FILE)",
    });
  }
  return tensors;
}

function kindOf(value: PickleValue): string {
  if (value === null) return "None";
  if (value instanceof Map) return `a dict of ${value.size}`;
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (value instanceof TensorRef) return "a tensor";
  return value instanceof StorageRef ? "a storage" : value instanceof Uint8Array ? "bytes" : typeof value;
}

/** What a file makes of its bytes besides views on them. */
interface Made {
  /** Bytes that may still be made by inflating, widening and copying. */
  left: number;
}

function spend(made: Made, bytes: number, fail: Fail): void {
  made.left -= bytes;
  if (made.left < 0) fail("the tensors need far more memory than the file has bytes", { hint: fetchAgain });
}

function materialise(tensor: TensorRef, storages: Storages, made: Made, fail: Fail): Tensor {
  const values = storageValues(tensor.storage, storages, made, fail);
  const { offset, shape, strides } = tensor;
  const size = sizeOf(shape);
  let last = offset;
  let contiguous = 1;
  let isContiguous = true;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    last += Math.max(0, shape[axis]! - 1) * strides[axis]!;
    if (shape[axis] !== 1 && strides[axis] !== contiguous) isContiguous = false;
    contiguous *= shape[axis]!;
  }
  const isInside = size === 0 ? offset <= values.length : last < values.length;
  // More elements than there are can only repeat some, which no parameter does, but a hostile file may without end.
  if (!isInside || size > values.length) {
    fail("it is not inside its storage", {
      expected: `at most ${values.length} elements`,
      found: `[${shape.join(", ")}] with strides [${strides.join(", ")}] from ${offset}`,
      hint: fetchAgain,
    });
  }
  let data: TensorData;
  if (isContiguous || size === 0) data = values.subarray(offset, offset + size);
  else {
    spend(made, size * values.BYTES_PER_ELEMENT, fail);
    data = strided(values, tensor, size);
  }
  const dtype = data instanceof Float32Array ? "float32" : data instanceof Float64Array ? "float64" : "int32";
  return { dtype, shape, data };
}

function storageValues(ref: StorageRef, storages: Storages, made: Made, fail: Fail): TensorData {
  const storage = storages.get(ref.key);
  const needed = (ref.offset + ref.length) * elementBytes[ref.type];
  if (storage === undefined || needed > storage.bytes.length) {
    return fail("its storage is not in the file, or not all of it", {
      expected: `${needed} bytes`,
      found: storage === undefined ? `no storage ${shownName(ref.key)}` : `${storage.bytes.length}`,
      hint: fetchAgain,
    });
  }
  if (storage.values === undefined) {
    const length = Math.floor(storage.bytes.length / elementBytes[ref.type]);
    // What may have to be copied counts as copied, so that the result does not depend on where the file lies in memory.
    spend(made, length * Math.max(4, elementBytes[ref.type]), fail);
    storage.values = { type: ref.type, data: readElements(ref.type, storage.bytes, 0, length, fail) };
  }
  if (storage.values.type !== ref.type) fail("its storage is one of another type", { hint: fetchAgain });
  return storage.values.data.subarray(ref.offset, ref.offset + ref.length);
}

/** The elements in row-major order; all of them are inside of `values`. */
function strided(values: TensorData, { offset, shape, strides }: TensorRef, size: number): TensorData {
  const data = values instanceof Float32Array ? new Float32Array(size) : values.slice(0, size);
  const inner = shape.length - 1;
  const length = shape[inner]!;
  const stride = strides[inner]!;
  const index = shape.map(() => 0);
  let start = offset;
  for (let row = 0; row < size; row += length) {
    for (let i = 0, from = start; i < length; i++, from += stride) data[row + i] = values[from]!;
    for (let axis = inner - 1; axis >= 0; axis--) {
      start += strides[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      start -= strides[axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
  return data;
}
