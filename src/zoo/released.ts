/** Pairs of networks: with squeeze and excitation, and without. */

import type { ZooEntry } from "./family.ts";
import type { SeConfig } from "./parts.ts";

/** r = 16 with biases, as in every released model (docs/networks.md, 1.1). */
export const releasedSe = { reduction: 16, bias: true } as const;

/** Each network with squeeze and excitation, and then without. */
export function bothWays<Config extends { readonly se?: SeConfig | undefined }>(
  plain: Readonly<Record<string, ZooEntry<Config>>>,
): Record<string, ZooEntry<Config>> {
  return Object.fromEntries(
    Object.entries(plain).flatMap(([name, entry]) => [
      [`se-${name}`, { ...entry, config: { ...entry.config, se: releasedSe } }],
      [name, entry],
    ]),
  );
}
