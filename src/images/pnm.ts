/** Decodes binary Netpbm pictures (PBM, PGM, PPM) with at most 8 bits per value. */

import { PictureFault, UnsupportedPicture } from "./fault.ts";
import { ascii } from "./format.ts";
import { roundHalfEven } from "./preprocess.ts";
import type { Picture } from "./resize.ts";

interface Layout {
  readonly width: number;
  readonly height: number;
  /** 0: one bit per pixel, 1 for black. */
  readonly channels: 0 | 1 | 3;
  /** The value of white. */
  readonly most: number;
  readonly start: number;
}

/** With its comments. */
const longestHead = 2 ** 16;

/** @throws PictureFault */
export function pnmLayout(bytes: Uint8Array): Layout {
  // Numbers are separated by spaces and comments, which may be long; a single space ends the last.
  const head = ascii(bytes, 0, longestHead).replace(/#[^\r\n]*/g, (comment) => " ".repeat(comment.length));
  const channels = ({ P4: 0, P5: 1, P6: 3 } as const)[head.slice(0, 2)];
  const pattern = channels === 0 ? /^P4\s+(\d+)\s+(\d+)\s/ : /^P[56]\s+(\d+)\s+(\d+)\s+(\d+)\s/;
  const match = pattern.exec(head);
  if (match === null || channels === undefined) throw new PictureFault("the file ends within its header");
  const most = channels === 0 ? 1 : Number(match[3]);
  if (most < 1 || most > 255) throw new UnsupportedPicture(`values up to ${most} are not decoded`);
  return { width: Number(match[1]), height: Number(match[2]), channels, most, start: match[0].length };
}

/** @throws PictureFault */
export function decodePnm(bytes: Uint8Array): Picture {
  const { width, height, channels, most, start } = pnmLayout(bytes);
  if (width === 0 || height === 0) throw new PictureFault("it has no pixels");
  const stride = channels === 0 ? Math.ceil(width / 8) : width * channels;
  if (start + stride * height > bytes.length) throw new PictureFault("the file ends within the picture");
  const data = new Uint8Array(width * height * 3);
  const scaled = Uint8Array.from({ length: 256 }, (_, value) => Math.min(255, roundHalfEven((value / most) * 255)));
  for (let y = 0, to = 0; y < height; y++) {
    const row = start + y * stride;
    for (let x = 0; x < width; x++) {
      for (let k = 0; k < 3; k++) {
        data[to++] =
          channels === 0
            ? ((bytes[row + (x >> 3)]! >> (7 - (x & 7))) & 1) === 1
              ? 0
              : 255
            : scaled[bytes[row + (channels === 1 ? x : 3 * x + k)]!]!;
      }
    }
  }
  return { width, height, data };
}
