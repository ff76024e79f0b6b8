/**
 * Logits by their own code of those of the ports' networks of which there is no list of names, on every executor; the
 * others' come with their files (src/weights/open-ports.slow.test.ts).
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Model, model, parametersOf } from "../src/zoo/index.ts";
import { everyExecutor } from "./onednn.ts";
import { assertPortLogits, needsPorts, portGolden, portLogits, weightsNamedBy } from "./port-files.ts";

interface Case {
  /** The golden file, and the network's name in it. */
  readonly file: string;
  readonly key: string;
  readonly naming: string;
  readonly network: Model;
}

const bruinxiong = (key: string, name: string): Case => ({
  ...{ file: "bruinxiong", key, naming: "bruinxiong", network: model(`bruinxiong-${name}`) },
});

const moskomule = (key: string, name: string, naming = "moskomule"): Case => ({
  ...{ file: "moskomule", key: `moskomule ${key}`, naming, network: model(`moskomule-${name}`) },
});

/** SE-ResNet-164 with so many units a stage. */
function nutszebra(key: string, n: number, reduction?: number): Case {
  const { config, ...rest } = model(`nutszebra-${reduction === undefined ? "" : "se-"}resnet-164`);
  assert.ok(config.family === "preact");
  const se = reduction && { se: { reduction, bias: true } };
  const network: Model = { ...rest, config: { ...config, ...se, depths: [n, n, n] } };
  return { file: "nutszebra", key: `nutszebra-${key}`, naming: "nutszebra", network };
}

const cases: readonly Case[] = [
  bruinxiong("se-resnext-50 32 groups", "se-resnext-50-32x4d"),
  bruinxiong("cifar se-resnet-20 preact", "se-resnet-20-cifar"),
  bruinxiong("cifar se-resnet-164 preact", "se-resnet-164-cifar"),
  bruinxiong("cifar se-resnext-20", "se-resnext-20-cifar"),
  bruinxiong("cifar se-resnext-164 32 groups", "se-resnext-164-cifar"),
  moskomule("se_resnet18", "se-resnet-18"),
  moskomule("se_resnet50", "se-resnet-50"),
  moskomule("se_resnet20 r16", "se-resnet-20"),
  moskomule("se_resnet20 r8", "se-resnet-20-r8"),
  moskomule("preact_resnet20 (baseline)", "preact-resnet-20", "moskomule-preact"),
  nutszebra("se-resnet n=1 r=4", 1, 4),
  nutszebra("se-resnet n=2 r=8", 2, 8),
  nutszebra("se-resnet-164 n=18 r=16", 18, 16),
  nutszebra("resnet n=2", 2),
];

const executors = everyExecutor();

for (const { file, key, naming, network } of cases) {
  test(key, needsPorts("taki-se-resnext-29"), async () => {
    const expected = portGolden(file, key);
    assert.equal(parametersOf(network).length, expected.variables);
    const weights = weightsNamedBy(network, naming);
    for (const [engine, executor] of Object.entries(executors)) {
      assertPortLogits(await portLogits({ model: network, weights }, expected.input, executor), expected, engine);
    }
  });
}
