// `npm run check`: builds and lints at the same time, then runs the fast tests. Stops if one of them fails.

import { spawn } from "node:child_process";

/** Runs a command in a shell and resolves to its exit code. npm has put `node_modules/.bin` on the path. */
function ran(command) {
  return new Promise((resolve, reject) => {
    spawn(command, { shell: true, stdio: "inherit" }).on("error", reject).on("close", resolve);
  });
}

const codes = await Promise.all([ran("npm run build"), ran("biome check .")]);
process.exit(codes.find((code) => code !== 0) ?? (await ran("node tools/test.mjs fast")));
