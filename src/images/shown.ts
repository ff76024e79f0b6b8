/** Shows the network's input as a picture. */

import { type Normalization, planesOf } from "./preprocess.ts";
import type { Picture } from "./resize.ts";

/** If each picture was normalised by its own mean, that is no longer known; uses a typical one. */
const shownBy = (normalization: Normalization): Normalization => {
  if (normalization.byPicture === undefined) return normalization;
  const [mean, std] = [127.5 / normalization.scale, 64 / normalization.scale];
  return { ...normalization, mean: [mean, mean, mean], std: [std, std, std] };
};

/** Undoes `normalize`; values outside a byte are clamped. */
export function shownInput(values: Float32Array, size: number, normalization: Normalization): Picture {
  const { channels, scale, mean, std } = shownBy(normalization);
  const pixels = size * size;
  const data = new Uint8Array(3 * pixels);
  for (let channel = 0; channel < 3; channel++) {
    const plane = planesOf(normalization) === 1 ? 0 : channels === "bgr" ? 2 - channel : channel;
    for (let i = 0; i < pixels; i++) {
      const byte = (values[plane * pixels + i]! * std[plane]! + mean[plane]!) * scale;
      data[3 * i + channel] = Math.min(255, Math.max(0, Math.round(byte)));
    }
  }
  return { width: size, height: size, data };
}
