/** Removes blocks from residual networks. `pruneCosts` only closes their gates; removed blocks also cost no time. */

import { SenetError } from "../errors.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { requireFloat32 } from "../weights/program.ts";
import type { Model } from "../zoo/index.ts";

interface Place {
  /** From 1. */
  readonly stage: number;
  /** Index in its stage, from 0. */
  readonly block: number;
}

/** Parses `layer3.4`, or the name of a tensor in it; `rest` is what follows. */
function placeOf(name: string): (Place & { readonly rest: string }) | undefined {
  const [, stage, block, rest] = /^layer(\d+)\.(\d+)((?:\..+)?)$/.exec(name) ?? [];
  return rest === undefined ? undefined : { stage: Number(stage), block: Number(block), rest };
}

/** Blocks that can be replaced by their shortcut: all but the first of each stage, which changes the shape. */
export function removableBlocks({ config }: Model): readonly string[] {
  if (!("depths" in config)) return [];
  return config.depths.flatMap((depth, stage) =>
    Array.from({ length: depth - 1 }, (_, block) => `layer${stage + 1}.${block + 1}`),
  );
}

/**
 * The network without these blocks, under the same name. Facts about the run that it comes from are dropped.
 * @param blocks such as `layer3.4`
 * @throws SenetError `usage` for an unknown block, the first block of a stage, or a network in eight bits
 */
export function withoutBlocks(checkpoint: Checkpoint, blocks: readonly string[]): Checkpoint {
  const { model, labels, preprocessing } = checkpoint;
  requireFloat32(checkpoint, model.name);
  const removable = removableBlocks(model);
  const unknown = blocks.find((name) => !removable.includes(name));
  const { config } = model;
  if (unknown !== undefined || !("depths" in config)) {
    throw new SenetError("usage", "this block cannot be taken out of the network", {
      where: model.name,
      expected:
        removable.length === 0
          ? "a residual network with more than one block in a stage"
          : `one of ${removable.join(", ")} (the first of a stage changes the shape)`,
      found: unknown ?? blocks.join(", "),
    });
  }
  const gone = new Set(blocks);
  const isGone = ({ stage, block }: Place): boolean => gone.has(`layer${stage}.${block}`);
  const all = config.depths.flatMap((depth, i) =>
    Array.from({ length: depth }, (_, block) => ({ stage: i + 1, block })),
  );
  const depths = config.depths.map((_, i) => all.filter((one) => one.stage === i + 1 && !isGone(one)).length);
  const { se } = config;
  const hidden = se?.hidden?.filter((_, i) => !isGone(all[i]!));
  const weights = [...checkpoint.weights].flatMap(([name, tensor]): [string, typeof tensor][] => {
    const place = placeOf(name);
    if (place === undefined) return [[name, tensor]];
    if (isGone(place)) return [];
    const { stage, block, rest } = place;
    const before = all.filter((other) => other.stage === stage && other.block < block && isGone(other)).length;
    return [[`layer${stage}.${block - before}${rest}`, tensor]];
  });
  return {
    labels,
    preprocessing,
    weights: new Map(weights),
    model: { ...model, config: { ...config, depths, ...(se && hidden && { se: { ...se, hidden } }) } },
  };
}
