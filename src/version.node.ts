/** Facts about the package. */

import { readFileSync } from "node:fs";
import { ownFile } from "./own-file.node.ts";

export interface PackageFacts {
  readonly version: string;
  readonly description: string;
}

/** Read from package.json, two folders above the compiled file. */
export const packageFacts = (): PackageFacts =>
  JSON.parse(readFileSync(ownFile("../../package.json", import.meta.url), "utf8")) as PackageFacts;
