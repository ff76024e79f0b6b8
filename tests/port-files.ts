/** Files of ports by the lists of their names, with weights by the formula: their code's logits are there to be met. */

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { referenceExecutor } from "../src/executors/reference/reference.ts";
import { fromOurs } from "../src/import/axes.ts";
import { nameIn, namingByName, torchName } from "../src/import/rename.ts";
import type { Role } from "../src/ir/graph.ts";
import { type Shape, sizeOf, type Tensor, tensor } from "../src/tensor.ts";
import type { WeightFile } from "../src/weights/source.ts";
import { inferenceGraph, inputName, type Model, parametersOf } from "../src/zoo/index.ts";
import { formulaPictures, formulaTensor } from "./formula.ts";
import { bundle, mxnetParams, npy, npz } from "./ports.ts";
import { sharedData } from "./support.ts";
import { floats } from "./weights.ts";

const reference = (...path: string[]) => sharedData("..", "reference", "ports", ...path);
export const portList = (name: string) => reference("lists", `${name}.txt`);
const goldenFile = (name: string) => reference("golden", `${name}.json`);

/** `{ skip: reason }` where the lists and logits are absent. */
export const needsPorts = (list: string): { skip: string | false } => ({
  skip: existsSync(portList(list)) ? false : `../shared/reference/ports/lists/${list}.txt is absent`,
});

interface Golden {
  readonly variables: number;
  readonly input: readonly [batch: number, channels: number, side: number, width: number];
  readonly logits: readonly (readonly number[])[];
  /** Of all logits of all pictures. */
  readonly sum?: number;
}

/** What the port's code gives; of each picture as many logits as the file has. */
export const portGolden = (file: string, key: string): Golden =>
  (JSON.parse(readFileSync(goldenFile(file), "utf8")) as Record<string, Golden>)[key]!;

export interface Listed {
  /** With `arg:` or `aux:` in MXNet's. */
  readonly name: string;
  /** As the file stores it. */
  readonly shape: Shape;
  /** Default: by the end of its name. */
  readonly role?: Role;
}

const roles: readonly (readonly [end: RegExp, role: Role])[] = [
  [/(?:kernel|\/W|_weight|\.weight)$/, "weight"],
  [/gamma$/, "gamma"],
  [/(?:variance|variance\/EMA|_var)$/, "variance"],
  [/(?:mean|mean\/EMA)$/, "mean"],
];
/** By what stands at the end of a name; others are drawn alike. */
const roleOf = (name: string): Role => roles.find(([end]) => end.test(name))?.[1] ?? "beta";

/**
 * Weights by the formula: a stream is a name's place among all of them, and a tensor is drawn in our order of axes and
 * then stored in theirs.
 * @param gain factor of gammas
 */
export function portTensors(listed: readonly Listed[], order: "OIHW" | "HWIO", gain = 1): Map<string, Tensor> {
  const plain = (name: string) => name.replace(/^(?:arg|aux):/, "");
  const sorted = listed.toSorted((a, b) => (plain(a.name) < plain(b.name) ? -1 : 1));
  return new Map(
    sorted.map(({ name, shape, role = roleOf(name) }, stream) => {
      const isTurned = role === "weight" && order === "HWIO";
      const ours = !isTurned
        ? shape
        : shape.length === 4
          ? [3, 2, 0, 1].map((place) => shape[place]!)
          : shape.toReversed();
      const drawn = formulaTensor(role, ours, stream);
      if (role === "gamma") for (const [i, value] of drawn.data.entries()) drawn.data[i] = value * gain;
      return [name, isTurned ? fromOurs(drawn, order) : drawn];
    }),
  );
}

/** The lines of a list: `conv0/W [7, 7, 3, 64]` or `arg:conv0_weight 64x3x7x7`. */
export function readList(name: string): Listed[] {
  return readFileSync(portList(name), "utf8")
    .split("\n")
    .flatMap((line) => {
      const [, called, shape] = /^([\w:/]+) +\[?([\dx, ]*)\]?$/.exec(line.trim()) ?? [];
      if (called === undefined) return [];
      return [{ name: called, shape: shape === "" ? [] : shape!.split(/x|, /).map(Number) }];
    });
}

/** What the port calls the parameters of our network, in the shapes in which it stores them. */
export function listedBy(network: Model, called: string): Listed[] {
  const naming = namingByName(called);
  if (naming.style !== "torch") throw new Error(`${called} names layers`);
  return parametersOf(network).map(({ name, role, type: { shape } }) => {
    const isTurned = role === "weight" && naming.axes === "HWIO";
    const turned = shape.length === 4 ? [2, 3, 1, 0].map((axis) => shape[axis]!) : shape.toReversed();
    return { name: torchName(naming, name, role)!, shape: isTurned ? turned : shape, role };
  });
}

