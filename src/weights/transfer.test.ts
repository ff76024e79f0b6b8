import assert from "node:assert/strict";
import { test } from "node:test";
import { formulaPictures, formulaWeights } from "../../tests/formula.ts";
import { differentiate } from "../autodiff/differentiate.ts";
import { SenetError } from "../errors.ts";
import { referenceExecutor } from "../executors/reference/reference.ts";
import type { Tensor } from "../tensor.ts";
import { tensor } from "../tensor.ts";
import { inferenceGraph, inputName, lossGraph, type Model, model, targetsName } from "../zoo/index.ts";
import type { LayerConfig } from "../zoo/layer.ts";
import { transfer, transferNotes, withClasses } from "./transfer.ts";

const labelsOf = (count: number, prefix = "c") => Array.from({ length: count }, (_, i) => `${prefix}${i}`);
const graphOf = (of: Model, imageSize = 16) => inferenceGraph(of, { batch: 2, imageSize });
const sourceOf = (of: Model, imageSize?: number) => ({
  labels: labelsOf(of.classes),
  weights: formulaWeights(graphOf(of, imageSize)),
});

async function logitsOf(of: Model, weights: ReadonlyMap<string, Tensor>, imageSize = 16) {
  const executable = await referenceExecutor.compile(graphOf(of, imageSize), weights);
  const outputs = await executable.run(new Map([[inputName, formulaPictures(2, imageSize, 1)]]));
  await executable.dispose();
  return outputs.get("logits")!.data;
}

test("other classes: all but the head is kept, in tensors of its own, and all is listed", async () => {
  const source = sourceOf(model("se-resnet-8", 5));
  const target = withClasses(model("se-resnet-8", 5), 3);
  const found = transfer(source, target, { labels: labelsOf(3), seed: 1 });
  assert.equal(found.kept.length, source.weights.size - 2);
  assert.deepEqual(
    found.fresh,
    ["fc.weight", "fc.bias"].map((name) => ({ name, why: "the classes are others" })),
  );
  assert.deepEqual([found.unused, found.opened], [[], []]);
  for (const name of found.kept) {
    assert.deepEqual(found.weights.get(name)!.data, source.weights.get(name)!.data, name);
    assert.notEqual(found.weights.get(name)!.data, source.weights.get(name)!.data, "a copy");
  }
  assert.deepEqual(found.weights.get("fc.weight")!.shape, [3, 64]);
  assert.equal((await logitsOf(target, found.weights)).length, 6);
  const [first, second] = transferNotes(found, "x.pth");
  assert.match(first!, /^\d+ of \d+ tensors are those of x\.pth: conv1 \(1\), bn1 \(4\), layer1 \(\d+\)/);
  assert.equal(second, "new, since the classes are others: fc.weight, fc.bias");
});

test("as many classes of other names have a new head too; the same ones keep it", () => {
  const of = model("se-resnet-8", 5);
  const source = sourceOf(of);
  const other = transfer(source, of, { labels: labelsOf(5, "other"), seed: 1 });
  assert.deepEqual(
    other.fresh.map(({ name }) => name),
    ["fc.weight", "fc.bias"],
  );
  const same = transfer(source, of, { labels: labelsOf(5), seed: 1 });
  assert.deepEqual([same.fresh, same.kept.length], [[], source.weights.size]);
});

/** A network of the zoo, of as many kinds of layers and far fewer weights. */
function small(name: string): Model {
  const { config, ...rest } = model(name, 4);
  if (config.family !== "resnet") return assert.fail(name);
  return { ...rest, config: { ...config, depths: [1, 2, 1], widths: [8, 16, 32], groups: 1 } };
}

