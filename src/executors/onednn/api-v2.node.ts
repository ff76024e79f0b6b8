/** Version 2 of the C API: descriptors of memory and of operations are structs that the caller holds. */

import {
  alphaOf,
  backwardNumber,
  C,
  type Dialect,
  dimsOf,
  handles,
  isStrided,
  propOf,
  stridesOf,
  type Tags,
  tagOf,
  typeOf,
  windowOf,
} from "./dialect.node.ts";
import type { Library } from "./library.node.ts";
import { Arg, type Scales, type Spec } from "./spec.ts";

/** The structs of 2.6 have 696 and at most 15,344 bytes. */
const memoryDescBytes = 1024;
const operationDescBytes = 16_384;

/** Format tags by the number of extents. */
const tags: Tags = {
  blocked16: { 4: 69, 5: 105 },
  blocked8: { 4: 93, 5: 129 },
  weights16: { 4: 70 },
  weights16Backward: { 4: 66 },
};

const flags = { fuseRelu: 4, scale: 8, shift: 16 };
const eltwise = { relu: 31, sigmoid: 175, silu: 223, mish: 96, sqrt: 111, linear: 127 };

const conv = "void *strides, void *low, void *high";
const pool = "void *strides, void *kernel, void *low, void *high";

function bindInit({ bind }: Library) {
  return {
    conv: bind(
      `int convolution_forward_desc_init(void *op, int prop, int alg, void *src, void *w, void *b, void *dst, ${conv})`,
    ),
    convData: bind(
      `int convolution_backward_data_desc_init(void *op, int alg, void *src, void *w, void *dst, ${conv})`,
    ),
    convWeights: bind(
      `int convolution_backward_weights_desc_init(void *op, int alg, void *src, void *w, void *b, void *dst, ${conv})`,
    ),
    inner: bind("int inner_product_forward_desc_init(void *op, int prop, void *src, void *w, void *b, void *dst)"),
    innerData: bind("int inner_product_backward_data_desc_init(void *op, void *src, void *w, void *dst)"),
    innerWeights: bind(
      "int inner_product_backward_weights_desc_init(void *op, void *src, void *w, void *b, void *dst)",
    ),
    norm: bind(
      "int batch_normalization_forward_desc_init(void *op, int prop, void *data, float eps, unsigned int flags)",
    ),
    normBack: bind(
      "int batch_normalization_backward_desc_init(void *op, int prop, void *diff, void *data, float eps, unsigned int flags)",
    ),
    eltwise: bind("int eltwise_forward_desc_init(void *op, int prop, int alg, void *data, float alpha, float beta)"),
    eltwiseBack: bind(
      "int eltwise_backward_desc_init(void *op, int alg, void *diff, void *data, float alpha, float beta)",
    ),
    pool: bind(`int pooling_forward_desc_init(void *op, int prop, int alg, void *src, void *dst, ${pool})`),
    poolBack: bind(`int pooling_backward_desc_init(void *op, int alg, void *src, void *dst, ${pool})`),
    binary: bind("int binary_desc_init(void *op, int alg, void *src, void *operand, void *dst)"),
    matmul: bind("int matmul_desc_init(void *op, void *src, void *w, void *b, void *dst)"),
    reduction: bind("int reduction_desc_init(void *op, int alg, void *src, void *dst, float p, float eps)"),
  };
}

