/** Why a file is no sound picture. Who knows the file's name makes a `SenetError` of it. */
export class PictureFault extends Error {}
