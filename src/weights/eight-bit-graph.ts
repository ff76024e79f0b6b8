/** The graph of a network in eight bits; apart, since a page loads it when such a file comes. */

import type { Graph } from "../ir/graph.ts";
import { foldedGraph } from "../passes/fold-batch-norm.ts";
import { type Quantization, quantizedGraph } from "../passes/quantize.ts";
import { removeDead } from "../passes/remove-dead.ts";

/** It only needs the weights that are in its file. */
export const eightBitGraph = (graph: Graph, quantization: Quantization): Graph =>
  removeDead({ graph: quantizedGraph(foldedGraph(graph), quantization), weights: new Map() }).graph;
