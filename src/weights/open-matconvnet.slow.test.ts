/** The seven released networks by MatConvNet's own lists of their layers: each is the zoo's network. */

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { listedNetwork } from "../../tests/matconvnet.ts";
import { root } from "../../tests/support.ts";
import { matconvnetSource } from "../import/matconvnet.ts";
import { importMatconvnet } from "../import/matconvnet-network.ts";
import { ourEps } from "../import/rename.ts";
import { isSameNetwork, zooNetwork } from "./zoo-network.ts";

const lists = join(root, "..", "shared", "reference", "ports", "lists");
const released = {
  "se-resnet-50": "SE-ResNet-50",
  "se-resnet-101": "SE-ResNet-101",
  "se-resnet-152": "SE-ResNet-152",
  "se-resnext-50": "SE-ResNeXt-50",
  "se-resnext-101": "SE-ResNeXt-101",
  "senet-154": "SENet-154",
  // Its means leave out the padding, which the authors' count: it is what its layers say.
  "se-bn-inception": "SE-BN-Inception",
};
for (const [ours, theirs] of Object.entries(released)) {
  const path = join(lists, `mcn-${theirs}.txt`);
  test(`${theirs} of MatConvNet's list`, { skip: existsSync(path) ? false : "the list is absent" }, () => {
    const listed = listedNetwork(readFileSync(path, "utf8"));
    const zoo = zooNetwork(matconvnetSource(listed, ourEps), theirs);
    assert.equal(zoo?.model.name, ours);
    const network = importMatconvnet(listed, theirs);
    assert.equal(isSameNetwork(zoo!, network), ours !== "se-bn-inception");
    const { config } = network.model;
    const means = config.family === "layers" ? config.layers.filter(({ kind }) => kind === "avgPool") : [];
    assert.ok(means.every((layer) => layer.kind === "avgPool" && layer.countPad === false));
    assert.equal(means.length, ours === "se-bn-inception" ? 7 : 0);
  });
}
