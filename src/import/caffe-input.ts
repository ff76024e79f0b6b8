/**
 * The input of a Caffe network: image size and pre-processing, from the layer that provides pictures in the test phase.
 * Caffe's data layers crop the picture (after `new_height` and `new_width`, `resize_param`, or resizing in a database),
 * subtract a mean and multiply by a scale; channels are BGR.
 */

import { type Fail, shownName } from "../formats/bytes.ts";
import { allOf, type CaffeMessage, oneOf } from "../formats/prototxt.ts";
import type { Preprocessing, Resize } from "../images/preprocess.ts";
import { encodeMeanImage } from "../images/preprocessing-facts.ts";
import type { Tensor } from "../tensor.ts";
import { picture, type Source } from "./caffe-layers.ts";

/** What a definition says about its pictures. */
export interface CaffeInput {
  /** Side of the network's input. */
  readonly side?: number;
  /** Absent if the definition has no means and scales: a deploy definition leaves them to the program. */
  readonly normalization?: {
    readonly scale: number;
    /** Blue, green, red. */
    readonly means: readonly [number, number, number];
    readonly meanFile?: string;
  };
  /** The size to which the data layer resizes a picture. */
  readonly size?: readonly [width: number, height: number];
  /** Whether pictures come from a data layer, which defines all of their pre-processing. */
  readonly isData: boolean;
  readonly where: string;
}

/** Layers that read and transform pictures; other sources do not transform. */
const transforming: ReadonlySet<string> = new Set(["Data", "ImageData", "WindowData", "AnnotatedData", "VideoData"]);

/** Reads a source. @throws SenetError `weights`, naming the unsupported field */
export function inputOf({ type, message, fail }: Source): CaffeInput {
  const transform = oneOf(message, "transform_param", "message", undefined);
  const old = oldTransform(message);
  const [given] = [transform, old].filter((part) => part !== undefined);
  if (transform !== undefined) checkTransform(transform, fail);
  const isData = transforming.has(type);
  const normalization = given !== undefined || isData ? normalizationOf(given ?? message, fail) : undefined;
  const size = newSize(message, transform, fail);
  const side = sideOf(type, message, fail) ?? cropOf(transform, old, fail) ?? (size && square(size, fail));
  return {
    ...(side !== undefined && { side }),
    ...(normalization !== undefined && { normalization }),
    ...(size !== undefined && { size }),
    isData,
    where: message.where,
  };
}

/** Before 2014, data layers had these fields themselves. */
function oldTransform(message: CaffeMessage): CaffeMessage | undefined {
  for (const name of ["data_param", "image_data_param"]) {
    const parameter = oneOf(message, name, "message", undefined);
    if (parameter === undefined) continue;
    const fields = new Map(
      [...parameter.fields].filter(([field]) => ["scale", "mean_file", "crop_size"].includes(field)),
    );
    if (fields.size > 0) return { where: parameter.where, fields };
  }
  return undefined;
}

const understood = [
  "scale",
  "mirror",
  "crop_size",
  "mean_file",
  "mean_value",
  "force_color",
  "force_gray",
  "resize_param",
];
/** Without effect in the test phase: random augmentation, and where it is computed. */
const ofTraining = [
  "random_seed",
  "use_gpu_transform",
  "distort_param",
  "expand_param",
  "noise_param",
  "emit_constraint",
];

function checkTransform(transform: CaffeMessage, fail: Fail): void {
  for (const field of transform.fields.keys()) {
    if (understood.includes(field) || ofTraining.includes(field)) continue;
    fail(`the field ${shownName(`transform_param.${field}`)} is not understood, and may change what the network sees`);
  }
  if (oneOf(transform, "force_gray", "boolean", false)) fail("networks of grey pictures are not supported");
}

function normalizationOf(transform: CaffeMessage, fail: Fail): NonNullable<CaffeInput["normalization"]> {
  const values = allOf(transform, "mean_value", "number");
  const scale = oneOf(transform, "scale", "number", 1);
  const meanFile = oneOf(transform, "mean_file", "string", undefined);
  if (![0, 1, 3].includes(values.length) || !(scale > 0 && scale < 1e6)) {
    fail("this transform_param is not supported", {
      expected: "one mean_value or three, and a positive scale",
      found: `${values.length} and ${scale}`,
    });
  }
  if (meanFile !== undefined && values.length > 0) fail("there are both a mean_file and mean_values");
  const [blue = 0, green = blue, red = blue] = values;
  return { scale, means: [blue, green, red], ...(meanFile !== undefined && { meanFile }) };
}

