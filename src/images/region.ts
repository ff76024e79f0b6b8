/** The square of a picture that the network sees. */

import { centered, halfOf, type Preprocessing, resizedSize } from "./preprocess.ts";
import type { Picture } from "./resize.ts";

/** In the pixels of the file; may extend beyond the picture's edges. */
export interface Region {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** @throws SenetError as `resizedSize` */
export function seenRegion(picture: Pick<Picture, "width" | "height">, spec: Preprocessing): Region {
  const resized = resizedSize(picture, spec);
  const along = (side: "width" | "height") => {
    const { from, to } = centered(resized[side], spec.crop, halfOf(spec));
    const scale = picture[side] / resized[side];
    return { start: (from - to) * scale, length: spec.crop * scale };
  };
  const [across, down] = [along("width"), along("height")];
  return { left: across.start, top: down.start, width: across.length, height: down.length };
}
