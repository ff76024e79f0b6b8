/** Every kind of network under every naming, against PyTorch (golden/make_namings.py). */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { formulaPictures, formulaTensor } from "../../tests/formula.ts";
import { assertClose, golden } from "../../tests/support.ts";
import { ortExecutor } from "../executors/ort/executor.node.ts";
import type { Parameter } from "../ir/graph.ts";
import { inferencePasses, runPasses } from "../passes/index.ts";
import { inferenceGraph, inputName, type ModelConfig, model } from "../zoo/index.ts";
import { modelLike } from "./find-model.ts";
import { namings } from "./namings.ts";
import { detectNaming, renameTensors, type WeightSource } from "./rename.ts";

interface Golden {
  readonly imageSize: number;
  readonly batch: number;
  readonly classes: number;
  readonly networks: readonly {
    readonly naming: string;
    readonly like: string;
    readonly depths: readonly number[];
    readonly widths: readonly number[];
    readonly tensors: Readonly<Record<string, readonly [role: Parameter["role"], ...shape: number[]]>>;
    readonly logits: readonly number[];
  }[];
}

const { networks, imageSize, batch, classes } = JSON.parse(readFileSync(golden("namings.json"), "utf8")) as Golden;

for (const { naming: name, like, depths, widths, tensors, logits } of networks) {
  test(`${name}: a small ${like} computes what PyTorch computes`, async () => {
    const source: WeightSource = {
      kind: "tensors",
      tensors: new Map(
        Object.entries(tensors)
          .toSorted(([a], [b]) => (a < b ? -1 : 1))
          .map(([tensor, [role, ...shape]], stream) => [tensor, formulaTensor(role, shape, stream)]),
      ),
    };
    const naming = detectNaming(source, "file");
    assert.equal(naming.name, name);
    const small = { ...model(like).config, depths, widths } as ModelConfig;
    const found = modelLike({ name: like, config: small, classes: 1000 }, source, naming);
    assert.equal(found.model.classes, classes);
    assert.ok(found.model.config.family !== "layers" && naming.networks!(found.model.config));
    const graph = inferenceGraph(found.model, { batch, imageSize });
    const program = runPasses({ graph, weights: renameTensors(source, graph, naming, "file") }, inferencePasses);
    const executable = await ortExecutor.compile(program.graph, program.weights);
    const outputs = await executable.run(new Map([[inputName, formulaPictures(batch, imageSize, 0)]]));
    assertClose(outputs.get("logits")!.data, logits, 1e-5, "logits");
    await executable.dispose();
  });
}

test("every naming of PyTorch's but our own has its networks compared", () => {
  const compared = new Set(networks.map(({ naming }) => naming));
  for (const naming of namings) {
    const isOfPyTorch = naming.style === "torch" && naming.isForeign !== true;
    if (isOfPyTorch && naming.name !== "senet") assert.ok(compared.has(naming.name), naming.name);
  }
});
