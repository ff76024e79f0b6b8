// Removes the output of `npm run build`, so that the package contains no output of deleted files. The page has its own
// build.

import { rmSync } from "node:fs";

for (const name of ["src", "tests", "bench", "examples", "build.tsbuildinfo", "web.tsbuildinfo"])
  rmSync(new URL(`../dist/${name}`, import.meta.url), { recursive: true, force: true });
