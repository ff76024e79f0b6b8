import assert from "node:assert/strict";
import { test } from "node:test";
import { refused } from "../../tests/weights.ts";
import { type Tensor, tensor } from "../tensor.ts";
import { withoutPrefix, withPlainHead } from "./bare.ts";
import { namings } from "./namings.ts";
import { namingByName, torchName, type WeightSource } from "./rename.ts";

const one: Tensor = tensor([1], Float32Array.of(1));
const of = (names: readonly string[]): WeightSource => ({
  kind: "tensors",
  tensors: new Map(names.map((name) => [name, one])),
});
const namesOf = (source: WeightSource) => (source.kind === "tensors" ? [...source.tensors.keys()] : []);

const parameters = ["conv1.weight", "bn1.bias", "layer1.0.conv1.weight", "layer1.0.se.fc1.weight", "fc.weight"];
/** A few names of each naming, its mark among them. */
const namesIn = namings.flatMap((naming) =>
  naming.style === "caffe" || naming.name === "senet" || naming.networks === undefined
    ? []
    : [{ naming: naming.name, names: parameters.map((name) => torchName(naming, name) ?? "linear.bias") }],
);
namesIn.push({ naming: "senet", names: ["stem.conv1.weight", "fc.weight"] });

const prefixes = [
  "module.",
  "model.",
  "backbone.",
  "_orig_mod.",
  "net.",
  "encoder.",
  "0.",
  "module.module.",
  "a.b.c.d.",
];
prefixes.push("_orig_mod.module.", "module._orig_mod.", "model.net.0.", "ema_model.module.", "head.", "model.model.");

for (const { naming, names } of namesIn) {
  test(`${naming}: any prefix that all names have is taken off`, () => {
    for (const prefix of ["", ...prefixes]) {
      const { source, notes } = withoutPrefix(of(names.map((name) => prefix + name)), "file");
      assert.deepEqual(namesOf(source), names, prefix);
      assert.deepEqual(notes, []);
    }
  });
}

test("what counters and profilers left is no tensor of the network", () => {
  const counters = ["total_ops", "total_params", "model.total_ops", "model.layer1.0.total_params", "n_averaged"];
  const names = [...parameters, "bn1.num_batches_tracked"].map((name) => `model.${name}`);
  const { source, notes } = withoutPrefix(of([...names, ...counters]), "file");
  assert.deepEqual(namesOf(source), parameters);
  assert.deepEqual(notes, []);
});

test("a loss's weights are left aside, and said; what nobody knows stays, and is a fault later", () => {
  const names = parameters.map((name) => `model.${name}`);
  const { source, notes } = withoutPrefix(of([...names, "criterion.weight", "train_acc.tp", "decoder.weight"]), "file");
  assert.deepEqual(namesOf(source), [...parameters, "decoder.weight"]);
  assert.deepEqual(notes, [
    'left aside 2 tensors that are not part of the network: "criterion.weight", "train_acc.tp"',
  ]);
});

test("buffers, counters and metrics beside a wrapped network are left aside; what may compute stays, and is a fault later", () => {
  const names = parameters.map((name) => `model.${name}`);
  const matrix = tensor([2, 2], new Float32Array(4));
  const beside = (name: string, value = one) => {
    const tensors = new Map([...names.map((name) => [name, one] as const), [name, value]]);
    const { source, notes } = withoutPrefix({ kind: "tensors", tensors }, "file");
    return namesOf(source).length === names.length && notes.length === 1;
  };
  const confusion = { dtype: "int32", shape: [2, 2], data: new Int32Array(4) } as const;
  for (const name of ["class_weights", "initted", "step", "bce.pos_weight", "val_top5.correct", "temperature"])
    assert.ok(beside(name), name);
  assert.ok(beside("matrix.confmat", confusion));
  for (const name of ["weight", "head.bias", "head.weight_g", "bn.running_var", "head.W", "normalize.mean", "std"])
    assert.ok(!beside(name), name);
  assert.ok(!beside("head.prototypes", matrix));
  // Without a wrapper nothing tells what is beside the network.
  assert.ok(namesOf(withoutPrefix(of([...parameters, "class_weights"]), "file").source).includes("class_weights"));
});

test("weights are not looked at for a mean that they cannot be", () => {
  const unseen = {
    dtype: "float32",
    shape: [1],
    get data(): never {
      return assert.fail("looked at");
    },
  } as const;
  const tensors = new Map<string, Tensor>([...parameters, "bn1.running_mean"].map((name) => [name, unseen]));
  assert.equal(withoutPrefix({ kind: "tensors", tensors }, "file").normalization, undefined);
});

test("a file of more means and deviations than wrappers have is none that normalises", () => {
  const countOf = (count: number) => {
    const many = Array.from({ length: count }, (_, i) => [`${i}.mean`, `${i}.std`]).flat();
    return withoutPrefix(of([...parameters, ...many]), "file").normalization?.names.length;
  };
  assert.deepEqual([countOf(16), countOf(17)], [32, undefined]);
});

test("a network that is kept in two places is one", () => {
  const names = ["model.", "attacker.model."].flatMap((prefix) => parameters.map((name) => prefix + name));
  const { source, notes } = withoutPrefix(of(names), "file");
  assert.deepEqual(namesOf(source), parameters);
  assert.deepEqual(notes, ['the same network is in it more than once: "model.", "attacker.model."']);
});

