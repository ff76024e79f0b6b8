/**
 * The windows of convolutions and poolings: how large, how far apart, and how much padding there is around the picture.
 * Where rows and columns differ, and where a side does, each is said; else one number stands for all.
 */

/** Rows, then columns; a number is both. */
export type Extent = number | readonly [height: number, width: number];

export interface Sides {
  readonly top: number;
  readonly left: number;
  readonly bottom: number;
  readonly right: number;
}

/** A number is all four sides. */
export type Padding = number | Sides;

/** A window along one axis: its pixels, its step, and the padding before the first pixel and behind the last. */
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

/** The shortest way to say it: two windows are alike where these are. */
export const shortExtent = (extent: Extent): Extent => {
  const [height, width] = pairOf(extent);
  return height === width ? height : [height, width];
};

export const shortPadding = (pad: Padding): Padding => {
  const { top, left, bottom, right } = sidesOf(pad);
  return top === left && top === bottom && top === right ? top : { top, left, bottom, right };
};

/** The window along rows and along columns. */
export function axesOf({ kernel, stride, pad }: WindowAttrs): readonly [rows: AxisWindow, columns: AxisWindow] {
  const [kernelHeight, kernelWidth] = pairOf(kernel);
  const [strideHeight, strideWidth] = pairOf(stride);
  const { top, left, bottom, right } = sidesOf(pad);
  return [
    { kernel: kernelHeight, stride: strideHeight, before: top, after: bottom },
    { kernel: kernelWidth, stride: strideWidth, before: left, after: right },
  ];
}

/** Of a convolution, whose kernel is its weight's `[O, I/groups, KH, KW]`. */
export const convAxes = (
  { stride, pad }: Pick<WindowAttrs, "stride" | "pad">,
  weight: readonly number[],
): readonly [rows: AxisWindow, columns: AxisWindow] => axesOf({ kernel: [weight[2]!, weight[3]!], stride, pad });

/** How many windows a convolution has along an axis of `n` pixels: all that lie wholly within the padded axis. */
export const convExtent = (n: number, { kernel, stride, before, after }: AxisWindow): number =>
  Math.floor((n + before + after - kernel) / stride) + 1;

/** How many a pooling has; with `ceil`, one more where pixels are left over, as in Caffe (docs/networks.md, 1.2). */
export function poolExtent(n: number, { kernel, stride, before, after }: AxisWindow, ceil: boolean): number {
  const round = ceil ? Math.ceil : Math.floor;
  let extent = round((n + before + after - kernel) / stride) + 1;
  // A window that starts beyond the last real pixel (and its padding) sees nothing. Without padding that happens where
  // the stride is larger than the kernel; there Caffe keeps the empty window, PyTorch and ONNX drop it.
  if (ceil && (extent - 1) * stride >= n + before) extent--;
  return extent;
}

/** How far the last of `windows` reaches beyond the last of `n` pixels; negative where it stays short of it. */
export const overhangOf = (n: number, windows: number, { kernel, stride, before }: AxisWindow): number =>
  (windows - 1) * stride + kernel - before - n;

/** What each of `windows` along an axis of `n` pixels holds: pixels only, or the padding too. */
export function countsOf(n: number, windows: number, axis: AxisWindow, countPad: boolean): number[] {
  const { kernel, stride, before, after } = axis;
  return Array.from({ length: windows }, (_, i) => {
    const start = i * stride - before;
    const end = Math.min(start + kernel, n + (countPad ? after : 0));
    return end - (countPad ? start : Math.max(start, 0));
  });
}

/**
 * TensorFlow's SAME: as much padding as makes ⌈n / stride⌉ windows, and the odd pixel behind. It depends on the size: a
 * 3×3 of stride 2 pads 0 and 1 at even sizes, 1 and 1 at odd ones.
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
