import assert from "node:assert/strict";
import { test } from "node:test";
import { formulaPictures, formulaWeights } from "../../tests/formula.ts";
import { assertClose } from "../../tests/support.ts";
import { differentiate, gradientOf } from "../autodiff/differentiate.ts";
import { SenetError } from "../errors.ts";
import { referenceExecutor } from "../executors/reference/reference.ts";
import type { Graph } from "../ir/graph.ts";
import { sizeOf, type Tensor, tensor } from "../tensor.ts";
import { Dropout } from "../train/dropout.ts";
import { inferenceGraph, inputName, lossGraph, type Model, model, targetsName } from "../zoo/index.ts";

const [batch, imageSize, classes] = [4, 8, 3];
const graphOf = (network: string | Model, dropPath?: number, dtype: "float32" | "float64" = "float32"): Graph =>
  lossGraph(typeof network === "string" ? model(network, classes) : network, { batch, imageSize, dropPath, dtype });

/** By block. */
const ratesOf = ({ nodes }: Graph): (readonly [string, number])[] =>
  nodes.flatMap(({ op, block, attrs }) => (op === "dropout" ? [[block!.name, attrs.rate] as const] : []));

test("blocks are left out the more often the deeper they stand, the first never and the last at the rate", () => {
  for (const name of ["se-resnet-20", "resnet-20"]) {
    const rates = ratesOf(graphOf(name, 0.4));
    assert.deepEqual(
      rates.map(([block]) => block),
      ["layer1.1", "layer1.2", "layer2.0", "layer2.1", "layer2.2", "layer3.0", "layer3.1", "layer3.2"],
    );
    const wanted = [1, 2, 3, 4, 5, 6, 7, 8].map((block) => (0.4 * block) / 8);
    assertClose(
      rates.map(([, rate]) => rate),
      wanted,
      1e-12,
      name,
    );
  }
});

test("no block is left out without a rate, nor in inference; a network without residual blocks is refused", () => {
  assert.deepEqual(ratesOf(graphOf("se-resnet-20")), []);
  assert.deepEqual(ratesOf(inferenceGraph(model("se-resnet-20"), { batch, imageSize })), []);
  assert.throws(
    () => lossGraph(model("se-bn-inception"), { batch, imageSize: 64, dropPath: 0.1 }),
    (error) => error instanceof SenetError && error.code === "usage" && /no residual branches/.test(error.message),
  );
});

/** What the graph is fed, with `keep` of so many pictures. */
function feeds(graph: Graph, keepOf: (row: number, rate: number) => number): Map<string, Tensor> {
  const images = formulaPictures(batch, imageSize, 0);
  const fed = new Map<string, Tensor>([
    [inputName, images],
    [
      targetsName,
      tensor(
        [batch, classes],
        Float32Array.from({ length: batch * classes }, (_, i) => Number(i % 4 === 0)),
      ),
    ],
  ]);
  for (const { op, inputs, attrs } of graph.nodes) {
    if (op !== "dropout" || fed.has(inputs[1]!.name)) continue;
    const { shape } = inputs[1]!.type;
    const width = sizeOf(shape) / batch;
    const values = Float32Array.from({ length: sizeOf(shape) }, (_, i) => keepOf(Math.floor(i / width), attrs.rate));
    fed.set(inputs[1]!.name, tensor(shape, values));
  }
  for (const { name, type } of graph.inputs) {
    if (type.dtype === "float64") fed.set(name, { ...type, data: Float64Array.from(fed.get(name)!.data) });
  }
  return fed;
}

/** All values of a graph. */
async function valuesOf(graph: Graph, fed: ReadonlyMap<string, Tensor>): Promise<(name: string) => Tensor> {
  const outputs = new Map(graph.nodes.flatMap((node) => node.outputs).map((value) => [value.name, value]));
  await using executable = await referenceExecutor.compile({ ...graph, outputs }, formulaWeights(graph));
  const values = await executable.run(fed);
  return (name) => values.get(name)!;
}

