/** What the package says of itself. */

import { readFileSync } from "node:fs";

export interface PackageFacts {
  readonly version: string;
  readonly description: string;
}

/** From its package.json, which stands above what is compiled. */
export const packageFacts = (): PackageFacts =>
  JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as PackageFacts;
