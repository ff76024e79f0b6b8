/** The position of each node of a network, from input to classifier. */

import type { AnyNode, Block, Graph } from "./graph.ts";

/** Position of a node in its network. */
export interface Position {
  /** 0 in the stem (everything before the first block), then 1 more for each block, and 1 more for the classifier. */
  readonly depth: number;
  /** 0 in the stem; undefined for the classifier. */
  readonly stage: number | undefined;
}

/** The blocks of a network, in order. */
export function blocksOf({ nodes }: Pick<Graph, "nodes">): readonly Block[] {
  const blocks = new Map<string, Block>();
  for (const { block } of nodes) if (block !== undefined && !blocks.has(block.name)) blocks.set(block.name, block);
  return [...blocks.values()];
}

/**
 * The position of each node of a forward graph. Nodes between two blocks belong to the first of them; nodes after the
 * last block, such as the pooling and the classifier, are the head. A network without blocks has only a stem and a
 * head.
 */
export function positionsOf(graph: Graph): ReadonlyMap<AnyNode, Position> {
  const { nodes } = graph;
  const blocks = blocksOf(graph);
  const last = blocks.length > 0 ? nodes.findLastIndex(({ block }) => block !== undefined) : classifierOf(graph) - 1;
  let position: Position = { depth: 0, stage: 0 };
  let begun: string | undefined;
  let depth = 0;
  return new Map(
    nodes.map((node, i) => {
      const { block } = node;
      if (i > last) position = { depth: blocks.length + 1, stage: undefined };
      else if (block !== undefined && block.name !== begun) {
        begun = block.name;
        position = { depth: ++depth, stage: block.stage };
      }
      return [node, position];
    }),
  );
}

/** Index of the node that computes the logits, or the number of nodes if there is none. */
function classifierOf({ nodes, outputs }: Graph): number {
  const logits = outputs.get("logits");
  const index = nodes.findIndex((node) => node.tag === "head" || (logits && node.outputs.includes(logits)));
  return index < 0 ? nodes.length : index;
}
