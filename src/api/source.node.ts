/** Opens the network that a training starts from. */

import { weightsFile } from "../pull/named.node.ts";
import type { SourceNetwork } from "../train/start.ts";
import { openPaths } from "../weights/open.node.ts";
import type { NetworkFunction } from "../zoo/index.ts";

/**
 * @param from a weight file in any supported format, or the name of released weights, which are fetched once
 * @param say is told what was guessed while opening it
 * @throws SenetError as `load`
 */
export async function openSource(
  from: string,
  build: NetworkFunction | undefined,
  say: (line: string) => void,
): Promise<SourceNetwork> {
  const { checkpoint, notes } = await openPaths(await weightsFile(from), build === undefined ? {} : { model: build });
  for (const note of notes) say(`${from}: ${note}`);
  return { ...checkpoint, from };
}
