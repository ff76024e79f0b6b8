/** `senet quantize` as a user runs it, and what takes the file that it writes. */

import assert from "node:assert/strict";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { load } from "../src/api/network.node.ts";
import { openPictures } from "../src/evaluate/labelled.node.ts";
import type { Executor } from "../src/executors/executor.ts";
import { referenceExecutor } from "../src/executors/reference/reference.ts";
import { parseSafetensors } from "../src/formats/safetensors.ts";
import { quantizeNetwork } from "../src/quantize/quantize.node.ts";
import { type Tensor, tensor } from "../src/tensor.ts";
import { inferenceGraph } from "../src/zoo/index.ts";
import { colourClasses, colourInput, colourNetwork, drawColours, writeCheckpoint } from "./colours.ts";
import { senet, temporaryFolder } from "./command.ts";
import { formulaPictures, formulaWeights } from "./formula.ts";
import { quickForms, slowForms, smallNetwork } from "./port-training.ts";
import { assertClose } from "./support.ts";
import { withStatistics } from "./untrained.ts";

const folder = temporaryFolder();
const run = (args: string) => senet(args.split(" "), { cwd: folder });
const at = (...path: string[]) => join(folder, ...path);

before(async () => {
  await drawColours(at("pictures", "folders"), 20);
  writeFileSync(at("pictures", "folders", colourClasses[0]!, "bad.png"), "no picture");
  writeCheckpoint(at("float.safetensors"), colourNetwork([...colourClasses, "n0"], colourInput.rgb));
  const made = await run(
    "quantize --weights float.safetensors --data pictures/folders --images 20 --check-images 40 --out int8.safetensors --workers 1 --report layers.html",
  );
  assert.equal(made.code, 0, made.stderr);
  assert.match(made.stdout, /^layer +weights +divergence alone +computes in\n/);
  assert.match(made.stdout, /^layer1\.0\.conv1 +144 +\S+ +int8$/m);
  assert.match(
    made.stdout,
    /^int8\.safetensors: (\d+) of \1 layers in eight bits; top-1 error 0\.00 %, in float32 0\.00 %, on 39 pictures/m,
  );
  assert.match(made.stderr, /^left out .*bad\.png: .*\n[\s\S]*^1 picture left out$/m);
  assert.match(made.stderr, /^\d\d pictures tell errors in steps of 2\.6 points: a budget of 0\.3 lets none be lost$/m);
});

test("weights are int8 with a scale for each channel, and the file says what was done", () => {
  const { tensors, metadata } = parseSafetensors(readFileSync(at("int8.safetensors")), "int8.safetensors");
  assert.equal(tensors.get("conv1.weight")!.dtype, "int8");
  assert.deepEqual(tensors.get("conv1.weight_scale")!.shape, [4]);
  assert.equal(JSON.parse(metadata.get("quantization")!).images, 20);
  assert.ok(statSync(at("int8.safetensors")).size > 0);
});

test("every engine evaluates and classifies with it, and it is exported as ONNX in QDQ form", async () => {
  for (const executor of ["reference", "ort", "onednn"]) {
    const ran = await run(
      `evaluate --weights int8.safetensors --data pictures/folders --executor ${executor} --workers 1 --json`,
    );
    assert.equal(ran.code, 0, ran.stderr);
    assert.equal(JSON.parse(ran.stdout.split("\n")[0]!).top1_error, 0, executor);
  }
  const classified = await run("classify pictures/flat/1-0.png --weights int8.safetensors --top 1");
  assert.match(classified.stdout, new RegExp(colourClasses[1]));
  const suspects = await run("data suspects pictures/folders --weights int8.safetensors --workers 1");
  assert.equal(suspects.code, 0, suspects.stderr);
  const exported = await run("export --weights int8.safetensors --out int8.onnx");
  assert.equal(exported.code, 0, exported.stderr);
  const text = readFileSync(at("int8.onnx"), "latin1");
  assert.ok(text.includes("QuantizeLinear") && text.includes("DequantizeLinear"));
});

test("its source is measured beside it where it is at hand, unless it has changed, or is not wanted", async () => {
  const evaluate = (args = "") =>
    run(`evaluate --weights int8.safetensors --data pictures/folders --executor ort --workers 1${args}`);
  const both = await evaluate();
  assert.equal(both.code, 0, both.stderr);
  assert.match(both.stdout, /^int8\.safetensors .*\n.*float\.safetensors .*\n/m);
  assert.match(both.stdout, /^int8\.safetensors: 0\.00 points of top-1 error more than float\.safetensors$/m);
  const lines = (await evaluate(" --json")).stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  assert.deepEqual(
    lines.map(({ weights, source }) => [weights, source]),
    [
      ["int8.safetensors", "float.safetensors"],
      ["float.safetensors", undefined],
    ],
  );
  const alone = await evaluate(" --no-source --json");
  assert.equal(alone.stdout.trimEnd().split("\n").length, 1);
  writeCheckpoint(at("other.safetensors"), colourNetwork([...colourClasses, "n1"], colourInput.bgr));
  const refused = await evaluate(" --source other.safetensors");
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /was not made from these weights/);
});

