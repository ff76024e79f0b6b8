/** One of our networks written as if by somebody else, and as the import reads it. */

import { parsePrototxt } from "../src/formats/prototxt.ts";
import { importCaffeNetwork } from "../src/import/caffe-network.ts";
import { caffePlace, namingByName } from "../src/import/rename.ts";
import { type Tensor, tensor } from "../src/tensor.ts";
import { inferenceGraph, type Model } from "../src/zoo/index.ts";
import { type CaffePart, caffeLayers, caffePrototxt } from "./caffe.ts";

const nameOf = /\b(name|top|bottom): "([^"]*)"/g;

/** The network through Caffe's definition, with layers named `a0`, `a1` and so on. */
export function imported(
  model: Model,
  weights: ReadonlyMap<string, Tensor>,
  imageSize: number,
): { readonly model: Model; readonly weights: Map<string, Tensor> } {
  const naming = namingByName("caffe");
  if (naming.style !== "caffe") throw new Error("the authors' names are Caffe's");
  const graph = inferenceGraph(model, { batch: 1, imageSize });
  const blobs = new Map<string, Tensor>();
  const keyOf = (layer: string, part: CaffePart) => `${layer} ${part}`;
  for (const parameter of graph.parameters) {
    const place = caffePlace(naming, parameter)!;
    const { role } = parameter;
    const layer = "blob" in place ? place.layer : role === "gamma" || role === "beta" ? place.scale : place.batchNorm;
    blobs.set(keyOf(layer, role), weights.get(parameter.name)!);
  }
  const written = caffeLayers(graph, naming, (shape, part, layer) =>
    part === "factor" ? tensor(shape, Float32Array.of(1)) : blobs.get(keyOf(layer, part))!,
  );
  const text = caffePrototxt(graph, naming);
  const names = [...new Set([...text.matchAll(nameOf)].map((match) => match[2]!))];
  const foreign = (name: string) => `a${names.indexOf(name)}`;
  const definition = parsePrototxt(
    new TextEncoder().encode(text.replace(nameOf, (_, field: string, name: string) => `${field}: "${foreign(name)}"`)),
    "net.prototxt",
  );
  const layers = written.map((layer) => ({ ...layer, name: foreign(layer.name) }));
  return importCaffeNetwork(definition, layers, "net.prototxt");
}
