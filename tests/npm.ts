/** Runs npm as a user does: without what an npm around the tests has set. */

import { execFile } from "node:child_process";
import type { Ran } from "./ran.ts";

/** `npm ...args`; of this Node, or of the version that `npx` fetches. */
export function npm(args: readonly string[], { cwd, version }: { cwd: string; version?: string }): Promise<Ran> {
  const [program, ...rest] = version === undefined ? ["npm", ...args] : ["npx", "-y", `npm@${version}`, ...args];
  const env = Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !/^npm_|^onnxruntime_/i.test(name) || /registry|_cache$|cafile/i.test(name),
    ),
  );
  return new Promise((resolve) => {
    // On Windows npm is a script of the shell.
    const options = { cwd, env, encoding: "utf8", maxBuffer: 2 ** 26, shell: process.platform === "win32" } as const;
    execFile(program!, rest, options, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : typeof error.code === "number" ? error.code : null, stdout, stderr });
    });
  });
}
