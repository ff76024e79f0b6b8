/**
 * Weights by the formula for ports whose names are places: in TensorFlow's layers and in the Inceptions a variable is
 * called by when it was created. As in port-networks.ts, a stream is a name's place among the port's sorted names.
 */

import assert from "node:assert/strict";
import type { Graph, Parameter } from "../src/ir/graph.ts";
import { type Shape, sizeOf, type Tensor, tensor } from "../src/tensor.ts";
import { formulaTensor } from "./formula.ts";

type Role = Parameter["role"];

const codePoints = (names: readonly string[]) => new Map(names.toSorted().map((name, i) => [name, i]));

/**
 * Parameters of a role stand in our graph and in the port's list in the same order.
 * @param list lines of a name, behind `arg:` or `aux:` in MXNet's, and a shape
 * @param gain factor of gammas: without one the pictures' difference dies out in so deep a network
 */
export function listedWeights(graph: Graph, list: string, gain: number): Map<string, Tensor> {
  const theirs = list.split("\n").flatMap((line) => {
    const [, name, shape] = /^(?:arg:|aux:)?([\w/]+) +\[?([\dx, ]+)\]?$/.exec(line.trim()) ?? [];
    return name === undefined ? [] : [{ name, size: sizeOf(shape!.split(/x|, /).map(Number)) }];
  });
  const stream = codePoints(theirs.map(({ name }) => name));
  const ends: Readonly<Record<Role, RegExp>> = {
    weight: /(?:kernel|_weight)$/,
    bias: /(?:\/|_)bias$/,
    gamma: /gamma$/,
    beta: /beta$/,
    mean: /moving_mean$/,
    variance: /moving_var(?:iance)?$/,
  };
  const queues = new Map(
    Object.entries(ends).map(([role, end]) => [role, theirs.filter(({ name }) => end.test(name))]),
  );
  const weights = graph.parameters.map(({ name, role, type: { shape } }): [string, Tensor] => {
    const next = queues.get(role)!.shift();
    assert.equal(next?.size, sizeOf(shape), `${name} is ${next?.name ?? "none"} of theirs`);
    const drawn = formulaTensor(role, shape, stream.get(next!.name)!);
    if (role === "gamma") for (const [i, value] of drawn.data.entries()) drawn.data[i] = value * gain;
    return [name, drawn];
  });
  assert.deepEqual([...queues.values()].flat(), []);
  return new Map(weights);
}

/** Paths of a block of taki0112's SE-ResNeXt-29, which are convolutions of their own there and groups of one here. */
const paths = 8;

/** Taki0112's names of one of our parameters of SE-ResNeXt-29, path by path; layers are counted over the whole graph. */
function takiNames({ name, role }: Parameter): readonly string[] {
  const kernel = (layer: string, place: number) => [`${layer}${place === 0 ? "" : `_${place}`}/kernel`];
  const norm = (scope: string) => {
    const part = { gamma: "gamma", beta: "beta", mean: "moving_mean", variance: "moving_variance" }[role as "gamma"];
    return `${scope}/${part}`;
  };
  const module = name.slice(0, name.lastIndexOf("."));
  if (module === "conv1") return kernel("conv2d", 0);
  if (module === "bn1") return [norm("first_layer_batch1")];
  if (module === "fc") return kernel("dense", 18);
  const [, group, block, layer] = /^layer(\d)\.(\d)\.(.*)$/.exec(module)!;
  const blocks = 3 * (Number(group) - 1) + Number(block);
  const firstConv = 1 + blocks * (2 * paths + 1);
  const each = Array.from({ length: paths }, (_, path) => path);
  switch (layer) {
    case "conv1":
    case "conv2":
      return each.flatMap((path) => kernel("conv2d", firstConv + 2 * path + (layer === "conv1" ? 0 : 1)));
    case "conv3":
      return kernel("conv2d", firstConv + 2 * paths);
    case "bn1":
    case "bn2":
      return each.map((path) => norm(`split_layer_${group}_${block}_splitN_${path}_batch${layer.slice(2)}`));
    case "bn3":
      return [norm(`trans_layer_${group}_${block}_batch1`)];
    default:
      return kernel("dense", 2 * blocks + (layer === "se.fc1" ? 0 : 1));
  }
}

/** Of SE-ResNeXt-29: what the paths have, one behind the other. */
export function takiWeights(graph: Graph): Map<string, Tensor> {
  const stream = codePoints(graph.parameters.flatMap(takiNames));
  return new Map(
    graph.parameters.map((parameter) => {
      const { shape } = parameter.type;
      const names = takiNames(parameter);
      const part: Shape = [shape[0]! / names.length, ...shape.slice(1)];
      const parts = names.map((name) => formulaTensor(parameter.role, part, stream.get(name)!).data);
      return [parameter.name, tensor(shape, Float32Array.from(parts.flatMap((data) => [...data])))];
    }),
  );
}
