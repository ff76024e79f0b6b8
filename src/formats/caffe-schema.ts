/**
 * The fields of Caffe's messages that are read and written, by number and name, from
 * https://github.com/BVLC/caffe/blob/master/src/caffe/proto/caffe.proto.
 */

/** How a field is read: a kind of scalar, an enum by its names, or a message by its fields. */
export type Kind = "int" | "bool" | "float" | "text" | readonly string[] | Schema;
export interface Schema {
  readonly [field: number]: readonly [name: string, kind: Kind];
}

const shape: Schema = { 1: ["dim", "int"] };
const engine: readonly string[] = ["DEFAULT", "CAFFE", "CUDNN"];
const phase: readonly string[] = ["TRAIN", "TEST"];
const filler: Schema = {
  1: ["type", "text"],
  2: ["value", "float"],
  3: ["min", "float"],
  4: ["max", "float"],
  5: ["mean", "float"],
  6: ["std", "float"],
  7: ["sparse", "int"],
  8: ["variance_norm", ["FAN_IN", "FAN_OUT", "AVERAGE"]],
};
const stateRule: Schema = {
  1: ["phase", phase],
  2: ["min_level", "int"],
  3: ["max_level", "int"],
  4: ["stage", "text"],
  5: ["not_stage", "text"],
};
const paramSpec: Schema = { 1: ["name", "text"], 3: ["lr_mult", "float"], 4: ["decay_mult", "float"] };
const transform: Schema = {
  1: ["scale", "float"],
  2: ["mirror", "bool"],
  3: ["crop_size", "int"],
  4: ["mean_file", "text"],
  5: ["mean_value", "float"],
  6: ["force_color", "bool"],
  7: ["force_gray", "bool"],
};

/** The parameters of layers by name; LayerParameter and the older V1LayerParameter number them differently. */
const parameters = {
  batch_norm_param: {
    1: ["use_global_stats", "bool"],
    2: ["moving_average_fraction", "float"],
    3: ["eps", "float"],
    // NVIDIA's.
    5: ["scale_filler", filler],
    6: ["bias_filler", filler],
    7: ["scale_bias", "bool"],
    15: ["engine", engine],
  },
  data_param: {
    1: ["source", "text"],
    2: ["scale", "float"],
    3: ["mean_file", "text"],
    4: ["batch_size", "int"],
    5: ["crop_size", "int"],
    6: ["mirror", "bool"],
  },
  dummy_data_param: {
    2: ["num", "int"],
    3: ["channels", "int"],
    4: ["height", "int"],
    5: ["width", "int"],
    6: ["shape", shape],
  },
  image_data_param: {
    1: ["source", "text"],
    2: ["scale", "float"],
    3: ["mean_file", "text"],
    4: ["batch_size", "int"],
    5: ["crop_size", "int"],
    6: ["mirror", "bool"],
    9: ["new_height", "int"],
    10: ["new_width", "int"],
    11: ["is_color", "bool"],
  },
  memory_data_param: {
    1: ["batch_size", "int"],
    2: ["channels", "int"],
    3: ["height", "int"],
    4: ["width", "int"],
  },
  concat_param: { 1: ["concat_dim", "int"], 2: ["axis", "int"] },
  convolution_param: {
    1: ["num_output", "int"],
    2: ["bias_term", "bool"],
    3: ["pad", "int"],
    4: ["kernel_size", "int"],
    5: ["group", "int"],
    6: ["stride", "int"],
    7: ["weight_filler", filler],
    8: ["bias_filler", filler],
    9: ["pad_h", "int"],
    10: ["pad_w", "int"],
    11: ["kernel_h", "int"],
    12: ["kernel_w", "int"],
    13: ["stride_h", "int"],
    14: ["stride_w", "int"],
    15: ["engine", engine],
    16: ["axis", "int"],
    17: ["force_nd_im2col", "bool"],
    18: ["dilation", "int"],
    // NVIDIA's.
    19: ["cudnn_convolution_algo_seeker", "int"],
  },
  dropout_param: { 1: ["dropout_ratio", "float"] },
  eltwise_param: {
    1: ["operation", ["PROD", "SUM", "MAX"]],
    2: ["coeff", "float"],
    3: ["stable_prod_grad", "bool"],
  },
  flatten_param: { 1: ["axis", "int"], 2: ["end_axis", "int"] },
  inner_product_param: {
    1: ["num_output", "int"],
    2: ["bias_term", "bool"],
    3: ["weight_filler", filler],
    4: ["bias_filler", filler],
    5: ["axis", "int"],
    6: ["transpose", "bool"],
  },
  input_param: { 1: ["shape", shape] },
  pooling_param: {
    1: ["pool", ["MAX", "AVE", "STOCHASTIC"]],
    2: ["kernel_size", "int"],
    3: ["stride", "int"],
    4: ["pad", "int"],
    5: ["kernel_h", "int"],
    6: ["kernel_w", "int"],
    7: ["stride_h", "int"],
    8: ["stride_w", "int"],
    9: ["pad_h", "int"],
    10: ["pad_w", "int"],
    11: ["engine", engine],
    12: ["global_pooling", "bool"],
    13: ["round_mode", ["CEIL", "FLOOR"]],
  },
  prelu_param: { 1: ["filler", filler], 2: ["channel_shared", "bool"] },
  relu_param: { 1: ["negative_slope", "float"], 2: ["engine", engine] },
  reshape_param: { 1: ["shape", shape], 2: ["axis", "int"], 3: ["num_axes", "int"] },
  scale_param: {
    1: ["axis", "int"],
    2: ["num_axes", "int"],
    3: ["filler", filler],
    4: ["bias_term", "bool"],
    5: ["bias_filler", filler],
  },
  sigmoid_param: { 1: ["engine", engine] },
  slice_param: { 1: ["slice_dim", "int"], 2: ["slice_point", "int"], 3: ["axis", "int"] },
  softmax_param: { 1: ["engine", engine], 2: ["axis", "int"] },
  transform_param: transform,
} as const satisfies Readonly<Record<string, Schema>>;

