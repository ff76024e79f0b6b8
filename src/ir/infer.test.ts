import assert from "node:assert/strict";
import { test } from "node:test";
import { SenetError } from "../errors.ts";
import type { DType } from "../tensor.ts";
import type { Type } from "./graph.ts";
import { inferTypes } from "./infer.ts";
import "./infer-training.ts";
import type { Attrs, Op } from "./ops.ts";
import { axesOf, convExtent, poolExtent } from "./window.ts";

const f = (...shape: number[]): Type => ({ dtype: "float32", shape });
const d = (...shape: number[]): Type => ({ dtype: "float64", shape });
const int8 = (...shape: number[]): Type => ({ dtype: "int8", shape });
const uint8 = (...shape: number[]): Type => ({ dtype: "uint8", shape });

interface Misfit {
  readonly because: string;
  readonly inputs: readonly Type[];
  /** Where other than those that fit. */
  readonly attrs?: object;
}

interface Example<K extends Op> {
  readonly attrs: Attrs[K];
  readonly inputs: readonly Type[];
  readonly outputs: readonly Type[];
  readonly misfits: readonly Misfit[];
}

const conv = { stride: 2, pad: 1, groups: 2 };
const pool = { kernel: 3, stride: 2, pad: 0, ceil: true };
const eps = 1e-5;

