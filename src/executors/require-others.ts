/** Graphs that need other processes. */

import { SenetError } from "../errors.ts";
import type { Graph } from "../ir/graph.ts";
import type { SumOverRanks } from "./executor.ts";

/** The first node that computes over several processes. */
export const acrossNode = ({ nodes }: Graph): string | undefined =>
  nodes.find((node) => node.op === "batchNormTraining" && node.attrs.ranks !== undefined)?.name;

/** @throws SenetError `executor` where the graph needs other processes but there is no connection to them */
export function requireOthers(graph: Graph, sum: SumOverRanks | undefined): void {
  const name = acrossNode(graph);
  if (name === undefined || sum !== undefined) return;
  throw new SenetError("executor", "batch norm over several processes needs a way to the others", {
    where: name,
    expected: "sumOverRanks",
  });
}