/**
 * Names of layers' parameter messages, including those of unsupported layers; a layer may have another type's message,
 * which Caffe ignores.
 */
export const parameterNames: ReadonlySet<string> = new Set([
  ...Object.keys(parameters),
  ...[
    "accuracy_param",
    "argmax_param",
    "bias_param",
    "clip_param",
    "contrastive_loss_param",
    "crop_param",
    "elu_param",
  ],
  ...["embed_param", "exp_param", "hdf5_data_param", "hdf5_output_param", "hinge_loss_param", "infogain_loss_param"],
  ...["log_param", "loss_param", "lrn_param", "mvn_param", "parameter_param", "power_param", "python_param"],
  ...["recurrent_param", "reduction_param", "spp_param", "swish_param", "tanh_param", "threshold_param", "tile_param"],
  ...["window_data_param"],
]);

/** Messages that define what a layer computes; their unknown fields are recorded by number. */
export const computing: ReadonlySet<Schema> = new Set(
  Object.entries(parameters).flatMap(([name, schema]) => (/data_param$/.test(name) ? [] : [schema])),
);

function numbered(numbers: Readonly<Partial<Record<keyof typeof parameters, number>>>): Schema {
  const names = Object.keys(numbers) as (keyof typeof parameters)[];
  return Object.fromEntries(names.map((name) => [numbers[name], [name, parameters[name]]]));
}

/** The format of a layer: its own fields, and the field with its blobs. */
export interface LayerFormat {
  readonly blobs: number;
  readonly schema: Schema;
}

export const layerFormat: LayerFormat = {
  blobs: 7,
  schema: {
    1: ["name", "text"],
    2: ["type", "text"],
    3: ["bottom", "text"],
    4: ["top", "text"],
    5: ["loss_weight", "float"],
    6: ["param", paramSpec],
    8: ["include", stateRule],
    9: ["exclude", stateRule],
    10: ["phase", phase],
    ...numbered({
      transform_param: 100,
      data_param: 107,
      dummy_data_param: 109,
      image_data_param: 115,
      memory_data_param: 119,
      concat_param: 104,
      convolution_param: 106,
      dropout_param: 108,
      eltwise_param: 110,
      inner_product_param: 117,
      pooling_param: 121,
      relu_param: 123,
      sigmoid_param: 124,
      softmax_param: 125,
      slice_param: 126,
      prelu_param: 131,
      reshape_param: 133,
      flatten_param: 135,
      batch_norm_param: 139,
      scale_param: 142,
      input_param: 143,
    }),
  },
};

/** V1LayerParameter.LayerType by number, with today's names. */
export const v1Types: Readonly<Record<number, string>> = {
  1: "Accuracy",
  2: "BNLL",
  3: "Concat",
  4: "Convolution",
  5: "Data",
  6: "Dropout",
  7: "EuclideanLoss",
  8: "Flatten",
  9: "HDF5Data",
  10: "HDF5Output",
  11: "Im2col",
  12: "ImageData",
  13: "InfogainLoss",
  14: "InnerProduct",
  15: "LRN",
  16: "MultinomialLogisticLoss",
  17: "Pooling",
  18: "ReLU",
  19: "Sigmoid",
  20: "Softmax",
  21: "SoftmaxWithLoss",
  22: "Split",
  23: "TanH",
  24: "WindowData",
  25: "Eltwise",
  26: "Power",
  27: "SigmoidCrossEntropyLoss",
  28: "HingeLoss",
  29: "MemoryData",
  30: "ArgMax",
  31: "Threshold",
  32: "DummyData",
  33: "Slice",
  34: "MVN",
  35: "AbsVal",
  36: "Silence",
  37: "ContrastiveLoss",
  38: "Exp",
  39: "Deconvolution",
};
const v1TypeNames: readonly string[] = Array.from({ length: 40 }, (_, number) => v1Types[number] ?? `${number}`);

export const v1LayerFormat: LayerFormat = {
  blobs: 6,
  schema: {
    2: ["bottom", "text"],
    3: ["top", "text"],
    4: ["name", "text"],
    5: ["type", v1TypeNames],
    32: ["include", stateRule],
    33: ["exclude", stateRule],
    35: ["loss_weight", "float"],
    ...numbered({
      concat_param: 9,
      convolution_param: 10,
      data_param: 11,
      image_data_param: 15,
      memory_data_param: 22,
      dummy_data_param: 26,
      dropout_param: 12,
      inner_product_param: 17,
      pooling_param: 19,
      eltwise_param: 24,
      relu_param: 30,
      slice_param: 31,
      transform_param: 36,
      sigmoid_param: 38,
      softmax_param: 39,
    }),
  },
};

export const netSchema: Schema = {
  1: ["name", "text"],
  3: ["input", "text"],
  4: ["input_dim", "int"],
  8: ["input_shape", shape],
};

export const isEnum = (kind: readonly string[] | Schema): kind is readonly string[] => Array.isArray(kind);
