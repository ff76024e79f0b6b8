import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { golden, needsShared, sharedData } from "../../tests/support.ts";
import {
  assertAllFacts,
  bytesOf,
  type Facts,
  floats,
  goldenWeights,
  pickle,
  refused,
  torchArchive,
  zip,
} from "../../tests/weights.ts";
import type { SenetError } from "../errors.ts";
import type { Tensor } from "../tensor.ts";
import { PickleDict, PickleObject, type PickleValue } from "./pickle-values.ts";
import { parseTorch } from "./torch.ts";
import { labelsIn } from "./torch-state.ts";

const { dict, tensor, storage, text, int, list, tuple, call, global } = pickle;
const facts = goldenWeights().torch;
/** As the names are without DataParallel, and without what averaging counts. */
const bare = (tensors: ReadonlyMap<string, Tensor>) =>
  new Map([...tensors].filter(([name]) => name !== "n_averaged").map(([name, x]) => [name.replace("module.", ""), x]));
const parse = async (bytes: Uint8Array) => (await parseTorch(bytes, "some.pth")).tensors;
/** A file with this value and one storage "0" of four floats. */
const four = (value: readonly number[]) => torchArchive(value, { 0: floats(1, 2, 3, 4) });
const fourFloats = storage("FloatStorage", "0", 4);

test("resnet20-12fca82f.th is read as PyTorch reads it", needsShared("weights", "resnet20-12fca82f.th"), async () => {
  const tensors = await parse(bytesOf(sharedData("weights", "resnet20-12fca82f.th")));
  assertAllFacts(bare(tensors), facts["resnet20-12fca82f.th"]!, "resnet20");
});

for (const name of ["zip.pth", "legacy.pth", "checkpoint.pth"]) {
  test(`golden/weights/${name} is read as PyTorch reads it`, async () => {
    const bytes = bytesOf(golden("weights", name));
    const tensors = await parse(bytes);
    assertAllFacts(bare(tensors), facts[name]!, name);
    for (let shift = 1; shift < 8; shift++) {
      const room = new Uint8Array(bytes.length + 8);
      room.set(bytes, shift);
      const shifted = await parse(room.subarray(shift, shift + bytes.length));
      assertAllFacts(bare(shifted), facts[name]!, `${name} shifted by ${shift}`);
    }
  });
}

test("contiguous float32 is a view on the file, and tensors may share it", async () => {
  const bytes = bytesOf(golden("weights", "zip.pth"));
  const tensors = await parse(bytes);
  const whole = tensors.get("float")!.data;
  const part = tensors.get("shared")!.data;
  // PyTorch aligns storages to 64 bytes.
  assert.equal(whole.buffer, bytes.buffer);
  assert.equal(part.buffer, bytes.buffer);
  assert.equal(part.byteOffset - whole.byteOffset, 2 * 8 * 4);
  assert.notEqual(tensors.get("transposed")!.data.buffer, bytes.buffer);
  assert.deepEqual(
    ["float", "double", "half", "brain", "long", "bool"].map((name) => tensors.get(name)!.dtype),
    ["float32", "float64", "float32", "float32", "int32", "int32"],
  );
});

interface Saved {
  readonly tensors: Readonly<Record<string, Facts>>;
  /** The weights that are not averaged. */
  readonly raw?: Readonly<Record<string, Facts>>;
  readonly labels?: readonly string[];
}
const saved: Readonly<Record<string, Saved>> = JSON.parse(readFileSync(golden("torch.json"), "utf8"));

for (const [name, { tensors, labels }] of Object.entries(saved)) {
  test(`golden/weights/${name}: the weights are found beside all that a training script saves`, async () => {
    const found = await parseTorch(bytesOf(golden("weights", name)), name);
    assertAllFacts(bare(found.tensors), tensors, name);
    assert.deepEqual(found.labels[0]?.labels, labels);
    assert.equal(found.notes.length, name === "torch-ema.pth" ? 1 : 0, found.notes.join());
  });
}

