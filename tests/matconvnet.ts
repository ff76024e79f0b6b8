/** MatConvNet files for tests: our networks written as by its importer. */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { McnLayer, McnNetwork } from "../src/formats/matconvnet.ts";
import { permuted } from "../src/formats/permuted.ts";
import { namingByName, torchModule, torchName } from "../src/import/rename.ts";
import { sidesOf } from "../src/ir/window.ts";
import { type Shape, sizeOf, type Tensor } from "../src/tensor.ts";
import { inferenceGraph, type Model } from "../src/zoo/index.ts";
import { formulaTensor } from "./formula.ts";
import type { MatSource } from "./ports.ts";
import { root } from "./support.ts";

/** The zoo's names of the seven released networks, and MatConvNet's. */
const released = {
  "se-bn-inception": "SE-BN-Inception",
  "se-resnet-50": "SE-ResNet-50",
  "se-resnet-101": "SE-ResNet-101",
  "se-resnet-152": "SE-ResNet-152",
  "se-resnext-50": "SE-ResNeXt-50",
  "se-resnext-101": "SE-ResNeXt-101",
  "senet-154": "SENet-154",
};

/** MatConvNet's own lists of their layers and parameters, in ../shared. */
export const releasedLists = Object.entries(released).map(([ours, theirs]) => {
  const path = join(root, "..", "shared", "reference", "ports", "lists", `mcn-${theirs}.txt`);
  return {
    ours,
    theirs,
    options: { skip: existsSync(path) ? false : "the list is absent" } as const,
    read: () => readFileSync(path, "utf8"),
  };
});

type Value = McnLayer["block"] extends ReadonlyMap<string, infer V> ? V : never;
const numbers = (...values: number[]): Value => ({
  kind: "numbers",
  shape: [1, values.length],
  data: Float64Array.from(values),
});

/** One of our residual networks for pictures of this side. Batch norm's moments are means and deviations. */
export function asMatconvnet(model: Model, weights: ReadonlyMap<string, Tensor>, side: number): McnNetwork {
  const naming = namingByName("matconvnet");
  if (naming.style !== "torch") throw new Error("its parameters are tensors by name");
  const graph = inferenceGraph(model, { batch: 1, imageSize: side });
  const roles = new Map(graph.parameters.map(({ name, role }) => [name, role]));
  const params = new Map<string, Tensor>();
  const layers: McnLayer[] = [];
  for (const { op, inputs, outputs, attrs } of graph.nodes) {
    const values = inputs.filter(({ name }) => !roles.has(name)).map(({ name }) => name);
    const own = inputs.filter(({ name }) => roles.has(name)).map(({ name }) => name);
    const called = (name: string) => torchName(naming, name, roles.get(name))!;
    const name = own[0] === undefined ? outputs[0]!.name : torchModule(naming, own[0])!;
    const add = (type: string, block: Readonly<Record<string, Value>> = {}, paramNames: readonly string[] = []) => {
      const entries = new Map(Object.entries(block));
      layers.push({ name, type, inputs: values, outputs: [outputs[0]!.name], params: paramNames, block: entries });
    };
    const set = (name: string, { shape, data }: Tensor) => {
      const columns = shape.length === 1 ? [shape[0]!, 1] : shape;
      params.set(called(name), { dtype: "float32", shape: columns, data });
    };
    if (op === "conv2d" || op === "linear") {
      const [weight, bias] = own;
      const { shape, data } = weights.get(weight!)!;
      const [out = 1, into = 1, height = 1, width = 1] = shape;
      const filter = permuted({ dtype: "float32", shape: [out, into, height, width], data }, [2, 3, 1, 0]);
      set(weight!, filter);
      if (bias !== undefined) set(bias, weights.get(bias)!);
      const { stride = 1, pad = 0 } = attrs as { stride?: number; pad?: number };
      add("dagnn.Conv", { stride: numbers(stride), pad: numbers(pad, pad, pad, pad) }, own.map(called));
    } else if (op === "batchNorm") {
      const [gamma, beta, mean, variance] = own.map((name) => weights.get(name)!);
      set(own[0]!, gamma!);
      set(own[1]!, beta!);
      const moments = new Float32Array(2 * mean!.data.length);
      for (let i = 0; i < mean!.data.length; i++) {
        moments[2 * i] = mean!.data[i]!;
        moments[2 * i + 1] = Math.sqrt(variance!.data[i]! + 1e-5);
      }
      const last = called(own[2]!).replace(/mean$/, "moments");
      params.set(last, { dtype: "float32", shape: [mean!.data.length, 2], data: moments });
      add("dagnn.BatchNorm", { epsilon: numbers(1e-5) }, [called(own[0]!), called(own[1]!), last]);
    } else if (op === "maxPool") {
      const { kernel, stride, pad, ceil } = attrs as { kernel: number; stride: number; pad: number; ceil: boolean };
      const { top } = sidesOf(pad);
      const behind = ceil ? top + 1 : top;
      add("dagnn.Pooling", {
        method: { kind: "text", text: "max" },
        poolSize: numbers(kernel, kernel),
        stride: numbers(stride, stride),
        pad: numbers(top, behind, top, behind),
      });
    } else if (op === "flatten") {
      // A convolution of a single position stays the same.
      layers.push({
        name,
        type: "dagnn.Reshape",
        inputs: values,
        outputs: [outputs[0]!.name],
        params: [],
        block: new Map(),
      });
    } else {
      const type = { relu: "ReLU", sigmoid: "Sigmoid", globalAvgPool: "GlobalPooling", seScaleAdd: "Axpy", add: "Sum" };
      add(`dagnn.${type[op as keyof typeof type]}`);
    }
  }
  // The classifier's scores go through a softmax, and the picture is called data.
  layers.push({
    name: "prob",
    type: "dagnn.SoftMax",
    inputs: [layers.at(-1)!.outputs[0]!],
    outputs: ["prob"],
    params: [],
    block: new Map(),
  });
  const normalization = new Map<string, Value>([
    ["imageSize", numbers(side, side, 3)],
    ["averageImage", { kind: "numbers", shape: [1, 1, 3], data: Float64Array.of(123, 117, 104) }],
    ["interpolation", { kind: "text", text: "bicubic" }],
  ]);
  return { layers, params, normalization, inputSize: [side, side, 3] };
}

