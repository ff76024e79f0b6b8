/**
 * Upsamples colours to the picture's size as libjpeg-turbo's `jdsample.c` does; for a factor of two with weights 3 : 1
 * between neighbours.
 */

export interface Plane {
  /** Size in samples; rows may have more, which pad the last blocks. */
  readonly width: number;
  readonly height: number;
  readonly stride: number;
  readonly data: Uint8Array;
}

/** The plane enlarged `wider` and `higher` times, cut to the picture's size. */
export function upsampled(plane: Plane, wider: number, higher: number, width: number, height: number): Plane {
  if (wider === 1 && higher === 1) return plane;
  const isSmooth = wider === 2 && higher <= 2 ? plane.width > 2 : wider === 1 && higher === 2;
  if (!isSmooth) return repeated(plane, wider, higher, width, height);
  const stride = wider * plane.width;
  const data = new Uint8Array(stride * height);
  const sums = new Int32Array(plane.width);
  for (let y = 0; y < height; y++) {
    const own = (higher === 1 ? y : y >> 1) * plane.stride;
    const lastRow = (plane.height - 1) * plane.stride;
    const isUpper = (y & 1) === 0;
    const beside = Math.min(lastRow, Math.max(0, own + (isUpper ? -plane.stride : plane.stride)));
    for (let x = 0; x < plane.width; x++) {
      sums[x] = higher === 1 ? plane.data[own + x]! : 3 * plane.data[own + x]! + plane.data[beside + x]!;
    }
    const row = y * stride;
    if (wider === 1) for (let x = 0; x < plane.width; x++) data[row + x] = (sums[x]! + (isUpper ? 1 : 2)) >> 2;
    else if (higher === 1) widen(sums, data, row, 2, 1, 2);
    else widen(sums, data, row, 4, 8, 7);
  }
  return { width, height, stride, data };
}

/** Interpolates between neighbours, rounding to the left by one amount and to the right by another. */
function widen(values: Int32Array, to: Uint8Array, at: number, bits: number, left: number, right: number): void {
  const last = values.length - 1;
  for (let x = 0; x <= last; x++) {
    const value = values[x]!;
    to[at + 2 * x] = (3 * value + values[x === 0 ? 0 : x - 1]! + left) >> bits;
    to[at + 2 * x + 1] = (3 * value + values[x === last ? last : x + 1]! + right) >> bits;
  }
}

function repeated(plane: Plane, wider: number, higher: number, width: number, height: number): Plane {
  const data = new Uint8Array(width * height);
  for (let y = 0, to = 0; y < height; y++) {
    const row = Math.floor(y / higher) * plane.stride;
    for (let x = 0; x < width; x++) data[to++] = plane.data[row + Math.floor(x / wider)]!;
  }
  return { width, height, stride: width, data };
}
