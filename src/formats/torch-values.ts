/** The values in PyTorch's pickles: tensors, and storages, which keep their elements outside the pickle. */

import { sizeOf } from "../tensor.ts";
import { type ElementType, elementBytes, type Fail, shownName } from "./bytes.ts";
import type { PickleHost } from "./pickle.ts";
import { PickleDict, PickleGlobal, PickleObject, type PickleValue } from "./pickle-values.ts";
import { pickledArray, pickledBytes, pickledLength } from "./python-values.ts";

/**
 * The element type of a storage; without a type if it cannot be represented, which is fine for anything but weights.
 */
interface StorageType {
  readonly bytes: number;
  readonly type?: ElementType;
}

const elements = (type: ElementType): StorageType => ({ bytes: elementBytes[type], type });

/** By PyTorch's storage classes. */
const storageTypes: Readonly<Record<string, StorageType>> = {
  DoubleStorage: elements("F64"),
  FloatStorage: elements("F32"),
  HalfStorage: elements("F16"),
  BFloat16Storage: elements("BF16"),
  LongStorage: elements("I64"),
  IntStorage: elements("I32"),
  ShortStorage: elements("I16"),
  CharStorage: elements("I8"),
  ByteStorage: elements("U8"),
  BoolStorage: elements("BOOL"),
  // Bytes, whose tensors have their own element type.
  UntypedStorage: { bytes: 1 },
  _UntypedStorage: { bytes: 1 },
  ComplexDoubleStorage: { bytes: 16 },
  ComplexFloatStorage: { bytes: 8 },
  QInt8Storage: { bytes: 1 },
  QUInt8Storage: { bytes: 1 },
  QInt32Storage: { bytes: 4 },
  QUInt4x2Storage: { bytes: 1 },
  QUInt2x4Storage: { bytes: 1 },
};

/** By `torch.dtype`, for tensors on untyped storages. */
const dtypes: Readonly<Record<string, ElementType>> = {
  "torch.float64": "F64",
  "torch.float32": "F32",
  "torch.float16": "F16",
  "torch.bfloat16": "BF16",
  "torch.int64": "I64",
  "torch.int32": "I32",
  "torch.int16": "I16",
  "torch.int8": "I8",
  "torch.uint8": "U8",
  "torch.bool": "BOOL",
};

function storageType(global: string): StorageType | undefined {
  const name = global.replace(/^torch\.(?:cuda\.|storage\.)?/, "");
  return global !== name && Object.hasOwn(storageTypes, name) ? storageTypes[name] : undefined;
}

/** A storage referred to by the pickle; its bytes are elsewhere in the file. */
export class StorageRef {
  readonly key: string;
  readonly element: StorageType;
  /** In elements. */
  readonly length: number;
  /** Start in the storage with this key, in elements: in old files, storages may be parts of others. */
  readonly offset: number;
  /** Reads its bytes, if they are in the pickle itself. */
  readonly content: (() => Uint8Array | undefined) | undefined;
  constructor(
    key: string,
    element: StorageType,
    length: number,
    offset: number,
    content?: () => Uint8Array | undefined,
  ) {
    this.key = key;
    this.element = element;
    this.length = length;
    this.offset = offset;
    this.content = content;
  }
}

/** Why tensors are unreadable that PyTorch converts to plain numbers in another way than others, or not at all. */
const quantised = "it is quantised";
const withoutValues = "it has no values (device meta)";

/** A hint how to save a tensor that is `unreadable`. */
export function readableBy(unreadable: string): string {
  if (unreadable === withoutValues) return "load the network's weights before it is saved";
  const plain = unreadable === quantised ? "tensor.dequantize()" : "tensor.to_dense().float().clone()";
  return `save the weights as plain numbers: { name: ${plain} } of a state_dict`;
}

/** A tensor, or why it cannot be read. */
export class TensorRef {
  readonly storage: StorageRef | undefined;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  /** Element type; undefined if `unreadable` is set. */
  readonly type: ElementType | undefined;
  readonly unreadable: string | undefined;
  constructor(
    storage: StorageRef | undefined,
    offset: number,
    shape: readonly number[],
    strides: readonly number[],
    type: ElementType | undefined,
    unreadable?: string,
  ) {
    this.storage = storage;
    this.offset = offset;
    this.shape = shape;
    this.strides = strides;
    this.type = type;
    this.unreadable = unreadable;
  }

  static unreadable = (why: string) => new TensorRef(undefined, 0, [], [], undefined, why);
}

const isSize = (value: PickleValue): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
/** Checks against PyTorch's limit on dimensions; without one, checking a long list repeatedly could take hours. */
const isSizes = (value: PickleValue): value is number[] =>
  Array.isArray(value) && value.length <= 64 && value.every(isSize);

