/** Decodes a scan's blocks to planes of samples, as far as the requested part of the picture needs them. */

import { block, decodeBlock, seek, used } from "./huffman";
import { flat, idct2, idct4, idct8 } from "./idct";

import {
  AC,
  ACROSS,
  BOTTOM,
  COMPONENT_WORDS,
  COMPONENTS,
  DC,
  DOWN,
  FIRST_COMPONENT,
  INTERVAL,
  LEFT,
  MCUS_A_ROW,
  PLANE,
  RIGHT,
  ROWS,
  SEGMENTS,
  SIDE,
  STEPS,
  STREAM,
  STRIDE,
  TOP,
  word,
} from "./job";

const predicted = memory.data(4 * 3);

/** @returns 0 if the bits are invalid or end too early */
export function decodeScan(job: usize): i32 {
  const components = word(job, COMPONENTS);
  const across = word(job, MCUS_A_ROW);
  const interval = word(job, INTERVAL);
  const stream = <usize>word(job, STREAM);
  let segment = <usize>word(job, SEGMENTS);
  let left = 0;
  let end = 0;
  for (let y = 0; y < word(job, ROWS); y++) {
    for (let x = 0; x < across; x++) {
      if (left === 0) {
        seek(stream, load<i32>(segment));
        segment += 4;
        end = load<i32>(segment);
        left = interval;
        memory.fill(predicted, 0, 12);
      }
      left--;
      const wanted = y >= word(job, TOP) && y < word(job, BOTTOM) && x >= word(job, LEFT) && x < word(job, RIGHT);
      let component = job + 4 * FIRST_COMPONENT;
      for (let c = 0; c < components; c++) {
        if (decodeUnit(component, predicted + 4 * c, wanted, x - word(job, LEFT), y - word(job, TOP)) === 0) return 0;
        component += 4 * COMPONENT_WORDS;
      }
      if (used(stream) > end) return 0;
    }
  }
  return 1;
}

/** Like `memory.fill`, which would be a call out of WebAssembly. */
function clear(): void {
  const zeros = i16x8.splat(0);
  for (let i: usize = 0; i < 128; i += 16) v128.store(block + i, zeros);
}

// @inline
function decodeUnit(component: usize, dc: usize, wanted: bool, x: i32, y: i32): i32 {
  const across = word(component, ACROSS);
  const down = word(component, DOWN);
  const side = word(component, SIDE);
  const stride = word(component, STRIDE);
  const steps = <usize>word(component, STEPS);
  for (let j = 0; j < down; j++) {
    for (let i = 0; i < across; i++) {
      if (wanted) clear();
      const found = decodeBlock(<usize>word(component, DC), <usize>word(component, AC));
      if (found < 0) return 0;
      const first = load<i32>(dc) + <i32>load<i16>(block);
      store<i32>(dc, first);
      if (!wanted) continue;
      store<i16>(block, <i16>first);
      const column = (x * across + i) * side;
      const target = <usize>(word(component, PLANE) + (y * down + j) * side * stride + column);
      if (found === 0 || side === 1) flat(block, steps, target, stride, side);
      else if (side === 8) idct8(block, steps, target, stride);
      else if (side === 4) idct4(block, steps, target, stride);
      else idct2(block, steps, target, stride);
    }
  }
  return 1;
}
