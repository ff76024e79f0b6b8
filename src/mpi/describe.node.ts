/** Describes this machine's MPI libraries, for `senet doctor`. */

import { spawnSync } from "node:child_process";
import type { Flavour } from "./library.node.ts";

/**
 * A description such as `Open MPI v4.1.4 (libmpi.so.40)`, or why there is none. Each is loaded in a separate process:
 * two of them have symbols of the same names, and this process needs neither.
 */
export function describeMpi(): string {
  const flavours: readonly Flavour[] = ["Open MPI", "MPICH"];
  const found = new Set<string>();
  let reason = "none was found";
  for (const flavour of flavours) {
    const library = new URL("./library.node.js", import.meta.url).href;
    const script = `
      import { writeSync } from "node:fs";
      const { loadMpi } = await import(${JSON.stringify(library)});
      const { version, path } = loadMpi(${JSON.stringify(flavour)});
      writeSync(1, \`\${version} (\${path})\`);`;
    const { status, stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
      encoding: "utf8",
      timeout: 20_000,
    });
    if (status === 0) found.add(stdout.trim());
    else reason = /SenetError[^:]*: (.*)/.exec(stderr)?.[1] ?? reason;
  }
  return found.size === 0 ? `${reason} (apt-get install openmpi-bin, or mpich)` : [...found].join(", ");
}
