/** The README's blocks of code. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./support.ts";

export const readme: string = readFileSync(join(root, "README.md"), "utf8");

export const blocksOf = (language: string): string[] =>
  [...readme.matchAll(new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\`$`, "gm"))].map((match) => match[1]!);

/** What a reader types. */
export const shellLines = (): string[] =>
  blocksOf("sh").flatMap((block) => block.split("\n").filter((line) => line.trim() !== ""));
