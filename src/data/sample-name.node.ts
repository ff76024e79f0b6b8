/** A picture's name relative to its data set, the same on every machine. */

import { relative, sep } from "node:path";
import type { Dataset } from "./dataset.ts";

/** The path below the root, with `/` as separator, in NFC: macOS and Linux may spell a name differently. */
export const nameIn = ({ root }: Pick<Dataset, "root">, file: string): string =>
  relative(root, file).split(sep).join("/").normalize();
