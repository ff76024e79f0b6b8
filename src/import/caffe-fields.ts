/**
 * The supported fields of Caffe's layers. An unsupported field could change what a layer computes, and is refused by
 * name; fields that only matter for training, or choose between equivalent implementations, are ignored.
 */

import { type Fail, shownName } from "../formats/bytes.ts";
import { parameterNames } from "../formats/caffe-schema.ts";
import { allOf, type CaffeMessage } from "../formats/prototxt.ts";

const ofEveryLayer = [
  ...["name", "type", "bottom", "top", "phase", "include", "exclude"],
  ...["loss_weight", "param", "propagate_down", "blobs", "blobs_lr", "weight_decay"],
  // NVIDIA's precision settings.
  ...["forward_type", "backward_type", "forward_math", "backward_math", "debug", "cuda_gpu_id"],
];

/** The parameter message of each layer type: its name and its fields. */
const ofType: Readonly<Record<string, readonly [message: string, fields: readonly string[]]>> = {
  Convolution: [
    "convolution_param",
    [
      ...["num_output", "bias_term", "pad", "kernel_size", "group", "stride", "dilation", "axis"],
      ...["pad_h", "pad_w", "kernel_h", "kernel_w", "stride_h", "stride_w"],
      ...["weight_filler", "bias_filler", "engine", "force_nd_im2col"],
      ...["cudnn_convolution_algo_seeker", "conv_algos_override", "cudnn_math_override"],
    ],
  ],
  InnerProduct: [
    "inner_product_param",
    ["num_output", "bias_term", "axis", "transpose", "weight_filler", "bias_filler", "engine"],
  ],
  BatchNorm: [
    "batch_norm_param",
    [
      ...["use_global_stats", "eps", "scale_bias"],
      ...["moving_average_fraction", "scale_filler", "bias_filler", "engine"],
    ],
  ],
  Scale: ["scale_param", ["axis", "num_axes", "bias_term", "filler", "bias_filler"]],
  ReLU: ["relu_param", ["negative_slope", "engine"]],
  Sigmoid: ["sigmoid_param", ["engine"]],
  Dropout: ["dropout_param", ["dropout_ratio"]],
  Pooling: [
    "pooling_param",
    [
      ...["pool", "kernel_size", "stride", "pad", "global_pooling", "round_mode", "ceil_mode", "engine"],
      ...["kernel_h", "kernel_w", "stride_h", "stride_w", "pad_h", "pad_w"],
    ],
  ],
  Eltwise: ["eltwise_param", ["operation", "coeff", "stable_prod_grad"]],
  Concat: ["concat_param", ["axis", "concat_dim"]],
  Flatten: ["flatten_param", ["axis", "end_axis"]],
  Reshape: ["reshape_param", ["shape", "axis", "num_axes"]],
  Axpy: ["axpy_param", []],
};

/** @throws SenetError `weights`, naming the field */
export function checkFields(message: CaffeMessage, type: string, fail: Fail): void {
  const [own, fields] = ofType[type]!;
  for (const field of message.fields.keys()) {
    // Caffe ignores parameters of other layer types.
    const isKnown = field === own || ofEveryLayer.includes(field) || parameterNames.has(field);
    if (!isKnown) refuse(field, fail);
  }
  for (const parameter of allOf(message, own, "message")) {
    for (const field of parameter.fields.keys()) if (!fields.includes(field)) refuse(`${own}.${field}`, fail);
  }
}

function refuse(field: string, fail: Fail): never {
  return fail(`the field ${shownName(field)} is not understood, and may change what the layer computes`, {
    hint: "remove it from the definition if it does not matter",
  });
}
