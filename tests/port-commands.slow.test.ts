/** `senet convert`, `verify` and `classify` on files of the ports' formats, as their programs write them. */

import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { imagenetLabels } from "../src/import/imagenet-classes.ts";
import { namingByName } from "../src/import/rename.ts";
import type { Tensor } from "../src/tensor.ts";
import { encodeWeights } from "../src/weights/encode.ts";
import { openWeights } from "../src/weights/open.node.ts";
import { openFiles } from "../src/weights/open.ts";
import type { WeightFile } from "../src/weights/source.ts";
import { epsOf } from "../src/zoo/families.ts";
import { inferenceGraph, model } from "../src/zoo/index.ts";
import { senet, temporaryFolder } from "./command.ts";
import { formulaWeights } from "./formula.ts";
import { asMatconvnet, matSources } from "./matconvnet.ts";
import { type MxnetOp, mxnetSymbol } from "./mxnet-symbol.ts";
import { asCheckpoint, asNpz, asParams, listedBy, portTensors } from "./port-files.ts";
import { matlab5 } from "./ports.ts";

const folder = temporaryFolder();
const at = (file: string) => join(folder, file);
const run = (...args: string[]) => senet(args, { cwd: folder });
const write = async (name: string, { bytes, beside }: WeightFile) => {
  writeFileSync(at(name), bytes);
  if (beside !== undefined) writeFileSync(at(name.replace("index", "data-00000-of-00001")), await beside(""));
};

/** By the formula, under the port's names. */
const named = (network: string, naming: string, changed?: string): Map<string, Tensor> => {
  const listed = listedBy(model(network), naming);
  const tensors = portTensors(listed, namingByName(naming).axes);
  if (changed !== undefined) tensors.get(changed)!.data[0]! += 3;
  return tensors;
};

/** taki0112's SE-ResNeXt-29 as its code stores it: eight paths of a block are layers of their own. */
function takiTensors(): Map<string, Tensor> {
  const weights = named("taki0112-se-resnext-29", "taki0112");
  const result = new Map<string, Tensor>();
  const split = (from: Tensor, path: number): Tensor => {
    const width = from.shape.at(-1)! / 8;
    const data = from.data.filter((_, i) => Math.floor((i % (8 * width)) / width) === path);
    return { dtype: "float32", shape: [...from.shape.slice(0, -1), width], data: Float32Array.from(data) };
  };
  let convs = 1;
  let denses = 0;
  const put = (kind: string, place: number, tensor: Tensor) =>
    result.set(`${kind}${place === 0 ? "" : `_${place}`}/kernel`, tensor);
  const parts = ["gamma", "beta", "moving_mean", "moving_variance"];
  for (let group = 1; group <= 3; group++) {
    for (let block = 0; block < 3; block++) {
      const name = `${group}_${block}`;
      for (let path = 0; path < 8; path++) {
        for (const k of [1, 2]) {
          put("conv2d", convs++, split(weights.get(`block_${name}/conv${k}/kernel`)!, path));
          for (const part of parts) {
            const whole = weights.get(`split_layer_${name}_batch${k}/${part}`)!;
            result.set(`split_layer_${name}_splitN_${path}_batch${k}/${part}`, split(whole, path));
          }
        }
      }
      put("conv2d", convs++, weights.get(`block_${name}/conv3/kernel`)!);
      for (const part of parts) {
        result.set(`trans_layer_${name}_batch1/${part}`, weights.get(`trans_layer_${name}_batch1/${part}`)!);
      }
      for (const k of [1, 2]) put("dense", denses++, weights.get(`block_${name}/dense${k}/kernel`)!);
    }
  }
  put("conv2d", 0, weights.get("conv2d/kernel")!);
  put("dense", denses, weights.get("last_dense/kernel")!);
  for (const part of parts) result.set(`first_layer_batch1/${part}`, weights.get(`first_layer_batch1/${part}`)!);
  return result;
}

const small = model("se-resnet-20", 1000);
const smallWeights = formulaWeights(inferenceGraph(small, { batch: 1, imageSize: 32 }));

