/** What a picture is called within its data, the same on every machine. */

import { relative, sep } from "node:path";
import type { Dataset } from "./dataset.ts";

/** Its path below the root, with `/` between, in one Unicode form: macOS and Linux may spell one name in two ways. */
export const nameIn = ({ root }: Pick<Dataset, "root">, file: string): string =>
  relative(root, file).split(sep).join("/").normalize();
