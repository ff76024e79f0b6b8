import assert from "node:assert/strict";
import { test } from "node:test";
import { needsShared, sharedData } from "../../tests/support.ts";
import {
  assertFacts,
  blob,
  bytesOf,
  doubles,
  type Fields,
  floats,
  goldenWeights,
  proto,
  refused,
  smallCaffemodel,
} from "../../tests/weights.ts";
import { batchNormStatistics, type CaffeLayer, parseCaffemodel } from "./caffemodel.ts";
import { allOf, type CaffeMessage, oneOf, parsePrototxt } from "./prototxt.ts";

const parse = (bytes: Uint8Array) => parseCaffemodel(bytes, "some.caffemodel");
/** A network of one layer with one blob. */
const withBlob = (fields: Fields) =>
  proto([
    [
      100,
      [
        [1, "x"],
        [7, fields],
      ],
    ],
  ]);
const theBlob = (fields: Fields) => parse(withBlob(fields)).layers[0]!.blobs[0]!;

for (const name of ["cifar10_res20_iter_64000.caffemodel", "det2.caffemodel"]) {
  test(`${name} is read as OpenCV and protobuf read it`, needsShared("weights", name), () => {
    const golden = goldenWeights().caffe[name]!;
    const bytes = bytesOf(sharedData("weights", name));
    const model = parseCaffemodel(bytes, name);
    assert.equal(model.name, golden.name);
    assert.deepEqual(
      model.layers.map((layer) => [layer.name, layer.type, layer.bottoms, layer.tops, layer.blobs.length]),
      golden.layers.map((layer) => [layer.name, layer.type, layer.bottoms, layer.tops, layer.blobs.length]),
    );
    for (const [i, layer] of model.layers.entries()) {
      for (const [j, found] of layer.blobs.entries()) {
        assertFacts(found, golden.layers[i]!.blobs[j]!, `${layer.name} ${j}`);
        const isAligned = found.data.buffer === bytes.buffer;
        assert.equal(found.data.byteOffset % 4, 0);
        if (!isAligned) assert.ok(found.data.buffer.byteLength === found.data.byteLength, "copies hold nothing else");
      }
    }
  });
}

test(
  "the definitions in a caffemodel are those of its prototxt",
  needsShared("weights", "cifar10_res20_iter_64000.caffemodel"),
  () => {
    const { layers } = parse(bytesOf(sharedData("weights", "cifar10_res20_iter_64000.caffemodel")));
    const text = parsePrototxt(bytesOf(sharedData("weights", "res20_cifar_train_test.prototxt")), "res20");
    const byName = new Map(layers.map((layer) => [layer.name, layer]));
    let compared = 0;
    for (const layer of allOf(text, "layer", "message")) {
      // The network that was trained and saved has no layers of the test alone.
      const include = oneOf(layer, "include", "message", undefined);
      if (include !== undefined && oneOf(include, "phase", "string", "") === "TEST") continue;
      const found = byName.get(oneOf(layer, "name", "string", ""))!;
      assert.equal(found?.type, oneOf(layer, "type", "string", ""));
      for (const field of ["convolution_param", "pooling_param", "inner_product_param", "eltwise_param"]) {
        const expected = oneOf(layer, field, "message", undefined);
        if (expected === undefined) continue;
        assertIncludes(oneOf(found.definition, field, "message", undefined)!, expected);
        compared++;
      }
    }
    assert.ok(compared > 25, `${compared} compared`);
  },
);

/** A file may write defaults out; what the text says it must say. */
function assertIncludes(found: CaffeMessage, expected: CaffeMessage): void {
  for (const [name, values] of expected.fields) {
    for (const [i, value] of values.entries()) {
      const other = found.fields.get(name)?.[i];
      if (typeof value === "object" && typeof other === "object") assertIncludes(other, value);
      else
        assert.equal(other, typeof value === "number" ? (other === Math.fround(value) ? other : value) : value, name);
    }
  }
}

