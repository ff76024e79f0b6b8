/** Pictures that may be decoded only in part. */

import { type Normalization, seenAs } from "./preprocess.ts";
import type { Box, Picture } from "./resize.ts";

/** A picture whose pixels are decoded on demand. */
export interface PictureView {
  readonly width: number;
  readonly height: number;
  /**
   * Pixels that contain this box, and the box's position in them; valid until the next call. @throws PictureFault where
   * they cannot be decoded
   */
  readonly part: (box: Box) => { readonly picture: Picture; readonly box: Box };
}

export const viewOf = (picture: Picture): PictureView => ({
  width: picture.width,
  height: picture.height,
  part: (box) => ({ picture, box }),
});

export const wholeOf = ({ width, height, part }: PictureView): Picture =>
  part({ left: 0, top: 0, width, height }).picture;

/** As `seenAs`, for the decoded parts only. */
export function viewSeenAs(view: PictureView, normalization: Pick<Normalization, "channels">): PictureView {
  if (normalization.channels !== "grey") return view;
  return {
    ...view,
    part: (wanted) => {
      const { picture, box } = view.part(wanted);
      return { picture: seenAs(picture, normalization), box };
    },
  };
}
