/**
 * What a network's weights do not show: how it differs from the network that they were trained in, and whether batch
 * norms have been folded into its convolutions. Both change what training does with the weights.
 */

import type { AnyNode, Graph, Value } from "../ir/graph.ts";
import type { Op } from "../ir/ops.ts";
import { GraphUses } from "../ir/uses.ts";

const pools: readonly Op[] = ["maxPool", "avgPool"];
const activations: readonly Op[] = ["relu", "silu", "mish"];

/**
 * The settings in which two networks differ that have layers in common: strides, padding, groups and eps of layers of
 * the same parameters, poolings, and activations outside of squeeze and excitation.
 * @returns one entry each: `maxpool pad 0, ceil true (there pad 1, ceil false)`; empty if the weights compute in the
 * network what they did in the source
 */
export function differences(source: Graph, network: Graph): string[] {
  const theirs = new Map(parametrised(source));
  const layers = [...parametrised(network)].flatMap(([parameter, node]) => {
    const other = theirs.get(parameter);
    return other === undefined ? [] : settingsThatDiffer(node, other);
  });
  const [own, others] = [network, source].map(({ nodes }) => nodes.filter(({ op }) => pools.includes(op)));
  const pooling =
    own!.length === others!.length
      ? own!.flatMap((node, i) => settingsThatDiffer(node, others![i]!))
      : [`${own!.length} poolings (there ${others!.length})`];
  const counts = activations.flatMap((op) => {
    const [here, there] = [network, source].map((graph) => onPictures(graph).filter((node) => node.op === op).length);
    return here === there ? [] : [`${here} × ${op} (there ${there})`];
  });
  return [...layers, ...pooling, ...counts];
}

/** Convolutions and batch norms by their first parameter. */
function* parametrised({ nodes, parameters }: Graph): Generator<[string, AnyNode]> {
  const names = new Map(parameters.map((parameter) => [parameter as unknown, parameter.name]));
  for (const node of nodes) {
    const name = names.get(node.inputs[1]);
    if (name !== undefined && (node.op === "conv2d" || node.op === "batchNorm")) yield [name, node];
  }
}

function settingsThatDiffer(node: AnyNode, other: AnyNode): string[] {
  if (node.op !== other.op) return [`${node.name}: ${node.op} (there ${other.op})`];
  const [here, there] = [node, other].map(({ attrs }) => new Map<string, unknown>(Object.entries({ ...attrs })));
  const shown = (attrs: ReadonlyMap<string, unknown>, key: string) => JSON.stringify(attrs.get(key));
  const keys = [...new Set([...here!.keys(), ...there!.keys()])].filter(
    (key) => shown(here!, key) !== shown(there!, key),
  );
  const told = (attrs: ReadonlyMap<string, unknown>) => keys.map((key) => `${key} ${shown(attrs, key)}`).join(", ");
  return keys.length === 0 ? [] : [`${node.name} ${told(here!)} (there ${told(there!)})`];
}

/** The nodes that are not part of squeeze and excitation, nor of the head: those before a mean over all positions. */
function onPictures({ nodes }: Graph): AnyNode[] {
  const means = new Set<Value>();
  return nodes.filter(({ op, inputs, outputs }) => {
    const isOfMeans = op === "globalAvgPool" || (means.has(inputs[0]!) && op !== "seScale" && op !== "seScaleAdd");
    if (isOfMeans) for (const output of outputs) means.add(output);
    return !isOfMeans;
  });
}

/**
 * The number of convolutions of pictures, and how many of them have a bias but no batch norm behind it: where exporters
 * have folded it in, training goes on without it.
 */
export function foldedNorms(graph: Graph): { readonly convolutions: number; readonly withoutNorm: number } {
  const uses = new GraphUses(graph);
  const convolutions = onPictures(graph).filter(({ op }) => op === "conv2d");
  const withoutNorm = convolutions.filter(
    ({ inputs, outputs }) => inputs.length > 2 && uses.onlyUser(outputs[0]!, "batchNorm") === undefined,
  );
  return { convolutions: convolutions.length, withoutNorm: withoutNorm.length };
}
