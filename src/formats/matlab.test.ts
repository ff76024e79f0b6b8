import assert from "node:assert/strict";
import { test } from "node:test";
import { assertTensorFacts, type MatSource, matlab5, matlab73, portFacts } from "../../tests/ports.ts";
import { isThorough, needsShared, sharedData } from "../../tests/support.ts";
import { bytesOf, refused } from "../../tests/weights.ts";
import { permuted } from "../formats/permuted.ts";
import type { Tensor } from "../tensor.ts";
import { matconvnetIn } from "./matconvnet.ts";
import type { MatVariables } from "./matlab-value.ts";
import { parseMatlab5 } from "./matlab5.ts";
import { parseMatlab73 } from "./matlab73.ts";

const read = (bytes: Uint8Array) => parseMatlab5(bytes, "some.mat");

/** Facts have the values in MATLAB's order. */
const inColumns = (tensor: Tensor): Tensor => {
  const { data } = permuted(
    tensor,
    tensor.shape.map((_, axis) => tensor.shape.length - 1 - axis),
  );
  return { ...tensor, data };
};

const real = [
  ["DCFNet-net-7-125-2.mat", parseMatlab5, 4],
  ["se-resnet-50-first-block-scipy.mat", parseMatlab5, 21],
  // A second to unpack.
  ...(isThorough ? ([["net_91_167.mat", parseMatlab73, 107]] as const) : []),
] as const;
for (const [name, parse, layers] of real) {
  test(`${name}: every parameter and ${layers} layers`, needsShared("ports", "matconvnet", name), async () => {
    const variables: MatVariables = await parse(bytesOf(sharedData("ports", "matconvnet", name)), name);
    const net = matconvnetIn(variables, name);
    const { tensors } = portFacts(name);
    assert.deepEqual([...net.params.keys()].sort(), tensors.map(({ name }) => name).sort());
    for (const facts of tensors) assertTensorFacts(inColumns(net.params.get(facts.name)!), facts);
    assert.equal(net.layers.length, layers);
    assert.ok(net.layers.every(({ params }) => params.every((param) => net.params.has(param))));
  });
}

test("a SimpleNN of version 7.3", needsShared("weights", "dncnn-sigma25-bnorm.mat"), async () => {
  const bytes = bytesOf(sharedData("weights", "dncnn-sigma25-bnorm.mat"));
  const net = matconvnetIn(await parseMatlab73(bytes, "dncnn"), "dncnn");
  const kinds = new Set(net.layers.map(({ type }) => type));
  assert.deepEqual([...kinds].sort(), ["dagnn.BatchNorm", "dagnn.Conv", "dagnn.Loss", "dagnn.ReLU"]);
  assert.deepEqual(net.params.get("layers{1} conv weights{1}")?.shape.slice(0, 2), [3, 3]);
  assert.equal(net.layers[1]!.inputs[0], net.layers[0]!.outputs[0]);
});

const everything: Readonly<Record<string, MatSource>> = {
  double: { numbers: [1.5, -2, 3, 4, 5, 6], shape: [2, 3] },
  single: { numbers: [1.5, -2], single: true },
  bytes: { numbers: [1, 200], stored: "u8" },
  shorts: { numbers: [1, -300, 7], stored: "i16" },
  text: { text: "conv1" },
  wide: { text: "conv1_7x7_s2", utf16: true },
  cell: { cell: [{ text: "a" }, { numbers: [1] }, { cell: [] }] },
  structs: {
    structs: [
      { a: { numbers: [1] }, b: { text: "x" } },
      { a: { numbers: [2] }, b: { text: "y" } },
    ],
  },
  none: { structs: [], names: ["a"] },
};

for (const compressed of [false, true]) {
  test(`every kind of value, ${compressed ? "compressed" : "as it is"}`, async () => {
    const found = await read(matlab5(everything, compressed));
    const double = (...values: number[]) => ({
      kind: "numbers",
      shape: [1, values.length],
      data: Float64Array.from(values),
    });
    const text = (text: string) => ({ kind: "text", text });
    assert.deepEqual(Object.fromEntries(found), {
      double: { kind: "numbers", shape: [2, 3], data: Float64Array.of(1.5, -2, 3, 4, 5, 6) },
      single: { kind: "numbers", shape: [1, 2], data: Float32Array.of(1.5, -2) },
      bytes: double(1, 200),
      shorts: double(1, -300, 7),
      text: text("conv1"),
      wide: text("conv1_7x7_s2"),
      cell: { kind: "cell", items: [text("a"), double(1), { kind: "cell", items: [] }] },
      structs: {
        kind: "struct",
        size: 2,
        fields: new Map<string, unknown>([
          ["a", [double(1), double(2)]],
          ["b", [text("x"), text("y")]],
        ]),
      },
      none: { kind: "struct", size: 0, fields: new Map([["a", []]]) },
    });
  });
}

