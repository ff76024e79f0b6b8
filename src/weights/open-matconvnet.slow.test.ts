/**
 * The seven released networks by MatConvNet's own lists of their layers: each is the zoo's network, and gives what its
 * layers give one after the other (golden/make_matconvnet.py).
 */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { formulaPictures } from "../../tests/formula.ts";
import { formulaFill, listedNames, listedNetwork, releasedLists } from "../../tests/matconvnet.ts";
import { everyExecutor } from "../../tests/onednn.ts";
import { golden } from "../../tests/support.ts";
import type { Executor } from "../executors/executor.ts";
import { matconvnetSource } from "../import/matconvnet.ts";
import { importMatconvnet } from "../import/matconvnet-network.ts";
import { ourEps } from "../import/rename.ts";
import type { Tensor } from "../tensor.ts";
import { inferenceGraph, inputName, type Model } from "../zoo/index.ts";
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

interface Golden {
  readonly gain: number;
  /** Of each picture's logits the first ones, and of all the sum and the sum of squares. */
  readonly logits: readonly (readonly number[])[];
  readonly sums: readonly number[];
  readonly squares: readonly number[];
  readonly largest: number;
}
const goldens: Readonly<Record<string, Golden>> = JSON.parse(readFileSync(golden("matconvnet.json"), "utf8"));

async function check(
  what: string,
  executor: Executor,
  { model, weights }: { readonly model: Model; readonly weights: ReadonlyMap<string, Tensor> },
  of: Golden,
  pictures = 2,
) {
  const network = await executor.compile(inferenceGraph(model, { batch: pictures, imageSize: 224 }), weights);
  const outputs = await network.run(new Map([[inputName, formulaPictures(pictures, 224, 0)]]));
  const all = outputs.get("logits")!.data.slice();
  await network.dispose();
  const { largest } = of;
  for (const [k, expected] of of.logits.slice(0, pictures).entries()) {
    const row = all.slice(1000 * k, 1000 * (k + 1));
    for (const [j, value] of expected.entries()) {
      assert.ok(Math.abs(row[j]! - value) <= 1e-4 * largest, `${what}: ${row[j]} at ${k}, ${j}; expected ${value}`);
    }
    let [sum, squares] = [0, 0];
    for (const value of row) {
      sum += value;
      squares += value * value;
    }
    assert.ok(Math.abs(sum - of.sums[k]!) <= 1e-4 * largest * 1000, `${what}: ${sum}; expected ${of.sums[k]}`);
    assert.ok(Math.abs(squares / of.squares[k]! - 1) <= 1e-3, `${what}: ${squares}; expected ${of.squares[k]}`);
  }
}

const { reference, ...engines } = everyExecutor();
for (const { ours, theirs, options, read } of releasedLists) {
  test(`${theirs}: logits by its layers, and as the zoo's network`, options, async () => {
    const text = read();
    const of = goldens[theirs]!;
    const listed = listedNetwork(text, formulaFill(listedNames(text), of.gain));
    const network = importMatconvnet(listed, theirs);
    for (const [engine, executor] of Object.entries(engines))
      await check(`${theirs}, ${engine}`, executor, network, of);
    // Its loops take a minute for the largest: one picture.
    await check(`${theirs}, reference`, reference!, network, of, 1);
    if (ours === "se-bn-inception") return;
    const zoo = zooNetwork(matconvnetSource(listed, ourEps), theirs)!;
    await check(`${theirs} as ${zoo.model.name}`, engines.ort!, zoo, of);
  });
}
