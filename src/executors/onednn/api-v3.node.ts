/** Version 3 of the C API: descriptors of memory are objects of the library, and one call creates a primitive descriptor. */

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
import type { Handle, Library } from "./library.node.ts";
import { Arg, type Scales, type Spec } from "./spec.ts";

/** Format tags by the number of extents. */
const tags: Tags = {
  blocked16: { 4: 78, 5: 114 },
  blocked8: { 4: 102, 5: 138 },
  weights16: { 4: 79 },
  weights16Backward: { 4: 75 },
};

const flags = { scale: 2, shift: 4, fuseRelu: 8 };
/** The sum reads the destination in its own type. */
const sameType = 0;
const eltwise = { relu: 32, sigmoid: 41, silu: 44, mish: 51, sqrt: 37, linear: 38 };

const conv = "void *strides, void *dilates, void *low, void *high";
const pool = "void *strides, void *kernel, void *dilation, void *low, void *high";

function bindCreate({ bind }: Library) {
  return {
    conv: bind(
      `int convolution_forward_primitive_desc_create(void *pd, void *engine, int prop, int alg, void *src, void *w, void *b, void *dst, ${conv}, void *attr)`,
    ),
    convData: bind(
      `int convolution_backward_data_primitive_desc_create(void *pd, void *engine, int alg, void *src, void *w, void *dst, ${conv}, void *hint, void *attr)`,
    ),
    convWeights: bind(
      `int convolution_backward_weights_primitive_desc_create(void *pd, void *engine, int alg, void *src, void *w, void *b, void *dst, ${conv}, void *hint, void *attr)`,
    ),
    inner: bind(
      "int inner_product_forward_primitive_desc_create(void *pd, void *engine, int prop, void *src, void *w, void *b, void *dst, void *attr)",
    ),
    innerData: bind(
      "int inner_product_backward_data_primitive_desc_create(void *pd, void *engine, void *src, void *w, void *dst, void *hint, void *attr)",
    ),
    innerWeights: bind(
      "int inner_product_backward_weights_primitive_desc_create(void *pd, void *engine, void *src, void *w, void *b, void *dst, void *hint, void *attr)",
    ),
    norm: bind(
      "int batch_normalization_forward_primitive_desc_create(void *pd, void *engine, int prop, void *src, void *dst, float eps, unsigned int flags, void *attr)",
    ),
    normBack: bind(
      "int batch_normalization_backward_primitive_desc_create(void *pd, void *engine, int prop, void *diffSrc, void *diffDst, void *src, float eps, unsigned int flags, void *hint, void *attr)",
    ),
    eltwise: bind(
      "int eltwise_forward_primitive_desc_create(void *pd, void *engine, int prop, int alg, void *src, void *dst, float alpha, float beta, void *attr)",
    ),
    eltwiseBack: bind(
      "int eltwise_backward_primitive_desc_create(void *pd, void *engine, int alg, void *diffSrc, void *diffDst, void *data, float alpha, float beta, void *hint, void *attr)",
    ),
    pool: bind(
      `int pooling_forward_primitive_desc_create(void *pd, void *engine, int prop, int alg, void *src, void *dst, ${pool}, void *attr)`,
    ),
    poolBack: bind(
      `int pooling_backward_primitive_desc_create(void *pd, void *engine, int alg, void *src, void *dst, ${pool}, void *hint, void *attr)`,
    ),
    binary: bind(
      "int binary_primitive_desc_create(void *pd, void *engine, int alg, void *src, void *operand, void *dst, void *attr)",
    ),
    matmul: bind(
      "int matmul_primitive_desc_create(void *pd, void *engine, void *src, void *w, void *b, void *dst, void *attr)",
    ),
    reduction: bind(
      "int reduction_primitive_desc_create(void *pd, void *engine, int alg, void *src, void *dst, float p, float eps, void *attr)",
    ),
    reorder: bind(
      "int reorder_primitive_desc_create(void *pd, void *src, void *from, void *dst, void *to, void *attr)",
    ),
  };
}