test("a whole network: names, definitions, weights", () => {
  const model = parse(smallCaffemodel());
  assert.equal(model.name, "small");
  assert.deepEqual(
    model.layers.map(({ name, type }) => `${name} ${type}`),
    ["conv/1 Convolution", "bn BatchNorm", "scale Scale", "relu ReLU"],
  );
  const [conv, , , relu] = model.layers;
  assert.deepEqual([conv!.bottoms, conv!.tops], [["data"], ["conv"]]);
  assert.deepEqual(
    [conv!.blobs[0]!.shape, [...conv!.blobs[0]!.data]],
    [
      [2, 1, 1, 1],
      [1, -2],
    ],
  );
  assert.equal(relu!.blobs.length, 0);
  assert.equal(allOf(model.definition, "layer", "message").length, 4);
  assert.equal(model.definition.fields.get("layer")![0], conv!.definition);
  assert.deepEqual(
    allOf(oneOf(model.definition, "input_shape", "message", conv!.definition), "dim", "number"),
    [1, 1, 4, 4],
  );
  const param = oneOf(conv!.definition, "convolution_param", "message", model.definition);
  assert.equal(oneOf(param, "num_output", "number", 0), 2);
  assert.equal(oneOf(param, "bias_term", "boolean", true), false);
  assert.equal(oneOf(param, "engine", "string", ""), "CAFFE");
  assert.equal(oneOf(conv!.definition, "phase", "string", ""), "TEST");
  const filler = oneOf(param, "weight_filler", "message", model.definition);
  assert.deepEqual(
    [oneOf(filler, "type", "string", ""), oneOf(filler, "variance_norm", "string", "")],
    ["msra", "AVERAGE"],
  );
});

test("weights are views where aligned, in every position of the file in memory", () => {
  const bytes = withBlob(blob([3], 1, 2, 3));
  let views = 0;
  for (let shift = 0; shift < 4; shift++) {
    const room = new Uint8Array(bytes.length + 4);
    room.set(bytes, shift);
    for (const part of [room.subarray(shift, shift + bytes.length), Buffer.from(room.buffer, shift, bytes.length)]) {
      const { data } = parse(part).layers[0]!.blobs[0]!;
      assert.deepEqual([...data], [1, 2, 3]);
      if (data.buffer === room.buffer) views++;
    }
  }
  assert.equal(views, 2);
});

test("values packed, one by one, in several pieces, as doubles", () => {
  const shape = [7, [[1, { packed: [3] }]]] as const;
  assert.deepEqual([...theBlob([shape, [5, { float: 1 }], [5, { float: 2 }], [5, { float: 3 }]]).data], [1, 2, 3]);
  assert.deepEqual([...theBlob([[5, floats(1)], shape, [5, { float: 2 }], [5, floats(3)]]).data], [1, 2, 3]);
  assert.deepEqual([...theBlob([shape, [5, floats()], [5, floats(1, 2, 3)], [6, floats(9, 9, 9)]]).data], [1, 2, 3]);
  // Doubles win over floats, in whatever form.
  const wide = theBlob([shape, [5, floats(9, 9, 9)], [8, doubles(1, Math.PI)], [8, { double: 3 }]]);
  assert.deepEqual([wide.dtype, ...wide.data], ["float64", 1, Math.PI, 3]);
  assert.deepEqual([...theBlob([shape, [8, doubles(1, 2, 3)]]).data], [1, 2, 3]);
  // A shape one dimension at a time.
  assert.deepEqual(
    theBlob([
      [
        7,
        [
          [1, 1],
          [1, 2],
        ],
      ],
      [5, floats(1, 2)],
    ]).shape,
    [1, 2],
  );
});

test("four legacy extents win over a shape", () => {
  const found = theBlob([
    [7, [[1, { packed: [6] }]]],
    [1, 1],
    [2, 1],
    [3, 2],
    [4, 3],
    [5, floats(1, 2, 3, 4, 5, 6)],
  ]);
  assert.deepEqual(found.shape, [1, 1, 2, 3]);
  assert.deepEqual(theBlob([[5, floats(3)]]).shape, []);
});

test("old networks (V1 layers) are read in today's words", () => {
  const layer: Fields = [
    [2, "data"],
    [3, "fc"],
    [4, "fc6"],
    [5, 14],
    [
      6,
      [
        [1, 1],
        [2, 1],
        [3, 1],
        [4, 2],
        [5, floats(1, 2)],
      ],
    ],
    [7, { float: 1 }],
    [
      17,
      [
        [1, 1],
        [2, 0],
      ],
    ],
  ];
  const { layers, name } = parse(
    proto([
      [1, "old"],
      [2, layer],
    ]),
  );
  assert.equal(name, "old");
  assert.deepEqual(
    [layers[0]!.name, layers[0]!.type, layers[0]!.blobs[0]!.shape],
    ["fc6", "InnerProduct", [1, 1, 1, 2]],
  );
  const param = oneOf(layers[0]!.definition, "inner_product_param", "message", layers[0]!.definition);
  assert.deepEqual([oneOf(param, "num_output", "number", 0), oneOf(param, "bias_term", "boolean", true)], [1, false]);
});

