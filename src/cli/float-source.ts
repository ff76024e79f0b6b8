/** Finds the float32 network from which a network in eight bits was made, to measure it too. */

import { SenetError } from "../errors.ts";
import { weightsFile } from "../pull/named.node.ts";
import { packagedName } from "../pull/packaged.node.ts";
import { checkSource, sourceBeside } from "../quantize/source.node.ts";
import type { StoredQuantization } from "../weights/checkpoint.ts";
import { openPaths } from "../weights/open.node.ts";
import { say } from "./output.ts";
import { opening, type WeightsOptions } from "./weights.ts";

/**
 * @param weights the value of `--weights` for the network in eight bits
 * @param asked the value of `--source`; absent: the source named in the file, if it is at hand
 * @returns the source, as a value of `--weights`
 * @throws SenetError `usage` where `asked` is not its source
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
  // Released weights are not downloaded for this; the package's own need no download.
  return beside ?? (source.file === packagedName ? packagedName : undefined);
}
