/**
 * Freezing: training in which parts of a network do not change, such as the front stages of a pre-trained one, or all
 * batch norms in the last epochs (SENet-154: docs/networks.md, 3.1). Frozen parts run as in inference, with running
 * statistics and without dropout. No gradients are computed for them, nor through them unless something before them
 * learns.
 */

import { SenetError } from "../errors.ts";
import { type AnyNode, type Graph, isTrainable, type Node, type Parameter, type Value } from "../ir/graph.ts";
import { blocksOf, positionsOf } from "../ir/position.ts";
import { GraphUses } from "../ir/uses.ts";
import { verify } from "../ir/verify.ts";

/**
 * The part of a network, from the input on, that does not learn: `stem`; `stage3`, meaning everything up to the end of
 * that stage; the name of a block, or a common prefix (`layer3.1`, `layer3`), meaning everything up to the end of the
 * last such block; `backbone`, everything but the classifier. Or a function that returns true for the forward nodes to
 * freeze.
 */
export type Freeze = string | ((node: AnyNode) => boolean);

export interface Freezing {
  /** Default: nothing. */
  readonly freeze?: Freeze | undefined;
  /** Whether all batch norms are frozen: statistics, gammas and betas. */
  readonly freezeBatchNorm?: boolean | undefined;
}

/**
 * @param graph a training graph with its loss, without gradients
 * @throws SenetError `usage` where the network has no such part, or nothing is left to learn
 */
export function freezeGraph(graph: Graph, { freeze, freezeBatchNorm = false }: Freezing): Graph {
  if (freeze === undefined && !freezeBatchNorm) return graph;
  const uses = new GraphUses(graph);
  const isInPart = freeze === undefined ? () => false : partOf(graph, freeze);
  const norms = new Map<AnyNode, Statistics>();
  for (const node of graph.nodes) {
    if (node.op !== "batchNormTraining" || !(freezeBatchNorm || isInPart(node))) continue;
    norms.set(node, statisticsOf(graph, uses, node as Node<"batchNormTraining">));
  }
  const averages = new Set([...norms.values()].flatMap((statistics) => statistics.averages));

  /** Old values to new ones. */
  const now = new Map<Value, Value>();
  const parameters = graph.parameters.map((parameter): Parameter => {
    const readers = uses.users(parameter);
    const isFrozen = readers.length > 0 && readers.every((node) => isInPart(node) || norms.has(node));
    if (!isFrozen || !isTrainable(parameter)) return parameter;
    const frozen: Parameter = { ...parameter, frozen: true };
    now.set(parameter, frozen);
    return frozen;
  });
  const renewed = (value: Value) => now.get(value) ?? value;
  const nodes = graph.nodes.flatMap((node): AnyNode[] => {
    if (averages.has(node)) return [];
    const inputs = node.inputs.map(renewed);
    const statistics = norms.get(node);
    if (statistics !== undefined) {
      const outputs = node.outputs.slice(0, 1);
      return [
        { ...node, op: "batchNorm", inputs: [...inputs, statistics.mean, statistics.variance], outputs } as AnyNode,
      ];
    }
    if (node.op === "dropout" && isInPart(node)) {
      now.set(node.outputs[0]!, inputs[0]!);
      return [];
    }
    return [{ ...node, inputs } as AnyNode];
  });

  const read = new Set([...nodes.flatMap(({ inputs }) => inputs), ...graph.outputs.values()]);
  const frozen: Graph = {
    ...graph,
    // The masks of a frozen dropout are no longer inputs.
    inputs: graph.inputs.filter((input) => read.has(input) || uses.reads(input) === 0),
    parameters,
    nodes,
    outputs: new Map([...graph.outputs].map(([name, value]) => [name, renewed(value)])),
    updates: new Map([...graph.updates].filter(([, next]) => !isMadeBy(averages, next))),
  };
  verify(frozen, "freeze");
  if (parameters.some(isTrainable)) return frozen;
  throw new SenetError("usage", "the whole network is frozen, and nothing is left to learn", { where: graph.name });
}

const isMadeBy = (nodes: ReadonlySet<AnyNode>, value: Value) => [...nodes].some(({ outputs }) => outputs[0] === value);

function partOf(graph: Graph, freeze: Freeze): (node: AnyNode) => boolean {
  if (typeof freeze === "function") return freeze;
  const positions = positionsOf(graph);
  const last = lastDepth(graph, freeze);
  return (node) => positions.get(node)!.depth <= last;
}

/** How deep the frozen part goes. */
function lastDepth(graph: Graph, freeze: string): number {
  const blocks = blocksOf(graph);
  if (freeze === "stem") return 0;
  if (freeze === "backbone") return blocks.length;
  const stage = /^stage(\d+)$/.exec(freeze)?.[1];
  const index = blocks.findLastIndex((block) =>
    stage === undefined ? block.name === freeze || block.name.startsWith(`${freeze}.`) : block.stage === Number(stage),
  );
  if (index >= 0) return index + 1;
  const stages = new Set(blocks.map((block) => `stage${block.stage}`));
  throw new SenetError("usage", `there is no part "${freeze}" to freeze`, {
    where: graph.name,
    expected: ["stem", ...stages, "backbone", ...(blocks.length > 0 ? ["or the name of a block"] : [])].join(", "),
    ...(blocks.length > 0 && { hint: `its blocks are ${blocks.map(({ name }) => name).join(", ")}` }),
  });
}

/** Running statistics of a batch norm. */
interface Statistics {
  readonly mean: Value;
  readonly variance: Value;
  /** The nodes that would update them. */
  readonly averages: readonly AnyNode[];
}

function statisticsOf(graph: Graph, uses: GraphUses, { name, outputs }: Node<"batchNormTraining">): Statistics {
  const movedBy = (batch: Value) => {
    for (const [parameter, next] of graph.updates) {
      const average = uses.maker(next, "runningAverage");
      if (average?.inputs[0] === parameter && average.inputs[1] === batch) return { parameter, average };
    }
    throw new SenetError("graph", "a batch norm without running statistics cannot be frozen", {
      where: name,
      hint: "build it with the layer batchNorm, which keeps them",
    });
  };
  const [mean, variance] = [movedBy(outputs[1]!), movedBy(outputs[2]!)];
  return {
    mean: mean.parameter,
    variance: variance.parameter,
    averages: [mean.average, variance.average] as AnyNode[],
  };
}
