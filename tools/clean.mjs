// Takes away what `npm run build` has made, so that nothing of files that have gone is packed; the page has its own build.

import { rmSync } from "node:fs";

for (const name of ["src", "tests", "bench", "examples", "build.tsbuildinfo", "web.tsbuildinfo"])
  rmSync(new URL(`../dist/${name}`, import.meta.url), { recursive: true, force: true });