/** The same for `matlab5`, as four variables; the order of `meta.classes` has no meaning. */
export function matSources({ layers, params, normalization }: McnNetwork): Readonly<Record<string, MatSource>> {
  const source = (value: Value): MatSource =>
    value.kind === "text"
      ? { text: value.text }
      : value.kind === "numbers"
        ? { numbers: [...value.data], shape: value.shape }
        : { cell: [] };
  const list = (names: readonly string[]): MatSource => ({ cell: names.map((text) => ({ text })) });
  const struct = (fields: ReadonlyMap<string, Value>): MatSource => ({
    structs: [Object.fromEntries([...fields].map(([key, value]) => [key, source(value)]))],
  });
  return {
    layers: {
      structs: layers.map(({ name, type, inputs, outputs, params, block }) => ({
        name: { text: name },
        type: { text: type },
        inputs: list(inputs),
        outputs: list(outputs),
        params: list(params),
        block: block.size === 0 ? { numbers: [], shape: [0, 0] } : struct(block),
      })),
    },
    params: {
      structs: [...params].map(([name, { shape, data }]) => {
        const columns = permuted(
          { dtype: "float32", shape, data },
          shape.map((_, axis) => shape.length - 1 - axis),
        );
        return { name: { text: name }, value: { numbers: [...columns.data], shape, single: true } };
      }),
    },
    meta: {
      structs: [
        {
          normalization: struct(normalization),
          classes: { structs: [{ name: list(["n02", "n01"]) }] },
        },
      ],
    },
  };
}

type Fill = (name: string, shape: Shape) => Float32Array;

const ones: Fill = (_, shape) => new Float32Array(sizeOf(shape)).fill(1);

/**
 * Parameters as golden/make_matconvnet.py draws them.
 * @param names of all parameters; a stream's number is the index among the sorted names
 * @param gain factor of gammas
 */
export function formulaFill(names: readonly string[], gain: number): Fill {
  const streams = new Map([...names].sort().map((name, i) => [name, i]));
  return (name, shape) => {
    const stream = streams.get(name)!;
    if (name.endsWith("_filter")) {
      const [height = 1, width = 1, into = 1, out = 1] = shape;
      const drawn = formulaTensor("weight", [out, into, height, width], stream);
      return permuted(drawn, [2, 3, 1, 0]).data as Float32Array;
    }
    const [channels = 1] = shape;
    if (!name.endsWith("_moments")) {
      const { data } = formulaTensor(name.endsWith("_mult") ? "gamma" : "bias", [channels], stream);
      return Float32Array.from(data, (value) => (name.endsWith("_mult") ? Math.fround(gain) * value : value));
    }
    const mean = formulaTensor("mean", [channels], stream).data;
    const variance = formulaTensor("variance", [channels], stream + 5000).data;
    return Float32Array.from({ length: 2 * channels }, (_, i) =>
      i % 2 === 0 ? mean[i / 2]! : Math.sqrt(variance[(i - 1) / 2]! + 1e-5),
    );
  };
}

/** The names of parameters in such a list. */
export const listedNames = (text: string): readonly string[] =>
  [...text.split(/^# params.*$/m)[1]!.matchAll(/^(\S+) [\dx]+$/gm)].map(([, name]) => name!);

/**
 * `lists/mcn-*.txt`: a released network's layers and the shapes of its parameters.
 * @param fill values of each of them, in their order
 */
export function listedNetwork(text: string, fill = ones): McnNetwork {
  const [layerLines = "", paramLines = ""] = text.split(/^# params.*$/m);
  const names = (cell: string) => cell.split(",").filter((name) => name !== "");
  const layers = layerLines
    .split("\n")
    .filter((line) => line.includes(" | "))
    .filter((line) => !line.startsWith("#"))
    .map((line): McnLayer => {
      const [name, type, inputs, outputs, params, block] = line.split("|").map((cell) => cell.trim());
      const settings: Readonly<Record<string, unknown>> = JSON.parse(
        block!.replaceAll("'", '"').replaceAll("False", "0").replaceAll("True", "1"),
      );
      const settingOf = (value: unknown): Value =>
        typeof value === "string" ? { kind: "text", text: value } : numbers(...([value].flat() as number[]));
      const fields = new Map(Object.entries(settings).map(([key, value]) => [key, settingOf(value)]));
      return {
        name: name!,
        type: type!,
        inputs: names(inputs!),
        outputs: names(outputs!),
        params: names(params!),
        block: fields,
      };
    });
  const params = new Map<string, Tensor>();
  for (const line of paramLines.split("\n")) {
    const [, name, extents] = /^(\S+) ([\dx]+)$/.exec(line) ?? [];
    if (name === undefined) continue;
    const shape = extents!.split("x").map(Number);
    params.set(name, { dtype: "float32", shape, data: fill(name, shape) });
  }
  const inputSize = [224, 224, 3];
  return { layers, params, normalization: new Map([["imageSize", numbers(...inputSize)]]), inputSize };
}