test("of raw and averaged weights the average is taken, which is said, and any can be asked for", async () => {
  const bytes = bytesOf(golden("weights", "torch-ema.pth"));
  const { tensors, raw } = saved["torch-ema.pth"]!;
  const { notes } = await parseTorch(bytes, "ema.pth");
  assert.match(notes[0]!, /"model_ema", a moving average, .*"state_dict".*`state`/);
  const asked = async (state: string) => (await parseTorch(bytes, "ema.pth", state)).tensors;
  assertAllFacts(await asked("state_dict"), raw!, "raw");
  assertAllFacts(bare(await asked("model_ema")), tensors, "averaged");
  await assert.rejects(asked("ema"), (error: SenetError) => {
    assert.equal(error.code, "usage");
    return /"ema"/.test(error.message) && /"model_ema", "state_dict"/.test(error.message);
  });
  const nested = await parseTorch(bytesOf(golden("weights", "torch-views.pth")), "views.pth", "state_dict");
  assert.ok(nested.tensors.has("tied.weight"));
});

test("an optimiser's tensors are no weights, and of other networks the largest is taken", async () => {
  const one = tensor(fourFloats, 0, [4], [1]);
  const two = dict([
    ["a.weight", one],
    ["a.bias", one],
  ]);
  const three = dict([
    ["b.weight", one],
    ["b.bias", one],
    ["c.bias", one],
  ]);
  const names = async (...entries: (readonly [string, readonly number[]])[]) =>
    [...(await parse(four(dict(entries.map(([key, value]) => [key, [...value]]))))).keys()].join();
  assert.equal(await names(["optimizer", three], ["net", two]), "a.weight,a.bias");
  assert.equal(await names(["teacher", three], ["student", two]), "b.weight,b.bias,c.bias");
  assert.equal(await names(["x", dict([["opt_state", three]])], ["y", list(list(two))]), "a.weight,a.bias");
  assert.equal(await names(["swa_model", two], ["state_dict", two]), "a.weight,a.bias");
  // What is not a tensor beside tensors (_extra_state, counters) is no weight.
  assert.equal(await names(["a.weight", one], ["a._extra_state", [0x4e]], ["epoch", int(3)]), "a.weight");
});

test("calls stay calls: nothing of a pickle is run, and what would do harm in Python is named", async () => {
  const one = tensor(fourFloats, 0, [4], [1]);
  for (const [module, name] of [
    ["os", "system"],
    ["builtins", "eval"],
    ["torch", "load"],
    ["torch._utils", "__proto__"],
    ["collections", "OrderedDict.fromkeys"],
  ] as const) {
    const code = call(global(module, name), text("x"));
    const file = four(
      dict([
        ["x", code],
        ["w", one],
      ]),
    );
    const { tensors, notes } = await parseTorch(file, "some.pth");
    assert.deepEqual([...tensors.keys()], ["w"]);
    const isHarmful = module === "os" || module === "builtins";
    assert.equal(notes.join().includes(`"${module}.${name}"`), isHarmful);
  }
  const modern = [...text("posix"), ...text("system"), 0x93, ...tuple(text("x")), 0x52];
  await refused(() => parse(four(modern)), "no tensors by name", '"posix.system"');
});

test("tensors that cannot be held are refused if they are weights, and by what they are", async () => {
  const sparse = call(global("torch._utils", "_rebuild_sparse_tensor"), int(1), tuple());
  const one = tensor(fourFloats, 0, [4], [1]);
  const file = (weight: number[]) =>
    four(
      dict([
        ["state_dict", dict([["w.weight", weight]])],
        ["mask", sparse],
      ]),
    );
  assert.equal((await parse(file(one))).size, 1);
  await refused(() => parse(file(sparse)), 'tensor "w.weight"', "sparse", "to_dense().float()");
  // Its to_dense() gives a quantised tensor, whose float() PyTorch refuses.
  const quantised = call(global("torch._utils", "_rebuild_qtensor"), int(1), tuple());
  await refused(() => parse(file(quantised)), 'tensor "w.weight"', "quantised", "{ name: tensor.dequantize() }");
  const meta = call(global("torch._utils", "_rebuild_meta_tensor_no_storage"), int(1), tuple());
  await refused(() => parse(file(meta)), 'tensor "w.weight"', "no values", "before it is saved");
  const complex = tensor(storage("ComplexFloatStorage", "0", 2), 0, [2], [1]);
  await refused(() => parse(file(complex)), 'tensor "w.weight"', "cannot be read");
});

