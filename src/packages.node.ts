/** Loads packages with native parts, which may be missing or fail to load: on demand, and only once. */

import { createRequire } from "node:module";
import type { SenetError } from "./errors.ts";

const require = createRequire(import.meta.url);

/**
 * A function that loads the package on its first call. Uses `require`: on Node 20 an error in `import` could end the
 * process uncaught (nodejs/node#51603).
 * @param complain creates the error to throw if it does not load
 */
export function lazily<T>(name: string, complain: (reason: string, cause: unknown) => SenetError): () => T {
  let found: { readonly package: T } | { readonly error: SenetError } | undefined;
  return () => {
    found ??= load<T>(name, complain);
    if ("error" in found) throw found.error;
    return found.package;
  };
}

function load<T>(name: string, complain: (reason: string, cause: unknown) => SenetError) {
  try {
    return { package: require(name) as T };
  } catch (cause) {
    return { error: complain(reasonOf(name, cause), cause) };
  }
}

/** The reason in one line. */
function reasonOf(name: string, cause: unknown): string {
  const { message, code } =
    cause instanceof Error ? (cause as NodeJS.ErrnoException) : { message: String(cause), code: "" };
  const lines = message.split("\n").filter((line) => line.trim() !== "");
  const first = lines[0] ?? "no reason given";
  return code === "MODULE_NOT_FOUND" && first.includes(`'${name}'`) ? "it is not installed" : first;
}
