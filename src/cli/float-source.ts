/** The network in float32 that one in eight bits was made from, to be measured beside it. */

import { SenetError } from "../errors.ts";
import { weightsFile } from "../pull/named.node.ts";
import { packagedName } from "../pull/packaged.node.ts";
import { checkSource, sourceBeside } from "../quantize/source.node.ts";
import type { StoredQuantization } from "../weights/checkpoint.ts";
import { openPaths } from "../weights/open.node.ts";
import { say } from "./output.ts";
import { opening, type WeightsOptions } from "./weights.ts";

/**
 * @param weights what `--weights` says of the network in eight bits
 * @param asked what `--source` says; absent: what the file says, if it is at hand
 * @returns what `--weights` would say of it
 * @throws SenetError `usage` where the one that is asked for is not its source
 */
export async function floatSource(
  weights: string,
  { source }: StoredQuantization,
  asked: string | undefined,
  options: WeightsOptions,
): Promise<string | undefined> {
  const found = asked ?? (source && (await atHand(weights, source)));
  if (found === undefined) return undefined;
  try {
    const { checkpoint } = await openPaths([await weightsFile(found)], opening(options));
    checkSource(checkpoint, source, found);
  } catch (cause) {
    if (asked !== undefined || !(cause instanceof SenetError)) throw cause;
    say(`${found} is not what ${weights} was made from any more, and is left out`);
    return undefined;
  }
  return found;
}

async function atHand(weights: string, source: NonNullable<StoredQuantization["source"]>): Promise<string | undefined> {
  const beside = sourceBeside(await weightsFile(weights), source);
  // Released weights are not fetched for this; the package's own are there.
  return beside ?? (source.file === packagedName ? packagedName : undefined);
}