test("the page of layers is written, and the library does the same", async () => {
  assert.match(readFileSync(at("layers.html"), "utf8"), /<th>layer1\.0\.conv1<\/th>/);
  await using network = await load(at("float.safetensors"));
  const options = { images: 20, checkImages: 40, workers: 1 };
  const { network: int8, ...lost } = await network.quantize(at("pictures", "folders"), options);
  assert.deepEqual([lost.float, lost.int8, lost.checked], [0, 0, 39]);
  assert.ok(lost.rows.length > 3);
  await int8.save(at("library.safetensors"));
  await int8.dispose();
  assert.deepEqual(readFileSync(at("library.safetensors")), readFileSync(at("int8.safetensors")));
  await using again = await load(at("library.safetensors"));
  assert.match(again.notes.join(), /on executor (onednn|ort): /);
});

test("training, other names and a second time are refused in words", async () => {
  for (const args of [
    "verify int8.safetensors float.safetensors",
    "quantize --weights int8.safetensors --data pictures/folders --out again.safetensors",
    "convert --to timm int8.safetensors timm.safetensors",
    "convert int8.safetensors half.safetensors --dtype float16",
    "convert int8.safetensors grey.safetensors --in-chans 1",
    "train --weights int8.safetensors --data pictures/folders --val-split 0.1 --batch-size 4 --out run --epochs 1",
  ]) {
    const ran = await run(args);
    assert.equal(ran.code, 2, ran.stderr);
    assert.match(ran.stderr, /this network is in eight bits/);
  }
});

test("a network of which no layer stays within the budget is refused", async () => {
  /** Runs float32 as it is, and answers with the classes turned round in eight bits. */
  const executor: Executor = {
    ...referenceExecutor,
    async compile(graph, weights, options) {
      const network = await referenceExecutor.compile(graph, weights, options);
      if (!graph.nodes.some(({ op }) => op === "quantize")) return network;
      return {
        run: async (inputs) => new Map([...(await network.run(inputs))].map(([name, value]) => [name, turned(value)])),
        dispose: () => network.dispose(),
        [Symbol.asyncDispose]: () => network.dispose(),
      };
    },
  };
  const { labels, ...rest } = colourNetwork(colourClasses, colourInput.rgb);
  const pictures = { data: at("pictures", "folders"), list: undefined, listOrder: undefined, allowMissing: false };
  const dataset = openPictures({ ...pictures, areNamed: false, held: undefined }, labels);
  const checkpoint = { ...rest, labels: dataset.classes };
  const options = { checkpoint, dataset, executor, images: 4, checkImages: 12, budget: 50, workers: 1 };
  await assert.rejects(
    quantizeNetwork({ ...options, file: "net.safetensors" }),
    /net\.safetensors: no layer can be in eight bits within the budget[\s\S]*at most 50 points[\s\S]*on 12 pictures/,
  );
});

const turned = ({ shape, data }: Tensor): Tensor =>
  tensor(
    shape,
    Float32Array.from(data, (value) => -value),
  );

test("networks of the ports, with the activation first and with padded shortcuts, are quantised, and every engine runs the file", async () => {
  for (const name of ["moskomule-se-preact-resnet-20", "nutszebra-se-resnet-164"]) {
    const form = [...quickForms, ...slowForms].find((form) => form.name === name)!;
    const network = smallNetwork(form);
    const preprocessing = { ...colourInput.rgb, resize: form.imageSize, crop: form.imageSize };
    const graph = inferenceGraph(network, { batch: 8, imageSize: form.imageSize });
    const seen = formulaPictures(8, form.imageSize, 0);
    const weights = await withStatistics(network, formulaWeights(graph), seen, referenceExecutor);
    writeCheckpoint(at(`${name}.safetensors`), { model: network, labels: colourClasses, preprocessing, weights });
    const made = await run(
      `quantize --weights ${name}.safetensors --data pictures/folders --images 20 --check-images 30 --budget 100 --out ${name}-int8.safetensors --workers 1`,
    );
    assert.equal(made.code, 0, made.stderr);
    const probabilities = async (weights: string, executor: string): Promise<number[]> => {
      const ran = await run(`classify pictures/flat --weights ${weights} --executor ${executor} --top 3 --json`);
      assert.equal(ran.code, 0, `${name} on ${executor}: ${ran.stderr}`);
      const pictures: { predictions: { index: number; probability: number }[] }[] = JSON.parse(ran.stdout);
      return pictures.flatMap(({ predictions }) =>
        predictions.toSorted((a, b) => a.index - b.index).map(({ probability }) => probability),
      );
    };
    const expected = await probabilities(`${name}.safetensors`, "ort");
    assert.equal(expected.length, 60 * 3);
    // Untrained networks tell next to nothing apart, so that top-1 errors could be anything.
    for (const executor of ["reference", "ort", "onednn"]) {
      const found = await probabilities(`${name}-int8.safetensors`, executor);
      assertClose(found, expected, 0.1, `${name} on ${executor}: probabilities`);
    }
  }
});
