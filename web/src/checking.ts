/** Checks whether added pictures can be decoded, so that this is known before training. */

import { SenetError } from "senet/web";
import { soundHeader, unsound } from "#senet/images/sound.ts";
import type { LeftOut, NewPicture } from "./pictures.ts";

/** The library's limit for a page, which cannot know how much memory is free. */
const memory = () => 2 ** 30;

/** Number of pictures decoded at once. */
const portion = 8;

/** @param onSome receives, in order, the pictures that can be used and those left out */
export async function checkPictures(
  pictures: readonly NewPicture[],
  onSome: (sound: readonly NewPicture[], leftOut: readonly LeftOut[]) => void,
): Promise<void> {
  for (let i = 0; i < pictures.length; i += portion) {
    const some = pictures.slice(i, i + portion);
    const faults = await Promise.all(some.map(faultOf));
    onSome(
      some.filter((_, k) => faults[k] === undefined),
      some.flatMap(({ name }, k) => (faults[k] === undefined ? [] : [{ name, reason: faults[k] }])),
    );
  }
}

/** Checks the header with the library, for its error messages, and the rest with the browser. */
async function faultOf({ name, file }: NewPicture): Promise<string | undefined> {
  try {
    const bytes = new Uint8Array(await file.arrayBuffer());
    const { format } = soundHeader(bytes, name, memory);
    if (format === "TIFF") return "a TIFF, which is not decoded in browsers: save it as PNG";
    // Browsers cannot decode it, but the library can.
    if (format === "PNM") return undefined;
    const found = "the browser cannot decode it";
    (
      await createImageBitmap(file).catch((cause) => {
        throw unsound(found, bytes, format, name, cause);
      })
    ).close();
    return undefined;
  } catch (error) {
    if (!(error instanceof SenetError)) return error instanceof Error ? error.message : String(error);
    const { found } = error.details;
    if (!/not a picture of a supported kind/.test(error.what)) return error.what;
    const kind = typeof found === "string" && /^an? /.test(found) ? `${found}, and ` : "";
    return `${kind}none of the kinds that are read here: JPEG, PNG, WebP, GIF, BMP, PNM`;
  }
}
