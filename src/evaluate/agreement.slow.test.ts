/** Two files of one network in formats that keep it differently. */

import assert from "node:assert/strict";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { senet, temporaryFolder } from "../../tests/command.ts";
import { formulaWeights } from "../../tests/formula.ts";
import { needsShared, sharedData } from "../../tests/support.ts";
import { imagenetLabels } from "../import/imagenet-classes.ts";
import { namingByName } from "../import/rename.ts";
import { encodeWeights } from "../weights/encode.ts";
import { inferenceGraph, model } from "../zoo/index.ts";

const network = model("se-resnet-20", 1000);
const weights = formulaWeights(inferenceGraph(network, { batch: 1, imageSize: 32 }));
const naming = namingByName("caffe");
const preprocessing = naming.preprocessing(network.config);
const caffe = { model: network, labels: imagenetLabels("devkit"), preprocessing, weights };
const folder = temporaryFolder();
const at = (name: string) => join(folder, name);
writeFileSync(at("a.caffemodel"), Buffer.concat(encodeWeights(caffe, naming)));

test("batch norms that are folded, as in ONNX: the layers that both have are compared", async () => {
  assert.equal((await senet(["convert", at("a.caffemodel"), at("d.onnx")])).code, 0);
  const { code, stdout } = await senet(["verify", at("a.caffemodel"), at("d.onnx"), "--json"]);
  const found = JSON.parse(stdout);
  assert.deepEqual([code, found.agrees], [0, true]);
  assert.ok(found.layers > 20 && found.layers < inferenceGraph(network, { batch: 1, imageSize: 32 }).nodes.length);
});

const photos = ["imagenet", "photos"];
test("on photographs, each network as it wants them", needsShared(...photos), async () => {
  const names = readdirSync(sharedData(...photos)).filter((name) => /\.jpe?g$/i.test(name));
  const pictures = names.slice(0, 4).map((name) => sharedData(...photos, name));
  // Which sees red where the other sees blue.
  const turned = { ...caffe, preprocessing: { ...preprocessing, channels: "rgb" } } as const;
  writeFileSync(at("b.safetensors"), Buffer.concat(encodeWeights(turned, namingByName("senet"))));
  const same = await senet(["verify", at("a.caffemodel"), at("d.onnx"), ...pictures, "--json"]);
  const found = JSON.parse(same.stdout);
  assert.deepEqual([same.code, found.agrees, found.pictures], [0, true, 4]);
  assert.ok(found.logits < 1e-4, `${found.logits}`);
  const other = await senet(["verify", at("a.caffemodel"), at("b.safetensors"), ...pictures, "--json"]);
  assert.deepEqual([other.code, JSON.parse(other.stdout).first.a], [1, "conv1"]);
});