test("what a network subtracts and divides by itself is its normalisation", () => {
  const vector = (...values: number[]) => tensor([values.length, 1, 1], Float32Array.from(values));
  const found = (besides: Readonly<Record<string, Tensor>>) => {
    const network = new Map(
      [...parameters.map((name) => `1.${name}`), "1.bn1.running_mean"].map((name) => [name, one]),
    );
    const tensors = new Map([...network, ...Object.entries(besides)]);
    const { source, normalization } = withoutPrefix({ kind: "tensors", tensors }, "file");
    return { names: namesOf(source), said: normalization };
  };
  const [mean, std] = [vector(0.485, 0.456, 0.406), vector(0.229, 0.224, 0.225)];
  const imagenet = { scale: 255, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
  for (const [meanName, stdName] of [
    ["0.mean", "0.std"],
    ["mean", "std"],
    ["normalizer.new_mean", "normalizer.new_std"],
    ["pixel_mean", "pixel_std"],
  ] as const) {
    const { names, said } = found({ [meanName]: mean, [stdName]: std });
    assert.deepEqual(said, { ...imagenet, names: [meanName, stdName] });
    assert.deepEqual(names, [...parameters, "bn1.running_mean"]);
  }
  const bytes = found({ "p.mean": vector(123.675, 116.28, 103.53), "p.std": vector(58.395, 57.12, 57.375) });
  assert.deepEqual([bytes.said?.scale, bytes.said?.mean], [1, [123.675, 116.28, 103.53]]);
  assert.deepEqual(found({ "p.mean": vector(0.5), "p.std": vector(0.25) }).said?.std, [0.25, 0.25, 0.25]);
  assert.equal(found({ "a.mean": mean, "a.std": std, "b.mean": mean, "b.std": std }).said?.scale, 255);
  // Two that differ, one without its other half, and what cannot be one: nobody knows them.
  for (const besides of [
    { "a.mean": mean, "a.std": std, "b.mean": std, "b.std": std },
    { "a.mean": mean },
    { "a.mean": mean, "a.std": vector(0.2, 0, 0.2) },
    { "a.mean": mean, "a.std": vector(Number.NaN) },
    { "a.mean": vector(1, 2), "a.std": vector(1, 2) },
  ]) {
    const { said, names } = found(besides);
    assert.equal(said, undefined);
    assert.ok(names.includes("a.mean"));
  }
});

test("a classifier beside the body has as much of the prefix as it has", () => {
  const [head, ...body] = ["fc.weight", ...parameters.slice(0, -1)];
  const names = ["module.criterion.weight", `module.${head}`, ...body.map((name) => `module.backbone.${name}`)];
  const { source, notes } = withoutPrefix(of(names), "file");
  assert.deepEqual(namesOf(source).toSorted(), parameters.toSorted());
  assert.match(notes.join(), /left aside 1 .*"module.criterion.weight"/);
  // Never in the place of one in the body.
  const twice = withoutPrefix(of([...names, "module.conv1.weight"]), "file").source;
  assert.ok(namesOf(twice).includes("module.conv1.weight"));
});

test("of two networks, the averaged one is taken; two that are equal in rank are not guessed between", async () => {
  const under = (...all: string[]) => of(all.flatMap((prefix) => parameters.map((name) => prefix + name)));
  const { source, notes } = withoutPrefix(under("model.", "model_ema."), "file");
  assert.deepEqual(namesOf(source), parameters);
  assert.match(notes.join(), /averaged weights are taken, those under "model_ema\.".*left aside 5 tensors/);
  const two = (different: string) => {
    const { tensors } = under("student.", "teacher.") as Extract<WeightSource, { kind: "tensors" }>;
    const changed = new Map(tensors).set(different, tensor([1], Float32Array.of(2)));
    return withoutPrefix({ kind: "tensors", tensors: changed }, "file");
  };
  for (const name of ["teacher.bn1.bias", "teacher.other", "student.other"])
    await refused(() => two(name), "more than one network", '"student."');
});

test("a classifier that is a sequence of dropout and one linear layer has its plain name", () => {
  for (const [naming, head] of [
    ["timm", "fc"],
    ["cadene", "last_linear"],
    ["akamaster", "linear"],
    ["mmcls", "head.fc"],
  ] as const) {
    const plain = (...names: string[]) => namesOf(withPlainHead(of(names), namingByName(naming)));
    assert.deepEqual(plain("x.weight", `${head}.1.weight`, `${head}.1.bias`), [
      "x.weight",
      `${head}.weight`,
      `${head}.bias`,
    ]);
    assert.deepEqual(plain(`${head}.out.weight`, `${head}.out.bias`), [`${head}.weight`, `${head}.bias`]);
    assert.deepEqual(plain(`${head}.weight`, `${head}.bias`), [`${head}.weight`, `${head}.bias`]);
    // Two layers are another network.
    assert.deepEqual(plain(`${head}.0.weight`, `${head}.3.weight`), [`${head}.0.weight`, `${head}.3.weight`]);
  }
});

test("names without end cost no time", () => {
  const deep = "a.".repeat(20_000);
  const names = Array.from({ length: 300 }, (_, i) => `${deep}${i}.layer1.0.conv1.weight`);
  // Of the processor's time: the machine may have other work.
  const start = process.cpuUsage();
  withoutPrefix(of(names), "file");
  const many = Array.from({ length: 20_000 }, (_, i) => `p${i}.head.fc.weight`);
  withoutPrefix(of(many), "file");
  assert.ok(process.cpuUsage(start).user < 2_000_000);
});