await write("tensorpack.npz", asNpz(named("tensorpack-resnet-18", "tensorpack"), ":0"));
await write("nutszebra.model", asNpz(named("nutszebra-se-resnet-11", "nutszebra")));
await write("changed.model", asNpz(named("nutszebra-se-resnet-11", "nutszebra", "res_block2/bn_relu_conv2_1/conv/W")));
await write("se-0001.params", asParams(named("bruinxiong-se-resnext-20-cifar", "bruinxiong"), 1));
await write("taki.ckpt.index", asCheckpoint(takiTensors()));
writeFileSync(at("mcn.mat"), matlab5(matSources(asMatconvnet(small, smallWeights, 32)), true));

/** A network that timm and Caffe have too, under timm's names, as NumPy, MXNet and TensorFlow store tensors. */
const usual = named("se-resnet-20", "timm");
await write("usual1.npz", asNpz(usual));
await write("usual2-0001.params", asParams(new Map([...usual].map(([name, tensor]) => [`arg:${name}`, tensor])), 2));
await write("usual3.ckpt.index", asCheckpoint(usual));

/** A network of MXNet's that is of no port. */
const ops: readonly MxnetOp[] = [
  { name: "c1", op: "Convolution", inputs: ["data"], options: { num_filter: "4", kernel: "(3, 1)", pad: "(1, 0)" } },
  { name: "r1", op: "Activation", inputs: ["c1"], options: { act_type: "relu" } },
  { name: "p1", op: "Pooling", inputs: ["r1"], options: { kernel: "(2, 2)", stride: "(2, 2)", pool_type: "max" } },
  { name: "f1", op: "FullyConnected", inputs: ["p1"], options: { num_hidden: "3" } },
  { name: "softmax", op: "SoftmaxOutput", inputs: ["f1"] },
];
writeFileSync(at("own-symbol.json"), mxnetSymbol(ops));
const own = portTensors(
  Object.entries({
    "arg:c1_weight": [4, 3, 3, 1],
    "arg:c1_bias": [4],
    "arg:f1_weight": [3, 4 * 16 * 16],
    "arg:f1_bias": [3],
  }).map(([name, shape]) => ({ name, shape })),
  "OIHW",
);
await write("own-0007.params", asParams(own, 2));

/** Of each file: what it is found to be, and what of timm's names and Caffe's is written. */
const files: readonly (readonly [file: string, model: string, from: string, timm: boolean, caffe: boolean])[] = [
  ["tensorpack.npz", "tensorpack-resnet-18", "numpy with the names of tensorpack", false, false],
  ["nutszebra.model", "nutszebra-se-resnet-11", "numpy with the names of nutszebra", false, false],
  ["se-0001.params", "bruinxiong-se-resnext-20-cifar", "mxnet with the names of bruinxiong", false, false],
  ["taki.ckpt.index", "taki0112-se-resnext-29", "tensorflow with the names of taki0112", false, false],
  ["own-0007.params", "network", "mxnet with names of its own", false, false],
  ["mcn.mat", "se-resnet-20", "matlab with the names of matconvnet", true, true],
  ["usual1.npz", "se-resnet-20", "numpy with the names of timm", true, true],
  ["usual2-0001.params", "se-resnet-20", "mxnet with the names of timm", true, true],
  ["usual3.ckpt.index", "se-resnet-20", "tensorflow with the names of timm", true, true],
];