/** For each operation one call that fits, and calls that do not. */
const examples: { readonly [K in Op]: Example<K> } = {
  conv2d: {
    attrs: conv,
    inputs: [f(2, 6, 9, 8), f(4, 3, 3, 3), f(4)],
    outputs: [f(2, 4, 5, 4)],
    misfits: [
      { because: "input 1 is missing", inputs: [f(2, 6, 9, 8)] },
      { because: "rank", inputs: [f(2, 6, 9), f(4, 3, 3, 3)] },
      { because: "channels do not fit the weight", inputs: [f(2, 5, 9, 8), f(4, 3, 3, 3)] },
      { because: "do not divide into groups", inputs: [f(2, 6, 9, 8), f(5, 3, 3, 3)] },
      { because: "input 2 has the wrong length", inputs: [f(2, 6, 9, 8), f(4, 3, 3, 3), f(3)] },
      { because: "too small for this window", inputs: [f(2, 6, 9, 1), f(4, 3, 5, 5)] },
      { because: "mix dtypes", inputs: [f(2, 6, 9, 8), d(4, 3, 3, 3)] },
    ],
  },
  conv2dBackwardInput: {
    attrs: { ...conv, inputShape: [2, 6, 9, 8] },
    inputs: [f(2, 4, 5, 4), f(4, 3, 3, 3)],
    outputs: [f(2, 6, 9, 8)],
    misfits: [
      { because: "dy is not the output", inputs: [f(2, 4, 4, 4), f(4, 3, 3, 3)] },
      { because: "channels do not fit", inputs: [f(2, 4, 5, 4), f(4, 2, 3, 3)] },
    ],
  },
  conv2dBackwardWeight: {
    attrs: { ...conv, weightShape: [4, 3, 3, 3] },
    inputs: [f(2, 6, 9, 8), f(2, 4, 5, 4)],
    outputs: [f(4, 3, 3, 3)],
    misfits: [
      { because: "dy is not the output", inputs: [f(2, 6, 9, 8), f(2, 5, 5, 4)] },
      { because: "channels do not fit", inputs: [f(2, 7, 9, 8), f(2, 4, 5, 4)] },
    ],
  },
  channelSum: {
    attrs: {},
    inputs: [f(2, 3, 4, 5)],
    outputs: [f(3)],
    misfits: [{ because: "no channel axis", inputs: [f(2)] }],
  },
  linear: {
    attrs: {},
    inputs: [f(2, 3), f(5, 3), f(5)],
    outputs: [f(2, 5)],
    misfits: [
      { because: "features do not fit", inputs: [f(2, 4), f(5, 3)] },
      { because: "wrong length", inputs: [f(2, 3), f(5, 3), f(3)] },
      { because: "rank", inputs: [f(2, 3, 1, 1), f(5, 3)] },
    ],
  },
  linearBackwardInput: {
    attrs: {},
    inputs: [f(2, 5), f(5, 3)],
    outputs: [f(2, 3)],
    misfits: [{ because: "dy does not fit", inputs: [f(2, 3), f(5, 3)] }],
  },
  linearBackwardWeight: {
    attrs: {},
    inputs: [f(2, 3), f(2, 5)],
    outputs: [f(5, 3)],
    misfits: [{ because: "differ in batch", inputs: [f(2, 3), f(1, 5)] }],
  },
  batchNorm: {
    attrs: { eps },
    inputs: [f(2, 3, 4, 4), f(3), f(3), f(3), f(3)],
    outputs: [f(2, 3, 4, 4)],
    misfits: [
      { because: "input 4 is missing", inputs: [f(2, 3, 4, 4), f(3), f(3), f(3)] },
      { because: "input 2 has the wrong length", inputs: [f(2, 3, 4, 4), f(3), f(2), f(3), f(3)] },
    ],
  },
  batchNormTraining: {
    attrs: { eps },
    inputs: [f(2, 3, 4, 4), f(3), f(3)],
    outputs: [f(2, 3, 4, 4), f(3), f(3)],
    misfits: [
      { because: "input 1 has the wrong length", inputs: [f(2, 3, 4, 4), f(4), f(3)] },
      { because: "only one value in each channel", inputs: [f(1, 3, 1, 1), f(3), f(3)] },
    ],
  },
  batchNormBackward: {
    attrs: { eps },
    inputs: [f(2, 3, 4, 4), f(3), f(3), f(3), f(2, 3, 4, 4)],
    outputs: [f(2, 3, 4, 4), f(3), f(3)],
    misfits: [
      { because: "inputs 0 and 4 differ", inputs: [f(2, 3, 4, 4), f(3), f(3), f(3), f(2, 3, 4, 5)] },
      { because: "input 3 has the wrong length", inputs: [f(2, 3, 4, 4), f(3), f(3), f(1), f(2, 3, 4, 4)] },
    ],
  },
  batchNormFrozenBackward: {
    attrs: { eps },
    inputs: [f(2, 3, 4, 4), f(3), f(3), f(3), f(2, 3, 4, 4)],
    outputs: [f(2, 3, 4, 4), f(3), f(3)],
    misfits: [
      { because: "inputs 0 and 4 differ", inputs: [f(2, 3, 4, 4), f(3), f(3), f(3), f(2, 3, 4, 5)] },
      { because: "input 3 has the wrong length", inputs: [f(2, 3, 4, 4), f(3), f(3), f(1), f(2, 3, 4, 4)] },
    ],
  },
  runningAverage: {
    attrs: { decay: 0.9, scale: 1 },
    inputs: [f(3), f(3)],
    outputs: [f(3)],
    misfits: [{ because: "differ in shape", inputs: [f(3), f(4)] }],
  },
  relu: { attrs: {}, inputs: [f(2, 3)], outputs: [f(2, 3)], misfits: [{ because: "missing", inputs: [] }] },
  reluBackward: {
    attrs: {},
    inputs: [f(2, 3), f(2, 3)],
    outputs: [f(2, 3)],
    misfits: [{ because: "differ in shape", inputs: [f(2, 3), f(3, 2)] }],
  },
  sigmoid: { attrs: {}, inputs: [d(2, 3)], outputs: [d(2, 3)], misfits: [{ because: "missing", inputs: [] }] },
  sigmoidBackward: {
    attrs: {},
    inputs: [f(2, 3), f(2, 3)],
    outputs: [f(2, 3)],
    misfits: [{ because: "differ in shape", inputs: [f(2, 3), f(2, 3, 1)] }],
  },
  silu: { attrs: {}, inputs: [d(2, 3)], outputs: [d(2, 3)], misfits: [{ because: "missing", inputs: [] }] },
  siluBackward: {
    attrs: {},
    inputs: [f(2, 3), f(2, 3)],
    outputs: [f(2, 3)],
    misfits: [{ because: "differ in shape", inputs: [f(2, 3), f(3, 2)] }],
  },
  mish: { attrs: {}, inputs: [d(2, 3)], outputs: [d(2, 3)], misfits: [{ because: "missing", inputs: [] }] },
  mishBackward: {
    attrs: {},
    inputs: [f(2, 3), f(2, 3)],
    outputs: [f(2, 3)],
    misfits: [{ because: "differ in shape", inputs: [f(2, 3), f(3, 2)] }],
  },
  add: {
    attrs: {},
    inputs: [f(2, 3), f(2, 3)],
    outputs: [f(2, 3)],
    misfits: [
      // Nothing is broadcast.
      { because: "differ in shape", inputs: [f(2, 3), f(1, 3)] },
      { because: "mix dtypes", inputs: [f(2, 3), d(2, 3)] },
    ],
  },
  multiply: { attrs: { factor: 0.1 }, inputs: [f(2, 3, 4, 5)], outputs: [f(2, 3, 4, 5)], misfits: [] },
  maxPool: {
    attrs: pool,
    inputs: [f(1, 2, 112, 112)],
    outputs: [f(1, 2, 56, 56)],
    misfits: [
      { because: "rank", inputs: [f(2, 3)] },
      { because: "too small", inputs: [f(1, 2, 1, 1)], attrs: { ...pool, kernel: 4 } },
    ],
  },
  maxPoolBackward: {
    attrs: pool,
    inputs: [f(1, 2, 112, 112), f(1, 2, 56, 56)],
    outputs: [f(1, 2, 112, 112)],
    misfits: [{ because: "dy is not the output", inputs: [f(1, 2, 112, 112), f(1, 2, 55, 56)] }],
  },
  avgPool: {
    attrs: { ...pool, ceil: false },
    inputs: [f(1, 2, 8, 7)],
    outputs: [f(1, 2, 3, 3)],
    misfits: [{ because: "too small", inputs: [f(1, 2, 2, 7)] }],
  },
  avgPoolBackward: {
    attrs: { ...pool, ceil: false, inputShape: [1, 2, 8, 7] },
    inputs: [f(1, 2, 3, 3)],
    outputs: [f(1, 2, 8, 7)],
    misfits: [{ because: "dy is not the output", inputs: [f(1, 2, 4, 3)] }],
  },
  globalAvgPool: {
    attrs: {},
    inputs: [f(2, 3, 4, 5)],
    outputs: [f(2, 3, 1, 1)],
    misfits: [{ because: "rank", inputs: [f(2, 3)] }],
  },
  globalAvgPoolBackward: {
    attrs: { inputShape: [2, 3, 4, 5] },
    inputs: [f(2, 3, 1, 1)],
    outputs: [f(2, 3, 4, 5)],
    misfits: [{ because: "dy is not the output", inputs: [f(2, 4, 1, 1)] }],
  },
  seScaleAdd: {
    attrs: {},
    inputs: [f(2, 3, 1, 1), f(2, 3, 4, 5), f(2, 3, 4, 5)],
    outputs: [f(2, 3, 4, 5)],
    misfits: [
      { because: "the gate does not fit", inputs: [f(2, 4, 1, 1), f(2, 3, 4, 5), f(2, 3, 4, 5)] },
      { because: "the gate does not fit", inputs: [f(2, 3, 4, 5), f(2, 3, 4, 5), f(2, 3, 4, 5)] },
      { because: "rank", inputs: [f(2, 3), f(2, 3, 4, 5), f(2, 3, 4, 5)] },
      { because: "inputs 1 and 2 differ", inputs: [f(2, 3, 1, 1), f(2, 3, 4, 5), f(2, 3, 4, 4)] },
    ],
  },
  seScaleBackward: {
    attrs: {},
    inputs: [f(2, 3, 1, 1), f(2, 3, 4, 5), f(2, 3, 4, 5)],
    outputs: [f(2, 3, 1, 1), f(2, 3, 4, 5)],
    misfits: [
      { because: "the gate does not fit", inputs: [f(1, 3, 1, 1), f(2, 3, 4, 5), f(2, 3, 4, 5)] },
      { because: "inputs 1 and 2 differ", inputs: [f(2, 3, 1, 1), f(2, 3, 4, 5), f(2, 3, 5, 5)] },
    ],
  },
  seScale: {
    attrs: {},
    inputs: [f(2, 3, 1, 1), f(2, 3, 4, 5)],
    outputs: [f(2, 3, 4, 5)],
    misfits: [{ because: "the gate does not fit", inputs: [f(2, 3, 1, 2), f(2, 3, 4, 5)] }],
  },
  dropout: {
    attrs: { rate: 0.5 },
    inputs: [f(2, 3), f(2, 3)],
    outputs: [f(2, 3)],
    misfits: [
      { because: "inputs 0 and 1 differ", inputs: [f(2, 3), f(3, 3)] },
      { because: "the rate is no part", inputs: [f(2, 3), f(2, 3)], attrs: { rate: 1 } },
    ],
  },
  concat: {
    attrs: {},
    inputs: [f(2, 3, 4, 5), f(2, 1, 4, 5), f(2, 2, 4, 5)],
    outputs: [f(2, 6, 4, 5)],
    misfits: [
      { because: "input 0 is missing", inputs: [] },
      { because: "input 1 does not fit the first", inputs: [f(2, 3, 4, 5), f(2, 3, 5, 5)] },
      { because: "input 1 does not fit the first", inputs: [f(2, 3, 4, 5), f(1, 3, 4, 5)] },
    ],
  },
  channelSlice: {
    attrs: { start: 1, length: 2 },
    inputs: [f(2, 3, 4, 5)],
    outputs: [f(2, 2, 4, 5)],
    misfits: [{ because: "no such channels", inputs: [f(2, 2, 4, 5)] }],
  },
  after: {
    attrs: {},
    inputs: [f(2, 3), f(4), f(1, 2)],
    outputs: [f(2, 3)],
    misfits: [{ because: "input 0 is missing", inputs: [] }],
  },
  quantize: {
    attrs: { scale: 0.1, signed: false },
    inputs: [f(2, 3, 4, 5)],
    outputs: [uint8(2, 3, 4, 5)],
    misfits: [
      { because: "input 0 is missing", inputs: [] },
      { because: "the scale is not a factor", inputs: [f(2)], attrs: { scale: 0, signed: true } },
    ],
  },
  dequantize: {
    attrs: { scale: 0.1 },
    inputs: [uint8(2, 3, 4, 5)],
    outputs: [f(2, 3, 4, 5)],
    misfits: [{ because: "not in eight bits", inputs: [f(2, 3, 4, 5)] }],
  },
  dequantizeWeight: {
    attrs: {},
    inputs: [int8(4, 3, 1, 1), f(4)],
    outputs: [f(4, 3, 1, 1)],
    misfits: [
      { because: "not in eight bits", inputs: [f(4, 3, 1, 1), f(4)] },
      { because: "wrong length", inputs: [int8(4, 3, 1, 1), f(3)] },
    ],
  },
  flatten: {
    attrs: {},
    inputs: [f(2, 3, 4, 5)],
    outputs: [f(2, 60)],
    misfits: [{ because: "missing", inputs: [] }],
  },
  flattenBackward: {
    attrs: { inputShape: [2, 3, 4, 5] },
    inputs: [f(2, 60)],
    outputs: [f(2, 3, 4, 5)],
    misfits: [
      { because: "rank", inputs: [f(2, 3, 4, 5)] },
      { because: "not the output of this flattening", inputs: [f(2, 59)] },
      { because: "not the output of this flattening", inputs: [f(3, 60)] },
    ],
  },
  softmax: { attrs: {}, inputs: [f(2, 3)], outputs: [f(2, 3)], misfits: [{ because: "rank", inputs: [f(3)] }] },
  softmaxCrossEntropy: {
    attrs: {},
    inputs: [f(2, 3), f(2, 3)],
    outputs: [f()],
    misfits: [
      { because: "differ in shape", inputs: [f(2, 3), f(2, 4)] },
      { because: "rank", inputs: [f(2), f(2)] },
      { because: "mix dtypes", inputs: [f(2, 3), d(2, 3)] },
    ],
  },
  softmaxCrossEntropyBackward: {
    attrs: {},
    inputs: [f(2, 3), f(2, 3), f()],
    outputs: [f(2, 3)],
    misfits: [
      { because: "rank", inputs: [f(2, 3), f(2, 3), f(2)] },
      { because: "differ in shape", inputs: [f(2, 3), f(1, 3), f()] },
    ],
  },
  binaryCrossEntropy: {
    attrs: {},
    inputs: [f(2, 3), f(2, 3)],
    outputs: [f()],
    misfits: [
      { because: "differ in shape", inputs: [f(2, 3), f(2, 4)] },
      { because: "rank", inputs: [f(2), f(2)] },
      { because: "mix dtypes", inputs: [f(2, 3), d(2, 3)] },
    ],
  },
  binaryCrossEntropyBackward: {
    attrs: {},
    inputs: [f(2, 3), f(2, 3), f()],
    outputs: [f(2, 3)],
    misfits: [
      { because: "rank", inputs: [f(2, 3), f(2, 3), f(2)] },
      { because: "differ in shape", inputs: [f(2, 3), f(1, 3), f()] },
    ],
  },
  fill: { attrs: { value: 1, shape: [2, 3], dtype: "float64" }, inputs: [], outputs: [d(2, 3)], misfits: [] },
};

