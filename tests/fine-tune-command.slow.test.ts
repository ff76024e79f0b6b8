/** `senet train` on one's own classes, from files as others write them, and from what there is. */

import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { imagenetLabels } from "../src/import/imagenet-classes.ts";
import { namingByName } from "../src/import/rename.ts";
import { packagedFile } from "../src/pull/packaged.node.ts";
import { encodeWeights } from "../src/weights/encode.ts";
import { initialWeights } from "../src/weights/init.ts";
import { openWeights } from "../src/weights/open.node.ts";
import { inferenceGraph, model } from "../src/zoo/index.ts";
import { senetHere, temporaryFolder } from "./command.ts";
import { writeDrawnPictures } from "./drawn.ts";
import { needsShared, sharedData } from "./support.ts";

const folder = temporaryFolder();
const [picture] = writeDrawnPictures(join(folder, "pictures")) as [string];
const short = ["--data", "pictures", "--epochs", "1", "--batch-size", "4", "--workers", "1", "--no-report"];

before(() => {
  process.env.SENET_CACHE = join(folder, "cache");
});

/** Trains, and classifies with what comes of it, without a flag. */
async function tune(out: string, ...flags: string[]): Promise<string> {
  const run = await senetHere(["train", ...short, "--out", out, ...flags], { cwd: folder });
  assert.equal(run.code, 0, run.stderr);
  const said = await senetHere(["classify", picture, "--weights", join(out, "best.safetensors"), "--json"], {
    cwd: folder,
  });
  assert.equal(said.code, 0, said.stderr);
  const { label } = JSON.parse(said.stdout)[0].predictions[0];
  assert.ok(["blue", "green", "red"].includes(label), said.stdout);
  return run.stderr;
}

test("a caffemodel: its classifier is new, the rest is kept and listed, pictures stay as Caffe has them", async () => {
  const network = model("se-resnet-50", 1000);
  const weights = initialWeights(inferenceGraph(network, { batch: 1, imageSize: 64 }), 1);
  const naming = namingByName("caffe");
  const preprocessing = naming.preprocessing(network.config);
  const file = encodeWeights({ model: network, labels: imagenetLabels("devkit"), preprocessing, weights }, naming);
  writeFileSync(join(folder, "fifty.caffemodel"), Buffer.concat([file].flat()));
  const said = await tune("caffe", "--weights", "fifty.caffemodel", "--image-size", "64", "--freeze", "backbone");
  assert.match(said, /329 of 331 tensors are those of fifty\.caffemodel: conv1 \(1\)[\s\S]*layer4 \(62\)/);
  assert.match(said, /new, since the classes are others: fc\.weight, fc\.bias/);
  const after = await openWeights(join(folder, "caffe", "best.safetensors"));
  const { crop, channels, mean, std, scale } = after.preprocessing;
  assert.deepEqual(
    [crop, channels, mean, std, scale],
    [...[64, preprocessing.channels, preprocessing.mean, preprocessing.std, preprocessing.scale]],
  );
  assert.deepEqual(after.weights.get("layer4.2.conv3.weight"), weights.get("layer4.2.conv3.weight"));
});

const resnet20 = "resnet20-12fca82f.th";
test("a published .th of a plain network, as it is and with gates", needsShared("weights", resnet20), async () => {
  const file = sharedData("weights", resnet20);
  const plain = await tune("plain", "--weights", file);
  assert.match(plain, /of \d+ tensors are those of .*resnet20-12fca82f\.th/);
  const gated = await tune("gated", "--weights", file, "--model", "se-resnet-20");
  assert.match(gated, /se-resnet-20: [\d,]+ parameters, 3 classes/);
  assert.match(gated, /new gates change nothing at first, in layer1\.0/);
});

test("--pretrained with nothing pulled begins with the package's network", async (context) => {
  if (!existsSync(await packagedFile().catch(() => ""))) return context.skip("the package's network is not here");
  const said = await tune("pretrained", "--pretrained", "--image-size", "64", "--freeze", "backbone");
  assert.match(said, /starts from imagenette, the network in the package, since nothing has been pulled/);
  assert.match(said, /tensors are those of imagenette[\s\S]*of the parameters learn, the others are frozen/);
  const again = await senetHere(["train", "--resume", "--pretrained", "--out", "pretrained"], { cwd: folder });
  assert.equal(again.code, 2);
  assert.match(again.stderr, /--pretrained: a resumed run has its own weights/);
});
