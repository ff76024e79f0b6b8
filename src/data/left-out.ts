/** Collects what a data folder contains but is not used, while the folder is listed, to report it once. */

import { extensionOf } from "../images/format.ts";

export class LeftOut {
  /** Files that are not pictures in a supported format, by extension. */
  readonly #others = new Map<string, string[]>();
  readonly #circles: string[] = [];
  readonly #special: string[] = [];
  readonly #unreadableNames: string[] = [];
  readonly #shared: string[] = [];

  other(path: string): void {
    const extension = extensionOf(path);
    const files = this.#others.get(extension);
    if (files === undefined) this.#others.set(extension, [path]);
    else files.push(path);
  }

  /** A link back to a folder above it, or to one that has already been listed. */
  circle(path: string): void {
    this.#circles.push(path);
  }

  /** A pipe, a socket or a device. */
  special(path: string): void {
    this.#special.push(path);
  }

  /** A name that is not UTF-8, with its invalid bytes replaced. */
  unreadableName(path: string): void {
    this.#unreadableNames.push(path);
  }

  /** A folder that belongs to two classes: used, but probably a mistake. */
  shared(path: string, first: string): void {
    this.#shared.push(`${path}, which is in ${first} too`);
  }

  /** One line per kind. */
  lines(): string[] {
    const lines: string[] = [];
    const say = (paths: readonly string[], one: string, many: string) => {
      if (paths.length === 1) lines.push(`${one}: ${paths[0]}`);
      if (paths.length > 1) lines.push(`${paths.length} ${many}, such as ${paths[0]}`);
    };
    const { size } = this.#others;
    if (size > 0) {
      const kinds = [...this.#others].sort(([, a], [, b]) => b.length - a.length);
      const count = kinds.reduce((sum, [, files]) => sum + files.length, 0);
      const shown = kinds.slice(0, 6).map(([kind, files]) => `${kind || "without a type"} (${files.length})`);
      if (size > shown.length) shown.push(`${size - shown.length} more types`);
      const what = count === 1 ? "1 file of another type is" : `${count} files of other types are`;
      lines.push(`${what} left out: ${shown.join(", ")}, such as ${kinds[0]![1][0]}`);
    }
    say(
      this.#circles,
      "a link to a folder that is counted already is left out",
      "links to folders that are counted already are left out",
    );
    say(
      this.#special,
      "something that is not a file is left out",
      "things that are not files (pipes, sockets, devices) are left out",
    );
    say(this.#unreadableNames, "a name that is not UTF-8 is left out", "names that are not UTF-8 are left out");
    say(this.#shared, "a folder is in two classes", "folders are in two classes");
    return lines;
  }
}
