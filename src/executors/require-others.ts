/** Graphs that are one process's part of something larger. */

import { SenetError } from "../errors.ts";
import type { Graph } from "../ir/graph.ts";
import type { SumOverRanks } from "./executor.ts";

/** The first node whose batch is that of several processes. */
export const acrossNode = ({ nodes }: Graph): string | undefined =>
  nodes.find((node) => node.op === "batchNormTraining" && node.attrs.ranks !== undefined)?.name;

/** @throws SenetError `executor` where it needs others, and there is no way to them */
export function requireOthers(graph: Graph, sum: SumOverRanks | undefined): void {
  const name = acrossNode(graph);
  if (name === undefined || sum !== undefined) return;
  throw new SenetError("executor", "batch norm over several processes needs a way to the others", {
    where: name,
    expected: "sumOverRanks",
  });
}
