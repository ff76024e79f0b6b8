/** Packages with native parts, which may be absent or not load: asked for when they are needed, and never twice. */

import { createRequire } from "node:module";
import type { SenetError } from "./errors.ts";

const require = createRequire(import.meta.url);

/**
 * The package, loaded at the first call. Not by `import`: an error on the way would end the process uncaught on Node 20
 * (nodejs/node#51603).
 * @param complain makes the error that each call throws where it does not load
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

/** In one line. */
function reasonOf(name: string, cause: unknown): string {
  const { message, code } =
    cause instanceof Error ? (cause as NodeJS.ErrnoException) : { message: String(cause), code: "" };
  const lines = message.split("\n").filter((line) => line.trim() !== "");
  const first = lines[0] ?? "no reason given";
  return code === "MODULE_NOT_FOUND" && first.includes(`'${name}'`) ? "it is not installed" : first;
}