test("tensors on untyped storages say their own type", async () => {
  const untyped = (type: string, offset: number, shape: number[]) =>
    call(
      global("torch._utils", "_rebuild_tensor_v3"),
      storage("UntypedStorage", "0", 16),
      int(offset),
      tuple(...shape.map(int)),
      tuple(int(1)),
      [0x89],
      call(global("collections", "OrderedDict")),
      global("torch", type),
    );
  const found = await parse(four(dict([["w", untyped("float32", 1, [2])]])));
  assert.deepEqual([...found.get("w")!.data], [2, 3]);
  await refused(() => parse(four(dict([["w", untyped("float8_e5m2", 0, [2])]]))), "float8_e5m2");
});

test("of protocol 0 it is said that it lost the storages", async () => {
  const lost = Buffer.from("P('storage', <class 'torch.FloatStorage'>, '0', 'cpu', 4)\n");
  await refused(() => parse(four(dict([["w", [...lost]]]))), "protocol 0", "save the network again");
});

test("protocols 2 to 5, and what Python 2 wrote", async () => {
  const one = tensor(fourFloats, 0, [4], [1]);
  const framed = [0x80, 4, 0x95, ...new Uint8Array(BigUint64Array.of(9n).buffer), ...dict([["x", one]])];
  assert.deepEqual([...(await parse(four(framed))).get("x")!.data], [1, 2, 3, 4]);
  // MEMOIZE, BINPUT, LONG_BINPUT and their recall; tuples of one to three; DUP and POP; bytes.
  const memoised = [...one, 0x94, 0x68, 0, 0x30, 0x71, 7, 0x72, 1, 2, 0, 0, 0x30, 0x68, 7, 0x30, 0x6a, 1, 2, 0, 0];
  assert.deepEqual([...(await parse(four(dict([["x", memoised]])))).get("x")!.data], [1, 2, 3, 4]);
  const others = [
    ...int(1),
    ...int(2),
    0x86,
    0x32,
    0x30,
    0x30,
    0x43,
    1,
    65,
    0x30,
    0x8a,
    9,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    1,
    0x30,
  ];
  assert.equal((await parse(four([...others, ...dict([["x", one]])]))).size, 1);
  const ordered = call(global("collections", "OrderedDict"), list(list([0x55, 1, 0x78], one)));
  assert.deepEqual([...(await parse(four(ordered))).keys()], ["x"]);
  const built = [
    ...call(global("collections", "OrderedDict")),
    ...text("x"),
    ...one,
    0x73,
    ...dict([["_metadata", int(1)]]),
    0x62,
  ];
  assert.deepEqual([...(await parse(four(built))).keys()], ["x"]);
  const old = call(
    global("torch._utils", "_rebuild_tensor"),
    fourFloats,
    int(1),
    call(global("torch", "Size"), tuple(int(2))),
    tuple(int(2)),
  );
  assert.deepEqual([...(await parse(four(dict([["x", old]])))).get("x")!.data], [2, 4]);
});

test("deflated archives are read too", async () => {
  const bytes = torchArchive(dict([["x", tensor(fourFloats, 0, [2, 2], [1, 2])]]), { 0: floats(1, 2, 3, 4) }, 8);
  assert.deepEqual([...(await parse(bytes)).get("x")!.data], [1, 3, 2, 4]);
});

test("a state dict is found in dicts of dicts", async () => {
  const one = tensor(fourFloats, 0, [4], [1]);
  const nested = dict([
    ["epoch", int(3)],
    [
      "model",
      dict([
        ["state_dict", dict([["a", one]])],
        ["arch", text("x")],
      ]),
    ],
  ]);
  assert.deepEqual([...(await parse(four(nested))).keys()], ["a"]);
});

