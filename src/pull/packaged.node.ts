/** The network in the package's folder `weights`; docs/results says how it was trained. */

import { fileURLToPath } from "node:url";
import { SenetError } from "../errors.ts";
import { isFile } from "./pull.node.ts";

/** Its name, wherever weights can be named. */
export const packagedName = "imagenette";

const path = fileURLToPath(new URL(`../../../weights/${packagedName}.safetensors`, import.meta.url));

/** Its path. @throws SenetError `weights` where this copy of the package lacks it */
export async function packagedFile(): Promise<string> {
  if (await isFile(path)) return path;
  throw new SenetError("weights", "the network of the package is not here", {
    where: path,
    expected: "the file that comes with the package",
    hint: "install it again, or name other weights (senet pull lists some)",
  });
}