for (const [file, found, from, timm, caffe] of files) {
  test(`${file} becomes safetensors and ONNX, and Caffe's and timm's where they have such networks`, async () => {
    const base = file.replace(/\W.*$/, "");
    for (const [out, ...more] of [[`${base}.safetensors`], [`${base}.onnx`]] as const) {
      const { code, stdout, stderr } = await run("convert", file, out, ...more, "--json");
      assert.equal(code, 0, stderr);
      const { model: name, difference } = JSON.parse(stdout) as { model: string; difference: number };
      assert.equal(name, found);
      assert.ok(difference <= 1e-4, `${out}: ${difference}`);
    }
    const shown = await run("convert", file, `${base}-again.safetensors`);
    assert.ok(shown.stdout.includes(`from ${from}`), shown.stdout);
    for (const [isWritten, out, ...more] of [
      [timm, `${base}-timm.safetensors`, "--to", "timm"],
      [caffe, `${base}.caffemodel`],
    ] as const) {
      const { code, stderr } = await run("convert", file, out, ...more);
      assert.equal(code, isWritten ? 0 : 2, stderr);
      assert.equal(existsSync(at(out)), isWritten, out);
      if (isWritten) {
        const same = await run("verify", file, out);
        assert.equal(same.code, 0, same.stdout + same.stderr);
      }
      if (!isWritten) assert.match(stderr, /the naming (?:timm|caffe) .*[\s\S]*try: +another naming: .*senet/);
    }
    // The file and what became of it are one network, in all layers.
    const { code, stdout, stderr } = await run("verify", file, `${base}.safetensors`);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^they agree: \d+ layers within/);
    const graph = await run("verify", file, `${base}.onnx`);
    assert.equal(graph.code, 0, graph.stdout + graph.stderr);
    // Folded into its convolutions, its batch norms make their weights others, which is no difference.
    assert.doesNotMatch(graph.stderr, /tensors? differ/);
  });
}

test("shicai's caffemodel opens as its network, with its epsilon, its 225 pixels and the sorted classes", async () => {
  const network = model("shicai-se-resnet-50");
  const naming = namingByName("shicai");
  const weights = formulaWeights(inferenceGraph(network, { batch: 1, imageSize: 64 }));
  const labels = imagenetLabels("sorted");
  const source = { model: network, labels, preprocessing: naming.preprocessing(network.config), weights };
  const bytes = new Uint8Array(Buffer.concat(encodeWeights(source, naming)));
  const { checkpoint, naming: found, notes } = await openFiles([{ bytes, where: "SE-ResNet-50.caffemodel" }]);
  assert.deepEqual([checkpoint.model, found, notes], [network, "shicai", []]);
  assert.deepEqual([checkpoint.preprocessing.crop, checkpoint.labels], [225, labels]);
  assert.equal(epsOf(network.config), 1e-4);
  let learnable = 0;
  for (const [name, { data }] of weights) {
    assert.deepEqual(checkpoint.weights.get(name)!.data, data, name);
    if (!/\.running_(?:mean|var)$/.test(name)) learnable += data.length;
  }
  assert.equal(learnable, 28_088_024);
});

test("verify names the first layer that differs, by what each file calls it", async () => {
  const { code, stdout } = await run("verify", "nutszebra.model", "changed.model");
  assert.equal(code, 1);
  assert.match(stdout, /^the first layer that differs is layer2\.0\.conv2, conv2d, by /);
  // What became of it is another network just as much.
  await run("convert", "changed.model", "changed.onnx");
  const onnx = await run("verify", "nutszebra.model", "changed.onnx");
  assert.equal(onnx.code, 1);
  assert.match(onnx.stdout, /^the first layer that differs is layer2\.0\.\w+/);
});

test("what a port's network wants goes with it into our file", async () => {
  const checkpoint = await openWeights(at("nutszebra.safetensors"));
  assert.equal(checkpoint.preprocessing.byPicture, 10);
  assert.equal(checkpoint.labels[0], "airplane");
  const mat = await openWeights(at("mcn.safetensors"));
  assert.deepEqual(mat.labels, imagenetLabels("devkit"));
});

test("a graph without its weights, and values without their index, are told what is missing", async () => {
  const alone = await run("convert", "own-symbol.json", "x.safetensors");
  assert.equal(alone.code, 1);
  assert.match(
    alone.stderr,
    /definition of a network, without its weights\n +expected: a \.params beside it\n +found: +mxnet-symbol\n +try: +give the \.params too/,
  );
  const both = await run("convert", "own-symbol.json", "own-0007.params", "both.safetensors");
  assert.equal(both.code, 0, both.stderr);
  assert.deepEqual(readFileSync(at("both.safetensors")), readFileSync(at("own.safetensors")));
  const wrong = await run("convert", "own-symbol.json", "mcn.mat", "x.safetensors");
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /do not make one network[\s\S]*symbol\.json and its \.params/);
  assert.equal(existsSync(at("x.safetensors")), false);
});