test("of several networks in one dict, by what their names begin with, one can be asked for", async () => {
  const one = (n: number) => tensor(fourFloats, n, [1], [1]);
  const bytes = four(
    dict([
      [
        "state_dict",
        dict([
          ["student.net.fc.weight", one(0)],
          ["teacher.net.fc.weight", one(1)],
          ["teachers", one(2)],
        ]),
      ],
      ["epoch", int(3)],
    ]),
  );
  const { tensors, notes } = await parseTorch(bytes, "two.ckpt", "teacher");
  assert.deepEqual(
    [...tensors].map(([name, { data }]) => [name, data[0]]),
    [["teacher.net.fc.weight", 2]],
  );
  assert.deepEqual(notes, []);
  await assert.rejects(parseTorch(bytes, "two.ckpt", "teach"), /no weights "teach"/);
});

test("names of classes may be bytes, and NumPy's arrays of text or of objects", () => {
  const labelsOf = (value: PickleValue) => {
    const root = new PickleDict();
    root.entries.push("classes", value);
    return labelsIn(root)[0]?.labels;
  };
  const array = (dtype: string, shape: number[], content: PickleValue) => {
    const made = new PickleObject("numpy.core.multiarray._reconstruct", []);
    made.state = [1, shape, new PickleObject("numpy.dtype", [dtype, false, true]), false, content];
    return made;
  };
  const wide = Uint8Array.from([..."cat\0owls"].flatMap((character) => [character.charCodeAt(0), 0, 0, 0]));
  assert.deepEqual(labelsOf([Uint8Array.of(99, 97, 116), "owl"]), ["cat", "owl"]);
  assert.deepEqual(labelsOf([new PickleObject("_codecs.encode", ["cat", "latin1"])]), ["cat"]);
  assert.deepEqual(labelsOf(array("U4", [2], wide)), ["cat", "owls"]);
  assert.deepEqual(labelsOf(array("O8", [2], ["cat", "owls"])), ["cat", "owls"]);
  for (const other of [array("U4", [3], wide), array("U4", [2, 1], wide), array("i8", [4], wide), ["cat", 3]]) {
    assert.equal(labelsOf(other), undefined);
  }
  assert.equal(labelsOf(array("U4", [1], new Uint8Array(16).fill(255))), undefined);
});

test("tensors outside of their storage are refused by name", async () => {
  const one = (offset: number, shape: number[], strides: number[]) =>
    four(dict([["w", tensor(fourFloats, offset, shape, strides)]]));
  for (const [offset, shape, strides] of [
    [0, [5], [1]],
    [1, [4], [1]],
    [0, [2, 2], [3, 1]],
    [5, [0], [1]],
  ] as const) {
    await refused(() => parse(one(offset, [...shape], [...strides])), 'tensor "w"', "not inside its storage");
  }
  // What repeats elements may be larger than its storage, but not than the memory.
  assert.deepEqual([...(await parse(one(1, [2, 2, 2], [0, 1, 0]))).get("w")!.data], [2, 2, 3, 3, 2, 2, 3, 3]);
  for (const shape of [[1_000_000_000], [2 ** 30, 2 ** 30, 2 ** 30]]) {
    await refused(
      () =>
        parse(
          one(
            0,
            shape,
            shape.map(() => 0),
          ),
        ),
      'tensor "w"',
      "far more memory",
    );
  }
  assert.deepEqual([...(await parse(one(3, [1, 1], [99, 7]))).get("w")!.data], [4]);
  assert.deepEqual([...(await parse(one(4, [0, 3], [3, 1]))).get("w")!.shape], [0, 3]);
  for (const [offset, shape, strides] of [
    [-1, [4], [1]],
    [0, [-4], [1]],
    [0, [2], [-1]],
    [0, [2], [1, 1]],
  ] as const) {
    await refused(() => parse(one(offset, [...shape], [...strides])), "not made of a storage");
  }
});

test("storages that are missing, short or of two types are refused", async () => {
  const w = (type: string, key: string, length: number) =>
    dict([["w", tensor(storage(type, key, length), 0, [length], [1])]]);
  await refused(() => parse(four(w("FloatStorage", "1", 4))), 'tensor "w"', 'no storage "1"');
  await refused(() => parse(four(w("FloatStorage", "0", 5))), "20 bytes", "16");
  await refused(() => parse(four(w("DoubleStorage", "0", 4))), "32 bytes");
  const two = dict([
    ["a", tensor(fourFloats, 0, [4], [1])],
    ["b", tensor(storage("IntStorage", "0", 4), 0, [4], [1])],
  ]);
  await refused(() => parse(four(two)), 'tensor "b"', "another type");
  await refused(() => parse(four(w("Storage", "0", 1))), "not a storage", "torch.Storage");
});