/** Most items of dicts created by calls, since one list may be passed many times. */
const mostItems = 300_000;

/** Functions that start programs, or open files or connections, which have no place among weights. */
const dangerous =
  /^(?:(?:os|posix|nt|pty|sys|subprocess|socket|shutil|runpy|webbrowser|importlib|ctypes|multiprocessing|http|urllib|requests|asyncio|commands)\.|(?:builtins|__builtin__)\.(?:eval|exec|execfile|compile|open|__import__|input)$)/;

type Function = (host: TorchHost, args: readonly PickleValue[], fail: Fail) => PickleValue | undefined;

/** Handles the names in pickles that create tensors and dicts; all others stay inert. */
export class TorchHost implements PickleHost {
  /** The element types of all storages in the pickle, including an optimiser's. */
  readonly storages = new Map<string, StorageType>();
  /** Calls that would be harmful in Python. */
  readonly dangers = new Set<string>();
  #items = 0;

  call(name: string, args: readonly PickleValue[], fail: Fail): PickleValue | undefined {
    if (this.dangers.size < 5 && dangerous.test(name)) this.dangers.add(name);
    return Object.hasOwn(TorchHost.#functions, name) ? TorchHost.#functions[name]!(this, args, fail) : undefined;
  }

  static readonly #functions: Readonly<Record<string, Function>> = {
    "collections.OrderedDict": (host, [items], fail) => host.#dict(items, fail),
    "collections.Counter": (host, [items], fail) => host.#dict(items, fail),
    "collections.defaultdict": (host, [, items], fail) => host.#dict(items, fail),
    "builtins.dict": (host, [items], fail) => host.#dict(items, fail),
    "__builtin__.dict": (host, [items], fail) => host.#dict(items, fail),
    "torch.Size": (_, [extents]) => (Array.isArray(extents) ? extents : undefined),
    "torch._utils._rebuild_tensor": (_, args, fail) => rebuildTensor(args, fail),
    // (storage, offset, shape, strides, requires_grad, hooks, metadata)
    "torch._utils._rebuild_tensor_v2": (_, args, fail) => viewedLater(args[6]) ?? rebuildTensor(args, fail),
    // (storage, offset, shape, strides, requires_grad, hooks, dtype)
    "torch._utils._rebuild_tensor_v3": (_, args, fail) => rebuildTensor(args, fail, args[6]),
    "torch._utils._rebuild_parameter": (_, [tensor]) => tensor,
    "torch._utils._rebuild_parameter_with_state": (_, [tensor]) => tensor,
    // Before 0.4, where a Variable contained the tensor.
    "torch.nn.parameter.Parameter": (_, [tensor]) => tensor,
    "torch.autograd.variable.Variable": (_, [tensor]) => tensor,
    // (function, class, arguments, attributes): a subclass of Tensor, or a tensor with its own attributes.
    "torch._tensor._rebuild_from_type_v2": (host, args, fail) => host.#delegate(args, fail),
    "torch._tensor._rebuild_from_type": (host, args, fail) => host.#delegate(args, fail),
    "torch._utils._rebuild_sparse_tensor": () => TensorRef.unreadable("it is sparse"),
    "torch._utils._rebuild_sparse_csr_tensor": () => TensorRef.unreadable("it is sparse"),
    "torch._utils._rebuild_qtensor": () => TensorRef.unreadable(quantised),
    "torch._utils._rebuild_meta_tensor_no_storage": () => TensorRef.unreadable(withoutValues),
    "torch._utils._rebuild_nested_tensor": () => TensorRef.unreadable("it is a nested tensor"),
    "torch._utils._rebuild_wrapper_subclass": () => TensorRef.unreadable("it is an object of an unknown class"),
    "torch._utils._rebuild_device_tensor_from_numpy": () => TensorRef.unreadable("it was saved on an accelerator"),
    "torch._utils._rebuild_xla_tensor": () => TensorRef.unreadable("it was saved on an accelerator"),
    // Protocols 0 and 1: (class, base, state of the base)
    "copyreg._reconstructor": (_, args) => reconstructed(args),
    "copy_reg._reconstructor": (_, args) => reconstructed(args),
  };

