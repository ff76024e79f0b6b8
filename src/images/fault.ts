/** Why a file is not a sound picture. The caller, who knows the file's name, converts it to a `SenetError`. */
export class PictureFault extends Error {}
