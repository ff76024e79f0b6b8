/**
 * One channel of a picture in bytes `rgbrgb...` as a plane of float32, by a table of 256 values: two divisions a value
 * would take longer.
 * @param source at the channel's first byte
 * @param mirror 1: left and right change places
 */
export function normalizePlane(source: usize, width: i32, height: i32, table: usize, target: usize, mirror: i32): void {
  const bytes = <usize>width * 4;
  for (let y = 0; y < height; y++) {
    if (mirror) {
      for (let to = target + bytes; to > target; source += 3) {
        to -= 4;
        store<f32>(to, load<f32>(table + 4 * <usize>load<u8>(source)));
      }
    } else {
      for (let to = target; to < target + bytes; to += 4, source += 3) {
        store<f32>(to, load<f32>(table + 4 * <usize>load<u8>(source)));
      }
    }
    target += bytes;
  }
}