export function dialectV2(library: Library): Dialect {
  const { bind } = library;
  const initByStrides = bind("int memory_desc_init_by_strides(void *md, int n, void *dims, int type, void *strides)");
  const initByTag = bind("int memory_desc_init_by_tag(void *md, int n, void *dims, int type, int tag)");
  const initView = bind("int memory_desc_init_submemory(void *md, void *parent, void *dims, void *offsets)");
  const create = bind("int primitive_desc_create(void *pd, void *op, void *attr, void *engine, void *hint)");
  const reorder = bind(
    "int reorder_primitive_desc_create(void *pd, void *src, void *from, void *dst, void *to, void *attr)",
  );
  const appendEltwise = bind("int post_ops_append_eltwise(void *ops, float scale, int alg, float alpha, float beta)");
  const appendSum = bind("int post_ops_append_sum(void *ops, float scale)");
  const setOutputScales = bind(
    "int primitive_attr_set_output_scales(void *attr, int64_t count, int mask, void *scales)",
  );
  const setArgScales = bind(
    "int primitive_attr_set_scales(void *attr, int arg, int64_t count, int mask, void *scales)",
  );
  const init = bindInit(library);
  const operation = new Uint8Array(operationDescBytes);

  const initialise = (spec: Exclude<Spec, { primitive: "reorder" }>): number => {
    switch (spec.primitive) {
      case "convolution": {
        const [src, w, b, dst] = handles(spec);
        const window = windowOf(spec.window);
        const alg = C[spec.algorithm ?? "direct"];
        if (spec.pass === "backwardData") return init.convData(operation, alg, src, w, dst, ...window);
        if (spec.pass === "backwardWeights") return init.convWeights(operation, alg, src, w, b, dst, ...window);
        return init.conv(operation, propOf(spec.pass), alg, src, w, b, dst, ...window);
      }
      case "innerProduct": {
        const [src, w, b, dst] = handles(spec);
        if (spec.pass === "backwardData") return init.innerData(operation, src, w, dst);
        if (spec.pass === "backwardWeights") return init.innerWeights(operation, src, w, b, dst);
        return init.inner(operation, propOf(spec.pass), src, w, b, dst);
      }
      case "batchNorm": {
        const { handle } = spec.data;
        const isOfBatch = spec.pass === "forward" || spec.pass === "backward";
        const global = isOfBatch ? 0 : C.useGlobalStats;
        const options = flags.scale | flags.shift | (spec.relu ? flags.fuseRelu : 0) | global;
        if (spec.pass === "backward" || spec.pass === "frozenBackward") {
          return init.normBack(operation, C.backward, handle, handle, spec.eps, options);
        }
        return init.norm(operation, propOf(spec.pass), handle, spec.eps, options);
      }
      case "eltwise": {
        const { handle } = spec.data;
        const alpha = spec.alpha ?? alphaOf(spec.algorithm);
        if (spec.pass === "forward") {
          return init.eltwise(operation, C.forwardTraining, eltwise[spec.algorithm], handle, alpha, 0);
        }
        return init.eltwiseBack(operation, backwardNumber(eltwise, spec.algorithm), handle, handle, alpha, 0);
      }
      case "pooling": {
        const algorithm = spec.algorithm === "max" ? C.poolingMax : C.poolingAvgIncludePadding;
        const [strides, low, high] = windowOf(spec.window);
        const rest = [spec.src.handle, spec.dst.handle, strides, dimsOf(spec.kernel), low, high] as const;
        if (spec.pass === "backward") return init.poolBack(operation, algorithm, ...rest);
        return init.pool(operation, propOf(spec.pass), algorithm, ...rest);
      }
      case "binary":
        return init.binary(operation, C[spec.algorithm], spec.src.handle, spec.operand.handle, spec.dst.handle);
      case "matrix product":
        return init.matmul(operation, spec.src.handle, spec.weights.handle, null, spec.dst.handle);
      case "sum over all but channels":
        return init.reduction(operation, C.reductionSum, spec.src.handle, spec.dst.handle, 0, 0);
    }
  };

  return {
    postOpArg: 16_384,
    wantsShift: true,
    describe(dims, type, layout) {
      const md = new Uint8Array(memoryDescBytes);
      if (isStrided(layout)) initByStrides(md, dims.length, dimsOf(dims), typeOf(type), stridesOf(dims, layout));
      else initByTag(md, dims.length, dimsOf(dims), typeOf(type), tagOf(tags, layout, dims));
      return md;
    },
    view(parent, dims, offsets) {
      const md = new Uint8Array(memoryDescBytes);
      initView(md, parent.handle, dimsOf(dims), dimsOf(offsets));
      return md;
    },
    create(spec, attributes, engine, hint, out) {
      if (spec.primitive === "reorder") {
        return reorder(out, spec.src.handle, engine, spec.dst.handle, engine, attributes);
      }
      const status = initialise(spec);
      return status === 0 ? create(out, operation, attributes, engine, hint) : status;
    },
    appendEltwise: (postOps, algorithm, alpha, beta) => appendEltwise(postOps, 1, eltwise[algorithm], alpha, beta),
    appendSum,
    // Our own structs, freed by the garbage collector.
    destroyDesc() {},
    setScales(attributes, { primitive }, scales) {
      if (primitive === "binary") return setArgScales(attributes, Arg.src, 1, 0, Float32Array.of(scales.src ?? 1));
      const factors = outputScales(scales);
      // Mask for the output's channels, its second axis.
      return setOutputScales(attributes, factors.length, factors.length === 1 ? 0 : 2, factors);
    },
    scaleArguments: () => new Map(),
    // The bias is added to the sum of products, and scaled with it.
    scaledBias: (bias, { src = 1, weights }) =>
      bias.map((value, o) => value / (src * (weights === undefined ? 1 : weights[o]!))),
  };
}

/** Factors on sums of products: one for all channels, or one for each. */
const outputScales = ({ src = 1, weights = Float32Array.of(1), dst = 1 }: Scales): Float32Array =>
  weights.map((scale) => (src * scale) / dst);