test("what is damaged or no network is refused, naming the layer", async () => {
  await refused(
    () =>
      parse(
        withBlob([
          [7, [[1, { packed: [4] }]]],
          [5, floats(1, 2, 3)],
        ]),
      ),
    'layer "x", blob 0',
    "4 values for [4]",
    "3",
  );
  await refused(
    () =>
      parse(
        withBlob([
          [7, [[1, { packed: [-1, -3] }]]],
          [5, floats(1, 2, 3)],
        ]),
      ),
    "do not fill",
  );
  await refused(
    () =>
      parse(
        withBlob([
          [7, [[1, { packed: [2 ** 40, 2 ** 40] }]]],
          [5, floats(1)],
        ]),
      ),
    "do not fill",
  );
  await refused(() => parse(withBlob([[5, new Uint8Array(5)]])), "multiple of 4", "5");
  await refused(() => parse(withBlob([[5, 1]])), "wrong type");
  await refused(
    () =>
      parse(
        withBlob([
          [7, [[1, { packed: Array<number>(33).fill(1) }]]],
          [5, floats(1)],
        ]),
      ),
    "32 axes",
  );
  await refused(() => parse(new Uint8Array()), "no layer");
  await refused(
    () =>
      parse(
        proto([
          [1, "mean"],
          [5, 1],
        ]),
      ),
    "no layer",
  );
  await refused(() => parse(proto([[2, [[1, [[1, "v0"]]]]]])), "V0", "upgrade_net_proto_binary");
  await refused(() => parse(smallCaffemodel().subarray(0, 100)), "damaged or cut short");
  await refused(
    () =>
      parse(
        proto([
          [
            100,
            [
              [1, "a"],
              [1, "b"],
            ],
          ],
        ]),
      ),
    '"name" occurs 2 times',
  );
});

test("small files do not become objects without end", async () => {
  const repeat = (part: Uint8Array, count: number) => Buffer.concat(Array<Uint8Array>(count).fill(part));
  await refused(() => parse(repeat(proto([[100, []]]), 20_001)), "more than 20000 layers");
  await refused(() => parse(proto([[100, repeat(proto([[7, blob([0])]]), 100_001)]])), "more than 100000 blobs");
  await refused(() => parse(proto([[100, repeat(proto([[3, ""]]), 200_001)]])), "more than 200000 values");
});

test("batch norm: sums are divided by the scale factor, 0 by 0 is 0", async () => {
  const [, bn, scale] = parse(smallCaffemodel()).layers;
  const plain = ({ mean, variance, gamma, beta, eps }: ReturnType<typeof batchNormStatistics>) => [
    ...[mean, variance, gamma, beta].map(({ dtype, shape, data }) => [dtype, shape, [...data]]),
    eps,
  ];
  const row = (a: number, b: number) => ["float32", [2], [a, b]];
  assert.deepEqual(plain(batchNormStatistics(bn!, scale)), [row(2, 0.5), row(1, 4), row(3, 5), row(-1, 1), 2 ** -10]);
  const layer = (...blobs: Fields[]): CaffeLayer =>
    parse(proto([[100, [[1, "bn2"], [2, "BatchNorm"], ...blobs.map((item) => [7, item] as const)]]])).layers[0]!;
  const zero = layer(blob([1, 2, 1, 1], 8, 2), blob([2], 4, 16), blob([1], 0));
  assert.deepEqual(plain(batchNormStatistics(zero)), [row(0, 0), row(0, 0), row(1, 1), row(0, 0), 1e-5]);
  assert.deepEqual([...batchNormStatistics(zero, layer(blob([2], 7, 8))).gamma.data], [7, 8]);
  // 1/s is rounded to float32 before it multiplies, as in Caffe.
  const third = layer(blob([1], 16777215), blob([1], 1), blob([1], 3));
  assert.equal(batchNormStatistics(third).mean.data[0], Math.fround(16777215 * Math.fround(1 / 3)));
  await refused(() => batchNormStatistics(layer(blob([2], 1, 2))), 'layer "bn2"', "three");
  await refused(
    () => batchNormStatistics(layer(blob([2], 1, 2), blob([3], 1, 2, 3), blob([1], 1))),
    "do not fit",
    "3 and 1",
  );
  await refused(() => batchNormStatistics(bn!, layer(blob([3], 1, 2, 3))), "2 values each", "1 blobs of 3");
});