export function dialectV3(library: Library): Dialect {
  const { bind } = library;
  const byStrides = bind("int memory_desc_create_with_strides(void *md, int n, void *dims, int type, void *strides)");
  const byTag = bind("int memory_desc_create_with_tag(void *md, int n, void *dims, int type, int tag)");
  const byView = bind("int memory_desc_create_submemory(void *md, void *parent, void *dims, void *offsets)");
  const destroy = bind("int memory_desc_destroy(void *md)");
  const destroyDescriptor = bind("int primitive_desc_destroy(void *pd)");
  const appendEltwise = bind("int post_ops_append_eltwise(void *ops, int alg, float alpha, float beta)");
  const appendSum = bind("int post_ops_append_sum(void *ops, float scale, int32_t zeroPoint, int type)");
  const setMask = bind("int primitive_attr_set_scales_mask(void *attr, int arg, int mask)");
  const create = bindCreate(library);
  const noDilation = dimsOf([0, 0]);
  const desc = new BigUint64Array(1);

  return {
    postOpArg: 32_768,
    wantsShift: false,
    describe(dims, type, layout) {
      if (isStrided(layout)) byStrides(desc, dims.length, dimsOf(dims), typeOf(type), stridesOf(dims, layout));
      else byTag(desc, dims.length, dimsOf(dims), typeOf(type), tagOf(tags, layout, dims));
      return desc[0]!;
    },
    view(parent, dims, offsets) {
      byView(desc, parent.handle, dimsOf(dims), dimsOf(offsets));
      return desc[0]!;
    },
    create(spec, attr, engine, hint, out) {
      switch (spec.primitive) {
        case "convolution": {
          const [src, w, b, dst] = handles(spec);
          const [strides, low, high] = windowOf(spec.window);
          const window = [strides, noDilation, low, high] as const;
          const alg = C[spec.algorithm ?? "direct"];
          if (spec.pass === "backwardData") {
            return create.convData(out, engine, alg, src, w, dst, ...window, hint, attr);
          }
          if (spec.pass === "backwardWeights") {
            return create.convWeights(out, engine, alg, src, w, b, dst, ...window, hint, attr);
          }
          return create.conv(out, engine, propOf(spec.pass), alg, src, w, b, dst, ...window, attr);
        }
        case "innerProduct": {
          const [src, w, b, dst] = handles(spec);
          if (spec.pass === "backwardData") return create.innerData(out, engine, src, w, dst, hint, attr);
          if (spec.pass === "backwardWeights") return create.innerWeights(out, engine, src, w, b, dst, hint, attr);
          return create.inner(out, engine, propOf(spec.pass), src, w, b, dst, attr);
        }
        case "batchNorm": {
          const { handle } = spec.data;
          const isOfBatch = spec.pass === "forward" || spec.pass === "backward";
          const global = isOfBatch ? 0 : C.useGlobalStats;
          const options = flags.scale | flags.shift | (spec.relu ? flags.fuseRelu : 0) | global;
          if (spec.pass === "backward" || spec.pass === "frozenBackward") {
            return create.normBack(out, engine, C.backward, handle, handle, handle, spec.eps, options, hint, attr);
          }
          return create.norm(out, engine, propOf(spec.pass), handle, handle, spec.eps, options, attr);
        }
        case "eltwise": {
          const { handle } = spec.data;
          const alpha = spec.alpha ?? alphaOf(spec.algorithm);
          const algorithm = spec.pass === "forward" ? eltwise[spec.algorithm] : backwardNumber(eltwise, spec.algorithm);
          const forward = (into: BigUint64Array) =>
            create.eltwise(into, engine, C.forwardTraining, algorithm, handle, handle, alpha, 0, attr);
          if (spec.pass === "forward") return forward(out);
          const own: Handle | null = forward(desc) === 0 ? desc[0]! : null;
          const status = create.eltwiseBack(out, engine, algorithm, handle, handle, handle, alpha, 0, own, attr);
          if (own !== null) destroyDescriptor(own);
          return status;
        }
        case "pooling": {
          const alg = spec.algorithm === "max" ? C.poolingMax : C.poolingAvgIncludePadding;
          const [strides, low, high] = windowOf(spec.window);
          const window = [strides, dimsOf(spec.kernel), noDilation, low, high] as const;
          const [src, dst] = [spec.src.handle, spec.dst.handle];
          if (spec.pass === "backward") return create.poolBack(out, engine, alg, src, dst, ...window, hint, attr);
          return create.pool(out, engine, propOf(spec.pass), alg, src, dst, ...window, attr);
        }
        case "binary": {
          const [src, operand, dst] = [spec.src.handle, spec.operand.handle, spec.dst.handle];
          return create.binary(out, engine, C[spec.algorithm], src, operand, dst, attr);
        }
        case "matrix product":
          return create.matmul(out, engine, spec.src.handle, spec.weights.handle, null, spec.dst.handle, attr);
        case "sum over all but channels":
          return create.reduction(out, engine, C.reductionSum, spec.src.handle, spec.dst.handle, 0, 0, attr);
        case "reorder":
          return create.reorder(out, spec.src.handle, engine, spec.dst.handle, engine, attr);
      }
    },
    appendEltwise: (postOps, algorithm, alpha, beta) => appendEltwise(postOps, eltwise[algorithm], alpha, beta),
    appendSum: (postOps, scale) => appendSum(postOps, scale, 0, sameType),
    destroyDesc: (handle) => {
      destroy(handle);
    },
    setScales(attributes, spec, scales) {
      for (const arg of namesOf(scales)) {
        const status = setMask(attributes, Arg[arg], arg === "weights" ? weightMask(spec) : 0);
        if (status !== 0) return status;
      }
      return 0;
    },
    scaleArguments: (scales) =>
      new Map(
        namesOf(scales).map((arg) => {
          const scale = scales[arg]!;
          return [scaleArgument | Arg[arg], typeof scale === "number" ? Float32Array.of(scale) : scale];
        }),
      ),
    scaledBias: (bias) => bias,
  };
}

/** Flag that makes an argument's number that of its scales. */
const scaleArgument = 4096;

const namesOf = (scales: Scales): (keyof Scales)[] =>
  (["src", "weights", "dst"] as const).filter((arg) => scales[arg] !== undefined);

/** Mask for the output channels, which are two axes if weights have groups. */
const weightMask = (spec: Spec): number =>
  spec.primitive === "convolution" && spec.weights.dims.length === 5 ? 0b11 : 0b1;
