/** The seven released networks by MatConvNet's own lists of their layers: each is the zoo's network. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { listedNetwork, releasedLists } from "../../tests/matconvnet.ts";
import { matconvnetSource } from "../import/matconvnet.ts";
import { importMatconvnet } from "../import/matconvnet-network.ts";
import { ourEps } from "../import/rename.ts";
import { isSameNetwork, zooNetwork } from "./zoo-network.ts";

for (const { ours, theirs, options, read } of releasedLists) {
  test(`${theirs} of MatConvNet's list`, options, () => {
    const listed = listedNetwork(read());
    const zoo = zooNetwork(matconvnetSource(listed, ourEps), theirs);
    assert.equal(zoo?.model.name, ours);
    const network = importMatconvnet(listed, theirs);
    // Its means leave out the padding, which the authors' count: it is what its layers say.
    assert.equal(isSameNetwork(zoo!, network), ours !== "se-bn-inception");
    const { config } = network.model;
    const means = config.family === "layers" ? config.layers.filter(({ kind }) => kind === "avgPool") : [];
    assert.ok(means.every((layer) => layer.kind === "avgPool" && layer.countPad === false));
    assert.equal(means.length, ours === "se-bn-inception" ? 7 : 0);
  });
}
