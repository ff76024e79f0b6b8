/** One of our networks as Caffe layers, for tests of their readers. */

import assert from "node:assert/strict";
import type { CaffeLayer } from "../src/formats/caffemodel.ts";
import type { CaffeNaming } from "../src/import/naming.ts";
import { caffePlace } from "../src/import/rename.ts";
import type { Graph, Parameter, Value } from "../src/ir/graph.ts";
import type { Shape, Tensor } from "../src/tensor.ts";

/** A blob's meaning; `factor` is the divisor of a BatchNorm's statistics. */
export type CaffePart = "weight" | "bias" | "gamma" | "beta" | "mean" | "variance" | "factor";

/** The layers of `graph` with weights, named as in `naming`, with blobs made by `blob`. */
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

/** The Caffe definition of one of our networks, with its weights as in `caffeLayers`. */
export function caffePrototxt(graph: Graph, naming: CaffeNaming): string {
  const [image] = graph.inputs;
  const side = image!.type.shape[3];
  const lines = [
    'name: "network"',
    `layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: ${side} dim: ${side} } } }`,
  ];
  /** The blobs that contain our values. */
  const blobs = new Map<Value, string>([[image!, "data"]]);
  const parameters = new Map<Value, Parameter>(graph.parameters.map((parameter) => [parameter, parameter]));
  const layer = (name: string, type: string, bottoms: readonly string[], options = "") => {
    const reads = bottoms.map((bottom) => `bottom: "${bottom}" `).join("");
    lines.push(`layer { name: "${name}" type: "${type}" ${reads}top: "${name}" ${options} }`);
    return name;
  };
  for (const node of graph.nodes) {
    const weight = node.inputs.map((input) => parameters.get(input)).find((parameter) => parameter !== undefined);
    const place = weight && caffePlace(naming, weight)!;
    const from = node.inputs.filter((input) => !parameters.has(input)).map((input) => blobs.get(input)!);
    const name = place === undefined ? node.name : "blob" in place ? place.layer : place.batchNorm;
    const bias = `bias_term: ${node.inputs.length > 2}`;
    const set = (blob: string) => blobs.set(node.outputs[0]!, blob);
    switch (node.op) {
      case "conv2d": {
        const [out, , kernel] = weight!.type.shape;
        const { stride, pad, groups } = node.attrs;
        const options = `num_output: ${out} kernel_size: ${kernel} stride: ${stride} pad: ${pad} group: ${groups} ${bias}`;
        set(layer(name, "Convolution", from, `convolution_param { ${options} }`));
        break;
      }
      case "linear":
        set(layer(name, "InnerProduct", from, `inner_product_param { num_output: ${weight!.type.shape[0]} ${bias} }`));
        break;
      case "batchNorm": {
        assert.ok(place !== undefined && "scale" in place);
        const norm = layer(name, "BatchNorm", from, "batch_norm_param { use_global_stats: true }");
        set(layer(place.scale, "Scale", [norm], "scale_param { bias_term: true }"));
        break;
      }
      case "relu":
        set(layer(name, "ReLU", from));
        break;
      case "sigmoid":
        set(layer(name, "Sigmoid", from));
        break;
      case "globalAvgPool":
        set(layer(name, "Pooling", from, "pooling_param { pool: AVE global_pooling: true }"));
        break;
      case "maxPool":
        set(
          layer(
            name,
            "Pooling",
            from,
            `pooling_param { kernel_size: ${node.attrs.kernel} stride: ${node.attrs.stride} }`,
          ),
        );
        break;
      case "seScaleAdd":
        set(layer(name, "Axpy", from));
        break;
      case "add":
        set(layer(name, "Eltwise", from));
        break;
      case "flatten":
        set(from[0]!);
        break;
      default:
        assert.fail(`no layer for ${node.op}`);
    }
  }
  return `${lines.join("\n")}\n`;
}
