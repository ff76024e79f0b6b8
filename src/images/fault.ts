/** Why a file is not a sound picture. The caller, who knows the file's name, converts it to a `SenetError`. */
export class PictureFault extends Error {}

/** The file may be sound, but is of a kind that cannot be decoded here. */
export class UnsupportedPicture extends PictureFault {}
