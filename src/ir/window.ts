/**
 * The windows of convolutions and poolings: size, stride and padding. A single number stands for all directions;
 * differing ones are given one by one.
 */

/** Rows, then columns; a number stands for both. */
export type Extent = number | readonly [height: number, width: number];

export interface Sides {
  readonly top: number;
  readonly left: number;
  readonly bottom: number;
  readonly right: number;
}

/** A number stands for all four sides. */
export type Padding = number | Sides;

/** A window along one axis: size, stride, and the padding before the first pixel and after the last. */
export interface AxisWindow {
  readonly kernel: number;
  readonly stride: number;
  readonly before: number;
  readonly after: number;
}

export interface WindowAttrs {
  readonly kernel: Extent;
  readonly stride: Extent;
  readonly pad: Padding;
}

export const pairOf = (extent: Extent): readonly [height: number, width: number] =>
  typeof extent === "number" ? [extent, extent] : extent;

export const sidesOf = (pad: Padding): Sides =>
  typeof pad === "number" ? { top: pad, left: pad, bottom: pad, right: pad } : pad;

/** The shortest form, so that equal windows have equal forms. */
export const shortExtent = (extent: Extent): Extent => {
  const [height, width] = pairOf(extent);
  return height === width ? height : [height, width];
};

export const shortPadding = (pad: Padding): Padding => {
  const { top, left, bottom, right } = sidesOf(pad);
  return top === left && top === bottom && top === right ? top : { top, left, bottom, right };
};

/** The windows along rows and along columns. */
export function axesOf({ kernel, stride, pad }: WindowAttrs): readonly [rows: AxisWindow, columns: AxisWindow] {
  const [kernelHeight, kernelWidth] = pairOf(kernel);
  const [strideHeight, strideWidth] = pairOf(stride);
  const { top, left, bottom, right } = sidesOf(pad);
  return [
    { kernel: kernelHeight, stride: strideHeight, before: top, after: bottom },
    { kernel: kernelWidth, stride: strideWidth, before: left, after: right },
  ];
}

/** The windows of a convolution, whose kernel is its weight's `[O, I/groups, KH, KW]`. */
export const convAxes = (
  { stride, pad }: Pick<WindowAttrs, "stride" | "pad">,
  weight: readonly number[],
): readonly [rows: AxisWindow, columns: AxisWindow] => axesOf({ kernel: [weight[2]!, weight[3]!], stride, pad });

/** Number of windows of a convolution along an axis of `n` pixels: all that lie completely in the padded axis. */
export const convExtent = (n: number, { kernel, stride, before, after }: AxisWindow): number =>
  Math.floor((n + before + after - kernel) / stride) + 1;

/**
 * Number of windows of a pooling; with `ceil`, one more if pixels are left over, as in Caffe (docs/networks.md, 1.2).
 */
export function poolExtent(n: number, { kernel, stride, before, after }: AxisWindow, ceil: boolean): number {
  const round = ceil ? Math.ceil : Math.floor;
  let extent = round((n + before + after - kernel) / stride) + 1;
  // A window that starts after the last real pixel and its padding is empty. Without padding that happens if the stride
  // exceeds the kernel; Caffe then keeps the empty window, PyTorch and ONNX drop it.
  if (ceil && (extent - 1) * stride >= n + before) extent--;
  return extent;
}

/** How far the last of `windows` reaches beyond the last of `n` pixels; negative if it ends before. */
export const overhangOf = (n: number, windows: number, { kernel, stride, before }: AxisWindow): number =>
  (windows - 1) * stride + kernel - before - n;

/** Number of elements of each window along an axis of `n` pixels: real pixels only, or padding too. */
export function countsOf(n: number, windows: number, axis: AxisWindow, countPad: boolean): number[] {
  const { kernel, stride, before, after } = axis;
  return Array.from({ length: windows }, (_, i) => {
    const start = i * stride - before;
    const end = Math.min(start + kernel, n + (countPad ? after : 0));
    return end - (countPad ? start : Math.max(start, 0));
  });
}

/**
 * TensorFlow's SAME: the padding that gives ⌈n / stride⌉ windows, an odd pixel at the end. Depends on the size: a 3×3
 * window of stride 2 pads 0 and 1 at even sizes, 1 and 1 at odd ones.
 */
export function samePadding(shape: readonly number[], kernel: Extent, stride: Extent): Padding {
  const [kernels, strides] = [pairOf(kernel), pairOf(stride)];
  const needed = (axis: 0 | 1) => {
    const n = shape[axis + 2]!;
    return Math.max((Math.ceil(n / strides[axis]) - 1) * strides[axis] + kernels[axis] - n, 0);
  };
  const [rows, columns] = [needed(0), needed(1)];
  const [top, left] = [Math.floor(rows / 2), Math.floor(columns / 2)];
  return shortPadding({ top, left, bottom: rows - top, right: columns - left });
}
