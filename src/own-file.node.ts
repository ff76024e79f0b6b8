/** Files of this package that are found beside its code. */

import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { SenetError } from "./errors.ts";

/**
 * The address of a file beside a module.
 * @param module the module's `import.meta.url`
 * @throws SenetError `usage` where it is not there, as after a bundler has put the code into another file
 */
export function ownFile(path: string, module: string): URL {
  const url = new URL(path, module);
  if (existsSync(url)) return url;
  throw new SenetError("usage", "a file of this package is not beside its code, as if a bundler had moved the code", {
    expected: fileURLToPath(url),
    found: "nothing at this path",
    hint: "keep the package out of the bundle: `external` for esbuild and Rollup, `externals` for webpack, `serverExternalPackages` for Next.js",
  });
}
