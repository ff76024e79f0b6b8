/** What to do about a file that has other tensors than the nearest network. */

import { shownName } from "../formats/bytes.ts";
import type { Parameter } from "../ir/graph.ts";
import type { Naming } from "./naming.ts";
import { countFaults, isCounter, nameIn, shapeIn, type WeightSource } from "./rename.ts";

const most = 5;
const listed = (names: readonly string[]): string =>
  names.slice(0, most).map(shownName).join(", ") + (names.length > most ? ", ..." : "");

/**
 * A hint for a file that has all of the network, and more (an optimiser's tensors, a second head), or whose classifier
 * has another name; otherwise undefined.
 */
export function extraTensorsHint(
  source: WeightSource,
  naming: Naming,
  parameters: readonly Parameter[],
): string | undefined {
  if (source.kind !== "tensors") return undefined;
  const names = new Set(parameters.map((parameter) => nameIn(naming, parameter)));
  const extra = [...source.tensors.keys()].filter((name) => !names.has(name) && !isCounter(name));
  const missing = parameters.filter((parameter) => shapeIn(source, naming, parameter) === undefined);
  if (extra.length === 0 || countFaults(source, naming, parameters) !== extra.length + missing.length) return undefined;
  // Such as one block more: another network, which is nothing without it.
  const firstWord = (name: string) => /^[a-z]*/i.exec(name)![0];
  const own = new Set([...names].map(firstWord));
  if (extra.some((name) => own.has(firstWord(name)))) return undefined;
  if (missing.length === 0)
    return `leave the ${extra.length === 1 ? "tensor" : `${extra.length} tensors`} out when saving: ${listed(extra)}; all of the network is there without`;
  const weight = missing.find(({ name }) => name === "fc.weight");
  if (weight === undefined || missing.some(({ name }) => !name.startsWith("fc."))) return undefined;
  const features = weight.type.shape[1];
  const head = extra.filter((name) => {
    const { shape } = source.tensors.get(name)!;
    return name.endsWith(".weight") && shape.length === weight.type.shape.length && shape[1] === features;
  });
  if (head.length !== 1) return undefined;
  const [theirs, ours] = [head[0]!, nameIn(naming, weight)].map((name) => shownName(name.replace(/weight$/, "")));
  return `${theirs} seems to be the classifier, which is ${ours} in files of this kind: rename its tensors`;
}