for (const plain of ["resnet-8", "resnet-18", "resnet-50", "resnet-50-modern"]) {
  test(`${plain} as se-${plain}: the logits are equal to the last bit, and the gates learn`, async () => {
    const imageSize = 32;
    const [from, to] = [small(plain), small(`se-${plain}`)];
    const source = sourceOf(from, imageSize);
    const { weights, kept, fresh, opened } = transfer(source, to, { labels: labelsOf(4), seed: 3 });
    assert.equal(kept.length, source.weights.size);
    assert.ok(fresh.every(({ name, why }) => /\.se\.fc[12]\./.test(name) && why === "the source has none"));
    assert.deepEqual([opened.length, fresh.length], [4, 16]);
    assert.deepEqual(await logitsOf(to, weights, imageSize), await logitsOf(from, source.weights, imageSize));

    const graph = differentiate(lossGraph(to, { batch: 2, imageSize }));
    const executable = await referenceExecutor.compile(graph, weights, { weights: "live" });
    const targets = tensor([2, 4], Float32Array.of(1, 0, 0, 0, 0, 1, 0, 0));
    const gradients = await executable.run(
      new Map([
        [inputName, formulaPictures(2, imageSize, 1)],
        [targetsName, targets],
      ]),
    );
    await executable.dispose();
    for (const block of opened) {
      const { data } = gradients.get(`gradient/${block}.se.fc2.bias`)!;
      assert.ok(
        data.some((value) => Math.abs(value) > 1e-6),
        block,
      );
    }
  });
}

test("an SE network in a plain one leaves its gates unused", () => {
  const { unused, kept, fresh } = transfer(sourceOf(model("se-resnet-8", 4)), model("resnet-8", 4), {
    labels: labelsOf(4),
    seed: 0,
  });
  assert.ok(unused.length > 0 && unused.every((name) => name.includes(".se.")));
  assert.ok(kept.length > 0 && fresh.length === 0);
});

test("what does not fit begins anew, with both shapes", () => {
  const [from, to] = [small("se-resnet-50"), small("se-resnet-18")];
  const { fresh } = transfer(sourceOf(from, 32), to, { labels: labelsOf(4), seed: 0 });
  const first = fresh.find(({ name }) => name === "layer1.0.conv1.weight");
  assert.equal(first?.why, "[8, 64, 3, 3], and in the source [8, 64, 1, 1]");
  // Gates that the source has are none that are missing, whatever their size.
  assert.deepEqual(transfer(sourceOf(from, 32), to, { labels: labelsOf(4), seed: 0 }).opened, []);
});

test("a network of layers is given another last layer, where it has one", () => {
  const conv = { kind: "conv", kernel: 1, stride: 1, pad: 0, groups: 1, bias: true } as const;
  const tail: LayerConfig[] = [
    { kind: "globalAvgPool", name: "pool", inputs: ["last"] },
    { kind: "flatten", name: "flat", inputs: ["pool"] },
  ];
  const of = (layers: readonly LayerConfig[]): Model => ({
    name: "own",
    config: { family: "layers", imageSize: 8, layers },
    classes: 5,
  });
  const squeezed = of([{ ...conv, name: "last", inputs: ["image"], out: 5 }, ...tail]);
  const linear = of([
    { ...conv, name: "last", inputs: ["image"], out: 4 },
    ...tail,
    { kind: "linear", name: "fc", inputs: ["flat"], out: 5, bias: true },
  ]);
  for (const [before, name] of [
    [squeezed, "last"],
    [linear, "fc"],
  ] as const) {
    const after = withClasses(before, 3);
    const { fresh } = transfer(sourceOf(before, 8), after, { labels: labelsOf(3), seed: 0 });
    assert.deepEqual(
      fresh.map(({ name }) => name),
      [`${name}.weight`, `${name}.bias`],
    );
  }
  const sum = of([
    { ...conv, name: "a", inputs: ["image"], out: 5 },
    { ...conv, name: "b", inputs: ["image"], out: 5 },
    { kind: "add", name: "last", inputs: ["a", "b"] },
    ...tail,
  ]);
  assert.throws(
    () => withClasses(sum, 3),
    (error) => error instanceof SenetError && /cannot be exchanged/.test(error.message),
  );
});