test("files without tensors by name say what they hold", async () => {
  const one = tensor(fourFloats, 0, [4], [1]);
  await refused(() => parse(four(one)), "no tensors by name", "a tensor");
  await refused(() => parse(four(dict([]))), "no tensors by name", "an empty dict");
  await refused(() => parse(four(dict([["epoch", int(3)]]))), '"epoch" (number)');
});

test("pickles that are damaged or mean harm are refused", async () => {
  const bad = (...opcodes: number[]) => parse(torchArchive(opcodes, {}));
  await refused(() => bad(0x30), "takes more from its stack");
  await refused(() => bad(0x28, 0x30), "takes a mark");
  await refused(() => bad(0x74), "no mark");
  await refused(() => bad(0x68, 3), "number 3");
  await refused(() => bad(0x8c, 200), "cut short");
  await refused(() => bad(0x80, 9), "protocol", "9");
  await refused(() => bad(0x28, 0x4e, 0x64), "without a value");
  await refused(() => bad(0x4e, 0x4e, 0x61), "not a list");
  await refused(() => bad(0x4e, 0x4e, 0x4e, 0x73), "not a dict");
  await refused(() => bad(0x4e, 0x29, 0x52), "not a function");
  await refused(() => bad(0x4e, 0x51), "not a storage");
  await refused(() => bad(0x4e, 0x4e), "one value");
  await refused(() => bad(0x82), "opcode", "0x82");
  await refused(() => bad(0x63, ...Array<number>(300).fill(65)), "has no end");
  await refused(() => parse(torchArchive(Array<number>(200_001).fill(0x7d), {})), "more than 200000 objects");
  const many: number[] = [0x4e];
  for (let i = 0; i < 1_000_000; i++) many.push(0x32, 0x30);
  await refused(() => parse(torchArchive(many, {})), "more than 2000000 opcodes");
});

test("a list that is checked again and again, and keys that are lists, cost no time", async () => {
  // A list of 100,000 ints as the extents of 20,000 tensors; then a dict's key that is a list of lists, doubled 60 times.
  const extents = [0x28, ...Array.from({ length: 100_000 }, () => [0x4b, 1]).flat(), 0x6c, 0x94];
  const calls = Array.from({ length: 20_000 }, () => [...global("torch", "Size"), 0x68, 0, 0x85, 0x52, 0x30]).flat();
  await refused(() => parse(torchArchive(extents.concat(calls), {})), "a list of 100000");
  const doubled = Array.from({ length: 60 }, () => [0x32, 0x86]).flat();
  const value = [0x7d, 0x5d, ...doubled, 0x4e, 0x73];
  await refused(() => parse(torchArchive(value, {})), "a list of 2 (None)");
});

test("tensors that share one storage cannot add up to more than the file can mean", async () => {
  const many = Array.from(
    { length: 300 },
    (_, i) => [`t${i}`, [...tensor([0x68, 0], 0, [200, 100], [1, 200])]] as const,
  );
  const values = new Uint8Array(80_000);
  const file = torchArchive([...storage("FloatStorage", "0", 20_000), 0x94, 0x30, ...dict(many)], { 0: values });
  assert.ok(file.length < 150_000);
  await refused(() => parse(file), "far more memory");
});

test("the old container is checked throughout", async () => {
  const bytes = bytesOf(golden("weights", "legacy.pth"));
  await refused(() => parse(bytes.subarray(0, -1)), "cut short");
  await refused(() => parse(Buffer.concat([bytes, Buffer.of(0)])), "after the last storage");
  await refused(() => parse(new Uint8Array(100)), "not a file of PyTorch");
  const at = (text: string) => Buffer.from(bytes).indexOf(text);
  const big = bytes.slice();
  // little_endian, BINPUT, NEWTRUE becomes NEWFALSE.
  const flag = big.indexOf(0x88, at("little_endian"));
  big[flag] = 0x89;
  await refused(() => parse(big), "little-endian");
  await refused(() => parse(zip([{ name: "a.npy", content: Buffer.of(1) }])), "not one of PyTorch", "1 other entries");
  await refused(
    () =>
      parse(
        zip([
          { name: "x/byteorder", content: Buffer.from("big") },
          { name: "x/data.pkl", content: pickle.file(dict([])) },
        ]),
      ),
    "little-endian",
  );
});