const bytesOf = ({ data }: Tensor) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

export const asNpz = (tensors: ReadonlyMap<string, Tensor>, end = ""): WeightFile => ({
  where: "net.npz",
  bytes: npz([...tensors].map(([name, tensor]) => [name + end, npy(tensor.shape, bytesOf(tensor))])),
});

export const asParams = (tensors: ReadonlyMap<string, Tensor>, version: 0 | 1 | 2 | 3): WeightFile => ({
  where: "net-0000.params",
  bytes: mxnetParams(
    [...tensors].map(([name, tensor]) => ({ name, shape: tensor.shape, data: bytesOf(tensor) })),
    version,
  ),
});

/** With what the optimiser and batch norm keep besides. */
export function asCheckpoint(tensors: ReadonlyMap<string, Tensor>): WeightFile {
  const one = (name: string) => ({ name, shape: [], data: floats(1) });
  const { index, data } = bundle([
    ...[...tensors].map(([name, tensor]) => ({ name, shape: tensor.shape, data: bytesOf(tensor) })),
    ...[...tensors.keys()]
      .filter((name) => name.endsWith("gamma"))
      .flatMap((name) => {
        const { shape, data } = tensors.get(name)!;
        const scope = name.replace(/\/gamma$/, "");
        const biased = `${scope}/${scope}/moving_mean`;
        const slot = { name: `${name}/Momentum`, shape, data: bytesOf(tensor(shape, data)) };
        return [slot, { ...slot, name: `${biased}/biased` }, one(`${biased}/local_step`)];
      }),
    { ...one("is_training"), data: Uint8Array.of(0), dtype: 10 },
    one("learning_rate"),
    { ...one("global_step"), data: Uint8Array.of(9, 0, 0, 0, 0, 0, 0, 0), dtype: 9 },
  ]);
  return { where: "net.ckpt.index", bytes: index, beside: () => Promise.resolve(data) };
}

/** The weights of one of our networks by the formula, as a naming sorts them; a gamma that is fixed is 1. */
export function weightsNamedBy(network: Model, called: string): Map<string, Tensor> {
  const naming = namingByName(called);
  const named = parametersOf(network).map((parameter) => ({ ...parameter, theirs: nameIn(naming, parameter) }));
  const sorted = named.toSorted((a, b) => (a.theirs < b.theirs ? -1 : 1));
  return new Map(
    sorted.map(({ name, role, type: { shape }, frozen }, stream) => [
      name,
      frozen ? tensor(shape, new Float32Array(sizeOf(shape)).fill(1)) : formulaTensor(role, shape, stream),
    ]),
  );
}

/** To 1e-4 of the largest, and all of them by their sum. */
export function assertPortLogits(
  found: readonly (readonly number[])[],
  { logits, sum }: Pick<Golden, "logits" | "sum">,
  what: string,
): void {
  const all = found.flat();
  const most = Math.max(...all.map(Math.abs));
  for (const [k, row] of logits.entries()) {
    for (const [j, value] of row.entries()) {
      const difference = Math.abs(found[k]![j]! - value);
      assert.ok(difference <= 1e-4 * most, `${what}: ${found[k]![j]} at ${k}, ${j}; expected ${value}`);
    }
  }
  if (sum === undefined) return;
  const total = all.reduce((before, value) => before + value, 0);
  assert.ok(Math.abs(total - sum) <= 1e-4 * most * all.length, `${what}: ${total} in all; expected ${sum}`);
}

/** Of formula pictures, row by row. */
export async function portLogits(
  network: { readonly model: Model; readonly weights: ReadonlyMap<string, Tensor> },
  [batch, , side]: readonly number[],
  executor = referenceExecutor,
): Promise<readonly (readonly number[])[]> {
  const graph = inferenceGraph(network.model, { batch: batch!, imageSize: side! });
  const executable = await executor.compile(graph, network.weights);
  try {
    const { data, shape } = (await executable.run(new Map([[inputName, formulaPictures(batch!, side!, 0)]]))).get(
      "logits",
    )!;
    const classes = shape[1]!;
    return Array.from({ length: batch! }, (_, i) => [...data.slice(i * classes, (i + 1) * classes)]);
  } finally {
    await executable.dispose();
  }
}
