/** Whole files of the ports, by the lists of their names: what the ports' own code gives is what they give here. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { everyExecutor } from "../../tests/onednn.ts";
import {
  asCheckpoint,
  asNpz,
  asParams,
  assertPortLogits,
  listedBy,
  needsPorts,
  portGolden,
  portLogits,
  portTensors,
  readList,
} from "../../tests/port-files.ts";
import { golden } from "../../tests/support.ts";
import { refused } from "../../tests/weights.ts";
import { sizeOf, type Tensor, tensor } from "../tensor.ts";
import { model } from "../zoo/index.ts";
import { openFiles } from "./open.ts";
import type { OpenOptions } from "./opened.ts";
import type { WeightFile } from "./source.ts";

interface Case {
  readonly list: string;
  readonly golden: readonly [file: string, key: string];
  readonly name: string;
  readonly write: (tensors: ReadonlyMap<string, Tensor>) => WeightFile;
  readonly gain?: number;
  readonly options?: OpenOptions;
}

const preact = "tensorpack-se-preact-resnet-50";
const july = `${preact}-july`;
const ofPreact = (what: string) => ["tensorpack", `tensorpack se-preact-resnet-50 of 2017-${what}`] as const;
const npz = (tensors: ReadonlyMap<string, Tensor>) => asNpz(tensors);
const params = (version: 0 | 1 | 2 | 3) => (tensors: ReadonlyMap<string, Tensor>) => asParams(tensors, version);

const cases: readonly Case[] = [
  ...[npz, (tensors: ReadonlyMap<string, Tensor>) => asNpz(tensors, ":0"), asCheckpoint].map((write) => ({
    ...{ list: "tensorpack-se-resnet-50", name: "tensorpack-se-resnet-50", write },
    golden: ["tensorpack", "tensorpack se-resnet-50 (HEAD, post-activation)"] as const,
  })),
  {
    ...{ list: `${preact}-july-2017`, name: july, write: npz, options: { model: july } },
    golden: ofPreact("07-29 (ec1bea93): no ReLU between the two layers"),
  },
  { list: `${preact}-july-2017`, name: preact, write: npz, golden: ofPreact("08-27 (34f0dd6d): with ReLU") },
  {
    ...{ list: `${preact}-29-august-2017`, name: preact, write: npz },
    golden: ofPreact("08-29 (6a143365): bnlast in each group"),
  },
  {
    ...{ list: "mxnet-se-resnext-50-g64", name: "bruinxiong-se-resnext-50", write: params(1) },
    golden: ["bruinxiong", "se-resnext-50 64 groups"],
  },
  {
    ...{ list: "mxnet-se-resnext-18", name: "bruinxiong-se-resnext-18", write: params(2) },
    golden: ["bruinxiong", "se-resnext-18"],
  },
  {
    ...{ list: "mxnet-se-resnet-50", name: "bruinxiong-se-resnet-50", write: params(0) },
    golden: ["bruinxiong", "se-resnet-50 preact"],
  },
  {
    ...{ list: "mxnet-se-resnet-18", name: "bruinxiong-se-resnet-18", write: params(3) },
    golden: ["bruinxiong", "se-resnet-18 preact"],
  },
  {
    ...{ list: "mxnet-se-inception-v4", name: "bruinxiong-se-inception-v4", write: params(1), gain: 3 },
    golden: ["bruinxiong", "se-inception-v4"],
  },
  {
    ...{ list: "mxnet-se-inception-resnet-v2", name: "bruinxiong-se-inception-resnet-v2", write: params(2), gain: 2.5 },
    golden: ["bruinxiong", "se-inception-resnet-v2"],
  },
  {
    ...{ list: "taki-se-resnext-29", name: "taki0112-se-resnext-29", write: asCheckpoint },
    golden: ["taki0112", "taki0112 SE_ResNeXt"],
  },
  {
    ...{ list: "taki-se-inception-v4", name: "taki0112-se-inception-v4", write: asCheckpoint, gain: 3 },
    golden: ["taki0112", "taki0112 SE_Inception_v4"],
  },
  {
    ...{ list: "taki-se-inception-resnet-v2", name: "taki0112-se-inception-resnet-v2", write: asCheckpoint, gain: 3 },
    golden: ["taki0112", "taki0112 SE_Inception_resnet_v2"],
  },
];

const executors = everyExecutor();

for (const [i, { list, golden, name, write, gain, options }] of cases.entries()) {
  test(`${i}: a file of ${list} opens as ${name}, and gives its logits`, needsPorts(list), async () => {
    const order = list.startsWith("mxnet") ? "OIHW" : "HWIO";
    const { checkpoint, naming, notes } = await openFiles([write(portTensors(readList(list), order, gain))], options);
    assert.equal(checkpoint.model.name, name);
    assert.ok(naming !== undefined && name.startsWith(naming.split("-")[0]!), naming);
    assert.ok(
      notes.every((note) => /left aside|same (names and )?shapes/.test(note)),
      notes.join(),
    );
    const expected = portGolden(...golden);
    // The same network in another file need not be computed by all of them again.
    const isNew = cases.findIndex(({ golden: [, key] }) => key === golden[1]) === i;
    for (const [engine, executor] of Object.entries(executors)) {
      if (!isNew && engine !== "ort") continue;
      assertPortLogits(await portLogits(checkpoint, expected.input, executor), expected, engine);
    }
  });
}

interface GoldenInception {
  readonly gain: number;
  readonly input: readonly number[];
  /** Learnt numbers of its code, the gates and the auxiliary classifier among them. */
  readonly parameters: number;
  readonly aside: Readonly<Record<string, readonly number[]>>;
  readonly names: readonly string[];
  readonly logits: readonly (readonly number[])[];
  readonly sum: number;
}

test("moskomule's SE-Inception-v3: torchvision's logits, its gates left aside", async () => {
  const of: GoldenInception = JSON.parse(readFileSync(golden("inception-v3.json"), "utf8"));
  const name = "moskomule-se-inception-v3";
  const listed = listedBy(model(name), "moskomule-inception-v3").map(({ name, ...rest }) => ({
    ...rest,
    name: `model.${name.replace("gated.", "")}`,
  }));
  assert.deepEqual(listed.map(({ name }) => name).sort(), of.names);
  const aside = Object.entries(of.aside).map(
    ([name, shape]) => [name, tensor(shape, new Float32Array(sizeOf(shape)))] as const,
  );
  const tensors = portTensors(listed, "OIHW", of.gain);
  const learnt = [...tensors, ...aside].reduce(
    (sum, [name, { data }]) => (/running_(?:mean|var)$/.test(name) ? sum : sum + data.length),
    0,
  );
  assert.equal(learnt, of.parameters);
  const { checkpoint, naming, notes } = await openFiles([asNpz(new Map([...tensors, ...aside]))]);
  assert.deepEqual(
    [checkpoint.model.name, naming, checkpoint.preprocessing.crop],
    [name, "moskomule-inception-v3", 299],
  );
  assert.match(
    notes.join(),
    new RegExp(`left aside ${aside.length} tensors .*SELayer|left aside ${aside.length} tensors .*AuxLogits`),
  );
  for (const [engine, executor] of Object.entries(everyExecutor())) {
    assertPortLogits(await portLogits(checkpoint, of.input, executor), of, `${name}, ${engine}`);
  }
  // torchvision's own wants other pictures, and is not taken for it.
  await refused(() => openFiles([asNpz(tensors)]), "not the layers of a known network");
});