test("arrays of NumPy's are taken for tensors, in either order of axes, and names for what they say as bytes", async () => {
  const bytes = (content: Uint8Array) => [0x43, content.length, ...content];
  const encoded = (content: Uint8Array) => {
    const characters = Buffer.from(String.fromCharCode(...content));
    return call(global("_codecs", "encode"), [0x8c, characters.length, ...characters], text("latin1"));
  };
  const array = (type: string, order: string, isFortran: boolean, elements: readonly number[], module = "core") => [
    ...call(
      global(`numpy.${module}.multiarray`, "_reconstruct"),
      global("numpy", "ndarray"),
      tuple(int(0)),
      bytes(Buffer.of(98)),
    ),
    ...tuple(
      int(1),
      tuple(int(2), int(3)),
      // Its order of bytes is set afterwards.
      [...call(global("numpy", "dtype"), text(type), [0x89], [0x88]), ...tuple(int(3), text(order)), 0x62],
      [isFortran ? 0x88 : 0x89],
      elements,
    ),
    0x62,
  ];
  const six = floats(1, 2, 3, 4, 5, 6);
  const file = (value: readonly number[]) => torchArchive(value, {});
  const rows = await parse(file(dict([["a.weight", array("f4", "<", false, bytes(six))]])));
  assert.deepEqual(
    [rows.get("a.weight")!.shape, Array.from(rows.get("a.weight")!.data)],
    [
      [2, 3],
      [1, 2, 3, 4, 5, 6],
    ],
  );
  const columns = await parse(file(dict([["a.weight", array("f4", "<", true, encoded(six), "_core")]])));
  assert.deepEqual(Array.from(columns.get("a.weight")!.data), [1, 3, 5, 2, 4, 6]);
  const named = await parse(
    four([0x7d, 0x28, ...bytes(Buffer.from("a.weight")), ...tensor(fourFloats, 0, [4], [1]), 0x75]),
  );
  assert.deepEqual([...named.keys()], ["a.weight"]);
  await refused(() => parse(file(dict([["a.weight", array("f4", ">", false, bytes(six))]]))), "another machine");
  // Fewer bytes than it has elements, or none at all: no array, and so nothing here has a name.
  for (const elements of [bytes(six.subarray(4)), int(0)])
    await refused(() => parse(file(dict([["a.weight", array("f4", "<", false, elements)]]))), "no tensors by name");
});

test("many arrays of one text do not become many copies of it", async () => {
  const length = 2 ** 16;
  const content = Buffer.from("\u00c8".repeat(length));
  const shared = [...[0x58, ...new Uint8Array(Uint32Array.of(content.length).buffer)], ...content, 0x71, 0];
  const dtype = call(global("numpy", "dtype"), text("u1"));
  const one = (elements: readonly number[]) => [
    ...call(global("numpy.core.multiarray", "_reconstruct")),
    ...tuple(int(1), tuple(int(length)), dtype, [0x89], call(global("_codecs", "encode"), elements, text("latin1"))),
    0x62,
  ];
  const entries = Array.from({ length: 1000 }, (_, i) => [`${i}.weight`, one(i === 0 ? shared : [0x68, 0])] as const);
  await refused(() => parse(torchArchive(dict(entries), {})), "far more memory");
});

test("a view whose signs are turned when it is read is refused", async () => {
  const turned = call(
    global("torch._utils", "_rebuild_tensor_v2"),
    ...[fourFloats, int(0), tuple(int(4)), tuple(int(1)), [0x89], call(global("collections", "OrderedDict"))],
    dict([["neg", [0x88]]]),
  );
  await refused(() => parse(four(dict([["a.weight", turned]]))), "signs that are turned");
});