/** `new_height` and `new_width` of an ImageData layer, or the `resize_param` of SSD's Caffe and others. */
function newSize(
  message: CaffeMessage,
  transform: CaffeMessage | undefined,
  fail: Fail,
): readonly [number, number] | undefined {
  const images = oneOf(message, "image_data_param", "message", undefined);
  if (images !== undefined && !oneOf(images, "is_color", "boolean", true)) {
    fail("networks of grey pictures are not supported");
  }
  const resize = transform && oneOf(transform, "resize_param", "message", undefined);
  if (resize !== undefined) {
    const mode = oneOf(resize, "resize_mode", "string", "WARP");
    const odd = [...resize.fields.keys()].find(
      (field) => !["prob", "resize_mode", "height", "width", "interp_mode"].includes(field),
    );
    const way = allOf(resize, "interp_mode", "string").find((name) => name !== "LINEAR");
    if (mode !== "WARP" || odd !== undefined || way !== undefined) {
      fail("this resize_param is not supported", {
        expected: "resize_mode: WARP, height, width, interp_mode: LINEAR",
        found: odd ?? way ?? mode,
      });
    }
  }
  const [height, width] =
    resize !== undefined
      ? ["height", "width"].map((field) => oneOf(resize, field, "number", 0))
      : ["new_height", "new_width"].map((field) => (images === undefined ? 0 : oneOf(images, field, "number", 0)));
  if (height === 0 && width === 0) return undefined;
  const isSide = (side: number) => Number.isInteger(side) && side >= 1 && side <= 65_535;
  if (!isSide(height!) || !isSide(width!)) {
    fail("pictures cannot be brought to this size", { found: `${width} by ${height}` });
  }
  return [width!, height!];
}

function cropOf(transform: CaffeMessage | undefined, old: CaffeMessage | undefined, fail: Fail): number | undefined {
  const from = transform?.fields.has("crop_size") === true ? transform : old;
  const crop = from && oneOf(from, "crop_size", "number", 0);
  return crop === undefined || crop === 0 ? undefined : square([crop, crop], fail);
}

/** The side from the shape declared by a source: the definition itself, an Input layer, pictures in memory. */
function sideOf(type: string, message: CaffeMessage, fail: Fail): number | undefined {
  const dims = declared(type, message);
  if (dims === undefined || dims.length === 0) return undefined;
  const [, channels, height, width] = dims;
  if (dims.length === 4 && channels === 3 && height !== undefined && height === width)
    return square([width, height], fail);
  return fail("pictures of this shape are not supported", {
    expected: "[N, 3, S, S]: three channels, as high as wide",
    found: `[${dims.slice(0, 8).join(", ")}]`,
  });
}

function declared(type: string, message: CaffeMessage): readonly number[] | undefined {
  if (type === picture) {
    const shape = allOf(message, "input_shape", "message")[0];
    return shape === undefined ? allOf(message, "input_dim", "number").slice(0, 4) : allOf(shape, "dim", "number");
  }
  const parameter = oneOf(message, ownParameter[type] ?? "", "message", undefined);
  if (parameter === undefined) return undefined;
  const shape = allOf(parameter, "shape", "message")[0];
  if (shape !== undefined) return allOf(shape, "dim", "number");
  if (!parameter.fields.has("height")) return undefined;
  return [1, ...["channels", "height", "width"].map((field) => allOf(parameter, field, "number")[0] ?? 0)];
}

const ownParameter: Readonly<Record<string, string>> = {
  Input: "input_param",
  MemoryData: "memory_data_param",
  DummyData: "dummy_data_param",
};

/** Larger than any such network's input. */
const largestSide = 8192;

function square([width, height]: readonly [number, number], fail: Fail): number {
  if (width === height && Number.isInteger(width) && width >= 1 && width <= largestSide) return width;
  return fail("pictures of this size are not supported", {
    expected: `as high as wide, and at most ${largestSide} pixels`,
    found: `${width} by ${height}`,
  });
}

