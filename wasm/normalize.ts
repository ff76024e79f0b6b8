/**
 * Converts one channel of a picture in bytes `rgbrgb...` to a plane of float32 with a table of 256 values: two
 * divisions for each value would take longer. Four at a time, because the loop itself would otherwise take as long as
 * the lookups.
 * @param source address of the channel's first byte
 * @param mirror 1: swap left and right
 */
export function normalizePlane(source: usize, width: i32, height: i32, table: usize, target: usize, mirror: i32): void {
  const bytes = <usize>width * 4;
  const fours = bytes & ~15;
  for (let y = 0; y < height; y++) {
    const end = target + bytes;
    if (mirror) {
      let to = end;
      for (const last = end - fours; to > last; source += 12) {
        to -= 16;
        store<u32>(to, load<u32>(table + 4 * <usize>load<u8>(source)), 12);
        store<u32>(to, load<u32>(table + 4 * <usize>load<u8>(source, 3)), 8);
        store<u32>(to, load<u32>(table + 4 * <usize>load<u8>(source, 6)), 4);
        store<u32>(to, load<u32>(table + 4 * <usize>load<u8>(source, 9)));
      }
      for (; to > target; source += 3) {
        to -= 4;
        store<u32>(to, load<u32>(table + 4 * <usize>load<u8>(source)));
      }
    } else {
      let to = target;
      for (const last = target + fours; to < last; to += 16, source += 12) {
        store<u32>(to, load<u32>(table + 4 * <usize>load<u8>(source)));
        store<u32>(to, load<u32>(table + 4 * <usize>load<u8>(source, 3)), 4);
        store<u32>(to, load<u32>(table + 4 * <usize>load<u8>(source, 6)), 8);
        store<u32>(to, load<u32>(table + 4 * <usize>load<u8>(source, 9)), 12);
      }
      for (; to < end; to += 4, source += 3) store<u32>(to, load<u32>(table + 4 * <usize>load<u8>(source)));
    }
    target = end;
  }
}
