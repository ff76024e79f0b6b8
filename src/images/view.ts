/** Pictures of which only a part may ever be decoded. */

import { type Normalization, seenAs } from "./preprocess.ts";
import type { Box, Picture } from "./resize.ts";

/** A picture whose pixels are made when they are wanted. */
export interface PictureView {
  readonly width: number;
  readonly height: number;
  /** Pixels that hold this box, valid until others are asked for, and where it lies in them. @throws PictureFault where they cannot be decoded */
  readonly part: (box: Box) => { readonly picture: Picture; readonly box: Box };
}

export const viewOf = (picture: Picture): PictureView => ({
  width: picture.width,
  height: picture.height,
  part: (box) => ({ picture, box }),
});

export const wholeOf = ({ width, height, part }: PictureView): Picture =>
  part({ left: 0, top: 0, width, height }).picture;

/** As `seenAs`, of what is looked at only. */
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