  persistent(id: PickleValue, fail: Fail): PickleValue {
    if (typeof id === "string") {
      fail("its storages are lost, as always with pickle protocol 0: PyTorch cannot load it either", {
        expected: "protocol 1 or later",
        hint: "save the network again without pickle_protocol=0",
      });
    }
    const [kind, type, key, , length, part] = Array.isArray(id) ? id : [];
    // Old files store a module's class in this form, with its source.
    if (kind === "module") return type;
    const element = type instanceof PickleGlobal ? storageType(type.name) : undefined;
    if (kind !== "storage" || element === undefined || typeof key !== "string" || !isSize(length)) {
      const found = type instanceof PickleGlobal ? { found: shownName(type.name) } : {};
      return fail("the pickle refers to something that is not a storage", found);
    }
    this.storages.set(key, element);
    // In old files only: the key of the part, its offset and its length.
    if (part === undefined || part === null) return new StorageRef(key, element, length, 0);
    if (!Array.isArray(part) || !isSize(part[1]) || !isSize(part[2]) || part[1] + part[2] > length) {
      return fail("the pickle refers to a part of a storage that is not in it");
    }
    return new StorageRef(key, element, part[2], part[1]);
  }

  /** A dict from another dict or from pairs, as Python 2 pickled an OrderedDict; Python 3 sets items afterwards. */
  #dict(items: PickleValue, fail: Fail): PickleDict {
    const dict = new PickleDict();
    const add = (key: PickleValue, value: PickleValue) => {
      if (++this.#items > mostItems) fail(`the pickle has dicts of more than ${mostItems} items`);
      dict.entries.push(key, value);
    };
    if (items instanceof PickleDict) for (const [key, value] of items.pairs()) add(key, value);
    else if (Array.isArray(items)) {
      for (const pair of items) {
        if (!Array.isArray(pair) || pair.length !== 2) fail("a dict is not made of pairs");
        add(pair[0], pair[1]);
      }
    }
    return dict;
  }

  #delegate([callee, , args]: readonly PickleValue[], fail: Fail): PickleValue | undefined {
    // Not recursively, which could be arbitrarily deep.
    const isNested = callee instanceof PickleGlobal && callee.name.startsWith("torch._tensor.");
    if (!(callee instanceof PickleGlobal) || isNested || !Array.isArray(args)) return undefined;
    return this.call(callee.name, args, fail);
  }
}

function reconstructed([type, base, state]: readonly PickleValue[]): PickleObject | undefined {
  if (!(type instanceof PickleGlobal)) return undefined;
  const made = new PickleObject(type.name, [base, state]);
  if (state instanceof PickleDict) made.dict = state;
  return made;
}

/** NumPy's types. */
const arrayTypes: Readonly<Record<string, ElementType>> = {
  f2: "F16",
  f4: "F32",
  f8: "F64",
  i1: "I8",
  i2: "I16",
  i4: "I32",
  i8: "I64",
  u1: "U8",
  u2: "U16",
  u4: "U32",
  u8: "U64",
  b1: "BOOL",
};

/** A tensor, or an array of NumPy's that somebody saved in the place of one; undefined for anything else. */
export function tensorIn(value: PickleValue): TensorRef | undefined {
  if (value instanceof TensorRef) return value;
  const array = pickledArray(value);
  const type = array && Object.hasOwn(arrayTypes, array.type) ? arrayTypes[array.type] : undefined;
  if (array === undefined || type === undefined) return undefined;
  const { shape, isFortran, order } = array;
  const bytes = elementBytes[type];
  if (order === ">" && bytes > 1)
    return TensorRef.unreadable("it is an array in the order of bytes of another machine");
  const length = sizeOf(shape);
  if (!isSizes(shape) || pickledLength(array.elements) !== length * bytes) return undefined;
  const inner = (axis: number) => sizeOf(isFortran ? shape.slice(0, axis) : shape.slice(axis + 1));
  const storage = new StorageRef("", elements(type), length, 0, () => pickledBytes(array.elements));
  return new TensorRef(
    storage,
    0,
    shape,
    shape.map((_, axis) => inner(axis)),
    type,
  );
}

/** A view whose values are not those in its storage: PyTorch turns their signs when they are read. */
function viewedLater(metadata: PickleValue): TensorRef | undefined {
  const marks = metadata instanceof PickleDict ? metadata : new PickleDict();
  const isSo = marks.get("neg") === true || marks.get("conj") === true;
  return isSo ? TensorRef.unreadable("it is a view with signs that are turned when it is read") : undefined;
}

function rebuildTensor(args: readonly PickleValue[], fail: Fail, dtype?: PickleValue): TensorRef {
  const [storage, offset, shape, strides] = args;
  const isSound = storage instanceof StorageRef && isSize(offset) && isSizes(shape) && isSizes(strides);
  if (!isSound || shape.length !== strides.length) {
    return fail("a tensor is not made of a storage, an offset, extents and strides");
  }
  const said = dtype instanceof PickleGlobal ? dtype.name : undefined;
  const type = said === undefined ? storage.element.type : Object.hasOwn(dtypes, said) ? dtypes[said] : undefined;
  const why = type === undefined ? `its elements are ${said ?? "of a type"} that cannot be read` : undefined;
  return new TensorRef(storage, offset, shape, strides, type, why);
}