test("a picture's block is its shortcut, or that and the branch scaled up, with gates and without", async () => {
  for (const name of ["se-resnet-8", "resnet-8"]) {
    const graph = graphOf(name, 0.5);
    const values = await valuesOf(
      graph,
      feeds(graph, (row, rate) => (row % 2 === 0 ? 0 : 1 / (1 - rate))),
    );
    // The middle block, at half the rate.
    const [branch, sum, shortcut] = ["bn2", "axpy", "downsample.1"].map((part) => values(`layer2.0.${part}`));
    const gates = name === "resnet-8" ? undefined : values("layer2.0.se.gate").data;
    const positions = sizeOf(branch!.shape.slice(2));
    const expected = Array.from(branch!.data, (value, i) => {
      const channel = Math.floor(i / positions);
      const isKept = Math.floor(channel / branch!.shape[1]!) % 2 === 1;
      return shortcut!.data[i]! + (isKept ? (value * (gates?.[channel] ?? 1)) / 0.75 : 0);
    });
    assertClose(sum!.data, expected, 1e-6, name);
  }
});

test("where all is kept the network is the one without, but for the scale", async () => {
  const padded = ["se-resnet-8", "resnet-8"].map((name) => {
    const network = model(name, classes);
    return { ...network, config: { ...network.config, projection: "padEnd" } } as Model;
  });
  for (const network of ["se-resnet-8", "resnet-8", "moskomule-se-preact-resnet-20", ...padded]) {
    const [dropping, plain] = [graphOf(network, 0.5), graphOf(network)];
    assert.ok(ratesOf(dropping).length >= 2);
    const kept = await valuesOf(
      dropping,
      feeds(dropping, () => 1),
    );
    const usual = await valuesOf(
      plain,
      feeds(plain, () => 1),
    );
    assertClose(kept("loss").data, usual("loss").data, 1e-6, dropping.name);
  }
});

test("the mean over many draws is the branch: as many are left out as the rate says, each picture by itself", () => {
  const graph = graphOf("se-resnet-20", 0.4);
  const dropout = new Dropout(graph, 3);
  const sums = new Map<string, number>();
  const draws = 1500;
  let alike = 0;
  for (let step = 0; step < draws; step++) {
    const fed = new Map<string, Tensor>();
    dropout.feed(fed, step);
    for (const [name, { data, shape }] of fed) {
      const width = shape[1]!;
      const rows = Array.from({ length: batch }, (_, row) => data[row * width]!);
      if (step < 10) for (const [i, value] of data.entries()) assert.equal(value, rows[Math.floor(i / width)], name);
      sums.set(name, (sums.get(name) ?? 0) + rows.reduce((sum, value) => sum + value, 0) / batch);
      alike += Number(rows.every((value) => value === rows[0]));
    }
  }
  assert.equal(sums.size, 8);
  for (const [name, sum] of sums) assert.ok(Math.abs(sum / draws - 1) < 0.05, `${name}: ${sum / draws}`);
  assert.ok(alike < 0.9 * draws * 8);
});

test("gradients are those of finite differences", async () => {
  const graph = graphOf("se-resnet-8", 0.5, "float64");
  const fed = feeds(graph, (row, rate) => (row % 2 === 0 ? 0 : 1 / (1 - rate)));
  const backward = differentiate(graph);
  const weights = new Map(
    [...formulaWeights(graph)].map(([name, { shape, data }]) => [
      name,
      { dtype: "float64" as const, shape, data: Float64Array.from(data) },
    ]),
  );
  await using executable = await referenceExecutor.compile({ ...backward, updates: new Map() }, weights, {
    weights: "live",
  });
  const first = await executable.run(fed);
  const lossNow = async () => (await executable.run(fed)).get("loss")!.data[0]!;
  for (const name of ["layer3.0.se.fc1.weight", "layer2.0.bn2.weight"]) {
    const { data } = weights.get(name)!;
    const [value, little] = [data[0]!, 1e-5];
    data[0] = value + little;
    const above = await lossNow();
    data[0] = value - little;
    const below = await lossNow();
    data[0] = value;
    assertClose([first.get(gradientOf(name))!.data[0]!], [(above - below) / (2 * little)], 1e-5, name);
  }
});
