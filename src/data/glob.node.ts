/** File-name patterns (`photos/*.jpg`) as in a shell, for patterns that no shell has expanded. */

import { type Dirent, existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { byCodePoint } from "./by-code-point.ts";
import { sameForm } from "./classes.ts";
import { isHidden } from "./hidden.ts";

export const isPattern = (text: string): boolean => /[*?[]/.test(text);

/**
 * The paths that `pattern` matches, sorted. `*` and `?` match any characters except `/`; `[a-c]` matches one of these
 * and `[!a-c]` any other; `**` matches any number of folders but no links, nor those that a system hides. A leading dot must be given
 * explicitly.
 */
export function matching(pattern: string): string[] {
  const parts = pattern.split("/").filter((part, i) => part !== "" || i === 0);
  const start = parts[0] === "" ? "/" : "";
  return [...new Set(below(start, start === "" ? parts : parts.slice(1)))].sort(byCodePoint);
}

function below(folder: string, parts: readonly string[]): string[] {
  const [part, ...rest] = parts;
  if (part === undefined) return folder === "" ? [] : [folder];
  if (part === "**") {
    const deeper = entriesOf(folder).filter((entry) => entry.isDirectory() && !isHidden(entry.name));
    return [...below(folder, rest), ...deeper.flatMap(({ name }) => below(join(folder, name), parts))];
  }
  if (!isPattern(part)) {
    const path = join(folder, part);
    return existsSync(path) ? below(path, rest) : [];
  }
  const matches = matcher(part);
  return entriesOf(folder).flatMap(({ name }) => (matches(name) ? below(join(folder, name), rest) : []));
}

/** The folder's entries; empty if it is not a readable folder, so that nothing matches there. */
function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder === "" ? "." : folder, { withFileTypes: true });
  } catch {
    return [];
  }
}

/** A function that tells whether a name matches one part of a pattern. */
function matcher(part: string): (name: string) => boolean {
  const source = sameForm(part).replace(
    /\*+|\?|\[(!|\^)?(\]?[^\]]*)\]|\\?[\s\S]/gu,
    (token, not: string | undefined, set: string | undefined) => {
      if (token.startsWith("*")) return ".*";
      if (token === "?") return ".";
      if (set !== undefined) return `[${not === undefined ? "" : "^"}${set.replace(/[\\\]^&~|[]/g, "\\$&")}]`;
      return token.replace(/^\\(?=.)/su, "").replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
    },
  );
  const expression = new RegExp(`^${source}$`, "su");
  return (name) => (!name.startsWith(".") || part.startsWith(".")) && expression.test(sameForm(name));
}
