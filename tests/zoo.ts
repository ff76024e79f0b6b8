/** The zoo's networks, for tests over all of them. */

import { zoo } from "../src/zoo/index.ts";
import { isThorough } from "./support.ts";

/** Identifies the kind of network: its config except for the number of blocks. */
function kindOf({ config }: { readonly config: object }): string {
  return JSON.stringify(config, (key, value) => (key === "depths" || key === "hidden" ? undefined : value));
}

const blocksOf = ({ config }: { readonly config: object }): number =>
  "depths" in config ? (config.depths as readonly number[]).reduce((sum, depth) => sum + depth) : 0;

const entries = [...zoo];
const leastOfKind = entries.filter(([, entry]) => {
  const alike = entries.filter(([, other]) => kindOf(other) === kindOf(entry));
  return alike.every(([, other]) => blocksOf(entry) <= blocksOf(other));
});

/** All of them in `npm test`; for fast tests, the shallowest of each kind. */
export const networks = isThorough ? entries : leastOfKind;
