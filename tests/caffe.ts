/** Caffe's layers of one of our networks, for tests of what reads them. */

import type { Graph } from "../src/ir/graph.ts";
import type { Shape, Tensor } from "../src/tensor.ts";
import type { CaffeLayer } from "../src/weights/caffemodel.ts";
import type { CaffeNaming } from "../src/weights/maps/namings.ts";
import { caffePlace } from "../src/weights/maps/rename.ts";

/** What a blob is; `factor` is what a BatchNorm's statistics are to be divided by. */
export type CaffePart = "weight" | "bias" | "gamma" | "beta" | "mean" | "variance" | "factor";

/** The layers with weights of `graph` as `naming` calls them, their blobs made by `blob`. */
export function caffeLayers(
  graph: Graph,
  naming: CaffeNaming,
  blob: (shape: Shape, part: CaffePart, layer: string) => Tensor,
): CaffeLayer[] {
  const layers = new Map<string, { type: string; blobs: Tensor[] }>();
  const layerOf = (name: string, type: string) => {
    const layer = layers.get(name) ?? { type, blobs: [] };
    layers.set(name, layer);
    return layer;
  };
  for (const parameter of graph.parameters) {
    const { role } = parameter;
    const { shape } = parameter.type;
    const place = caffePlace(naming, parameter)!;
    if ("blob" in place) {
      const type = shape.length === 2 ? "InnerProduct" : "Convolution";
      layerOf(place.layer, type).blobs[place.blob] = blob(shape, role, place.layer);
    } else if (role === "gamma" || role === "beta") {
      layerOf(place.scale, "Scale").blobs[role === "gamma" ? 0 : 1] = blob(shape, role, place.scale);
    } else {
      const { blobs } = layerOf(place.batchNorm, "BatchNorm");
      blobs[role === "mean" ? 0 : 1] = blob(shape, role, place.batchNorm);
      blobs[2] = blob([1], "factor", place.batchNorm);
    }
  }
  return [...layers].map(([name, { type, blobs }]) => {
    const definition = { where: `layer ${name}`, fields: new Map() };
    return { name, type, bottoms: [], tops: [], blobs, definition };
  });
}
