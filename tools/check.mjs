// `npm run check`: the build beside the linter, then the fast tests; stops at the first of the three that fails.

import { spawn } from "node:child_process";

/** Runs a command in a shell, for which npm has put `node_modules/.bin` on the path; resolves to its exit code. */
function ran(command) {
  return new Promise((resolve, reject) => {
    spawn(command, { shell: true, stdio: "inherit" }).on("error", reject).on("close", resolve);
  });
}

const codes = await Promise.all([ran("npm run build"), ran("biome check .")]);
process.exit(codes.find((code) => code !== 0) ?? (await ran("node tools/test.mjs fast")));