/** A mean image or channel means from a `.binaryproto`. */
export interface CaffeMean {
  readonly where: string;
  readonly blob: Tensor;
}

/** Width and height of a mean's blob `[3, H, W]`; both are 1 for channel means. */
export function meanSize({ blob: { shape } }: CaffeMean, fail: Fail): readonly [width: number, height: number] {
  const [channels, height = 1, width = 1, ...rest] = shape.length === 4 && shape[0] === 1 ? shape.slice(1) : shape;
  if (channels === 3 && rest.length === 0 && height >= 1 && width >= 1) return [width, height];
  return fail("this is not the mean of pictures of three channels", {
    expected: "[1, 3, height, width]",
    found: `[${shape.slice(0, 8).join(", ")}]`,
  });
}

/**
 * The network's pre-processing.
 * @param usual for what the definition leaves open: the size before the crop, and for a deploy definition mean and
 * scale
 * @param mean contents of the definition's mean file
 */
export function preprocessingOf(
  input: CaffeInput,
  side: number,
  usual: Preprocessing,
  mean: CaffeMean | undefined,
  fail: Fail,
): Preprocessing {
  const { normalization } = input;
  const size = input.size ?? imageSize(mean, fail);
  // Databases have small pictures in their original size; for large ones the size is unknown, and the usual one is
  // used.
  const asTheyAre: Resize = input.isData && side < smallest ? "none" : usual.resize;
  const resize: Resize = size ?? asTheyAre;
  const meant = imageSize(mean, fail);
  if (input.size !== undefined && meant !== undefined && String(input.size) !== String(meant)) {
    fail("the mean picture is of another size than the pictures", {
      expected: input.size.join(" by "),
      found: meant.join(" by "),
    });
  }
  if (size !== undefined && Math.min(...size) < side) {
    fail("the crop is larger than the pictures that it is cut from", {
      expected: `at most ${size.join(" by ")}`,
      found: `${side}`,
    });
  }
  const { means, scale } = normalization ?? { means: usual.mean, scale: 1 / usual.std[0] };
  const std = 1 / scale;
  const said = {
    ...usual,
    mean: means,
    std: [std, std, std] as const,
    resize,
    crop: side,
    // Caffe's layers and tools resize to a given width and height with OpenCV.
    interpolation: size === undefined ? usual.interpolation : ("linear" as const),
  };
  return mean === undefined ? said : { ...said, ...meanOf(mean, side, fail) };
}

/** Smaller networks are for pictures that are small originally, such as CIFAR's. */
const smallest = 64;

function imageSize(mean: CaffeMean | undefined, fail: Fail): readonly [number, number] | undefined {
  const size = mean && meanSize(mean, fail);
  return size === undefined || size[0] * size[1] === 1 ? undefined : size;
}

/** The part of the mean image under the centre crop, where Caffe's test phase crops. */
function meanOf(mean: CaffeMean, side: number, fail: Fail): Pick<Preprocessing, "mean" | "meanImage"> {
  const [width, height] = meanSize(mean, fail);
  const { data } = mean.blob;
  const average = (channel: number) => {
    let sum = 0;
    for (let i = 0; i < width * height; i++) sum += data[channel * width * height + i]!;
    return sum / (width * height);
  };
  const averages = [average(0), average(1), average(2)] as const;
  if (averages.some((value) => !Number.isFinite(value))) fail("the mean picture has values that are not numbers");
  if (width * height === 1) return { mean: averages };
  if (width < side || height < side) {
    fail("the mean picture is smaller than the crop", {
      expected: `at least ${side} by ${side}`,
      found: `${width} by ${height}`,
    });
  }
  const [left, top] = [width, height].map((extent) => Math.floor((extent - side) / 2)) as [number, number];
  const values = new Float32Array(3 * side * side);
  for (let channel = 0; channel < 3; channel++) {
    for (let y = 0; y < side; y++) {
      for (let x = 0; x < side; x++) {
        const from = (channel * height + top + y) * width + left + x;
        values[(channel * side + y) * side + x] = data[from]!;
      }
    }
  }
  return { mean: averages, meanImage: encodeMeanImage(values) };
}