/** A convolution and its batch norm as a DagNN; lists of one may be bare texts, and what is empty numbers. */
const dag = (isBare: boolean): Readonly<Record<string, MatSource>> => {
  const list = (name: string): MatSource => (isBare ? { text: name } : { cell: [{ text: name }] });
  const none: MatSource = { numbers: [], shape: [0, 0] };
  return {
    layers: {
      structs: [
        {
          name: { text: "c" },
          type: { text: "dagnn.Conv" },
          inputs: list("data"),
          outputs: list("x"),
          params: list("c_filter"),
          block: { structs: [{ stride: { numbers: [2, 2] } }] },
        },
        {
          name: { text: "r" },
          type: { text: "dagnn.ReLU" },
          inputs: list("x"),
          outputs: list("y"),
          params: none,
          block: none,
        },
      ],
    },
    params: {
      structs: [{ name: { text: "c_filter" }, value: { numbers: [1, 2, 3, 4, 5, 6], shape: [1, 2, 3], single: true } }],
    },
  };
};

test("a DagNN in four variables or in one, with bare lists or cells", async () => {
  const four = matconvnetIn(await read(matlab5(dag(false))), "f");
  assert.deepEqual(four.layers[0]!.params, ["c_filter"]);
  assert.deepEqual(four.layers[1], {
    name: "r",
    type: "dagnn.ReLU",
    inputs: ["x"],
    outputs: ["y"],
    params: [],
    block: new Map(),
  });
  // From columns first to rows first.
  assert.deepEqual(four.params.get("c_filter"), {
    dtype: "float32",
    shape: [1, 2, 3],
    data: Float32Array.of(1, 3, 5, 2, 4, 6),
  });
  assert.deepEqual(matconvnetIn(await read(matlab5(dag(true))), "f"), four);
  assert.deepEqual(matconvnetIn(await read(matlab5({ net: { structs: [dag(false)] } }, true)), "f"), four);
});

test("a file without a network says what it holds", async () => {
  const other = await read(matlab5({ images: { numbers: [1] } }));
  await refused(() => matconvnetIn(other, "some.mat"), "no network of MatConvNet's", '"images"');
  const objects = dag(false);
  const nameless: MatSource = { structs: [{ name: { numbers: [] }, value: { numbers: [1] } }] };
  const found = await read(matlab5({ ...objects, params: nameless }));
  await refused(() => matconvnetIn(found, "some.mat"), "parameter 1 has no name");
});

test("what is damaged or not read is refused", async () => {
  const sound = matlab5({ a: { numbers: [1, 2, 3] } });
  await refused(() => read(sound.subarray(0, -8)), "cut short");
  await refused(() => read(sound.subarray(0, 100)), "its header");
  const big = sound.slice();
  big.set([0x4d, 0x49], 126);
  await refused(() => read(big), "big-endian");
  const deflated = matlab5({ a: { numbers: [1, 2, 3] } }, true);
  deflated[150] = deflated[150]! ^ 0x55;
  await refused(() => read(deflated), "some.mat");
  let deep: MatSource = { numbers: [1] };
  for (let i = 0; i < 40; i++) deep = { cell: [deep] };
  await refused(() => read(matlab5({ deep })), "nested more than 32 deep");
  await refused(
    () => read(matlab5({ many: { cell: [], shape: [2 ** 20, 2 ** 20] } })),
    "fewer values than the dimensions say",
  );
  await refused(() => read(matlab5({ a: { numbers: [1], shape: [2, 2] } })), "do not fill their dimensions");
  // Eighty megabytes of zeros in some tens of kilobytes.
  const bomb = matlab5({ a: { numbers: new Array<number>(10_000_000).fill(0), shape: [1, 10_000_000] } }, true);
  assert.ok(bomb.length < 100_000);
  await refused(() => read(bomb), "unpacks to more than its file can hold");
});

test("a DagNN of version 7.3", async () => {
  const net = matconvnetIn(await parseMatlab73(await matlab73(), "f"), "f");
  assert.deepEqual(net.layers, [
    { name: "c", type: "dagnn.Conv", inputs: ["data"], outputs: ["x"], params: ["f"], block: new Map() },
  ]);
  assert.deepEqual(net.params.get("f"), {
    dtype: "float32",
    shape: [1, 2, 3],
    data: Float32Array.of(1, 3, 5, 2, 4, 6),
  });
});