for (const op of Object.keys(examples) as Op[]) {
  test(`${op} infers its types, and names the node that does not fit`, () => {
    check(op, examples[op] as Example<typeof op>);
  });
}

function check<K extends Op>(op: K, { attrs, inputs, outputs, misfits }: Example<K>): void {
  assert.deepEqual(inferTypes(op, "layer2.0.it", inputs, attrs), outputs);
  for (const misfit of misfits) {
    assert.throws(
      () => inferTypes(op, "layer2.0.it", misfit.inputs, { ...attrs, ...misfit.attrs }),
      (error) => {
        assert.ok(error instanceof SenetError && error.code === "shape", `${op}: ${error}`);
        assert.equal(error.details.where, `layer2.0.it (${op})`);
        assert.ok(error.message.includes(misfit.because), `"${misfit.because}" is not in: ${error.message}`);
        assert.ok(error.details.expected !== undefined && error.details.found !== undefined, error.message);
        return true;
      },
    );
  }
}

test("types follow the inputs' dtype", () => {
  for (const dtype of ["float32", "float64"] satisfies DType[]) {
    const [y] = inferTypes(
      "conv2d",
      "c",
      [
        { dtype, shape: [1, 3, 8, 8] },
        { dtype, shape: [4, 3, 1, 1] },
      ],
      {
        stride: 1,
        pad: 0,
        groups: 1,
      },
    );
    assert.equal(y!.dtype, dtype);
  }
});

test("a window that rounds up starts within the picture or its padding", () => {
  // Extents by hand, from Caffe's pooling_layer.cpp: ceil, then clip the last window.
  const cases: readonly [n: number, kernel: number, stride: number, pad: number, floor: number, ceil: number][] = [
    [112, 3, 2, 0, 55, 56],
    [113, 3, 2, 0, 56, 56],
    [7, 7, 1, 0, 1, 1],
    [4, 2, 2, 1, 3, 3],
    [5, 2, 2, 1, 3, 3],
    [2, 1, 3, 0, 1, 1],
  ];
  for (const [n, kernel, stride, pad, floor, ceil] of cases) {
    const [axis] = axesOf({ kernel, stride, pad });
    assert.equal(poolExtent(n, axis, false), floor, `floor of ${n}`);
    assert.equal(poolExtent(n, axis, true), ceil, `ceil of ${n}`);
  }
  assert.equal(convExtent(224, { kernel: 7, stride: 2, before: 3, after: 3 }), 112);
  assert.equal(convExtent(224, { kernel: 7, stride: 2, before: 2, after: 3 }), 112);
  assert.equal(convExtent(1, { kernel: 3, stride: 2, before: 1, after: 1 }), 1);
});
