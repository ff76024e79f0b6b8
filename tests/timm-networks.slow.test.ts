/** Networks under timm's names, against timm itself (golden/make_timm.py). */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { ortExecutor } from "../src/executors/ort/executor.node.ts";
import { findModel } from "../src/import/find-model.ts";
import { detectNaming, nameIn, namingByName, renameTensors } from "../src/import/rename.ts";
import { graphCost } from "../src/ir/cost.ts";
import { configSchema, inferenceGraph, inputName, type Model, model } from "../src/zoo/index.ts";
import { formulaPictures, formulaTensor } from "./formula.ts";
import { assertClose, golden } from "./support.ts";

interface Golden {
  readonly batch: number;
  readonly classes: number;
  readonly networks: readonly {
    readonly timm: string;
    /** Ours, which it is but for what `forms` says. */
    readonly model: string;
    readonly imageSize: number;
    /** Numbers that learn, with a thousand classes. */
    readonly parameters: number;
    readonly tensors: number;
    /** SHA-256 of its sorted names, a line each with the shape. */
    readonly names: string;
    readonly logits: readonly number[];
  }[];
}

const timm: Golden = JSON.parse(readFileSync(golden("timm.json"), "utf8"));

/** Hidden units are multiples of 8, and at least 8: with basic blocks that is more than a sixteenth. */
const eights = (...depths: number[]) => ({
  pool: "padded",
  se: {
    ...{ reduction: 16, bias: true },
    hidden: depths.flatMap((depth, stage) => new Array<number>(depth).fill([8, 8, 16, 32][stage]!)),
  },
});
const forms: Readonly<Record<string, object>> = {
  seresnet18: eights(2, 2, 2, 2),
  seresnet34: eights(3, 4, 6, 3),
  legacy_seresnet18: { branchRelu: true },
};

/** The network as timm has it. */
function formOf(name: string, ours: string, classes?: number): Model {
  const whole = model(ours, classes);
  return { ...whole, config: configSchema.parse({ ...whole.config, ...forms[name] }) };
}

for (const { timm: name, model: ours, imageSize, parameters, tensors, names, logits } of timm.networks) {
  test(`${name}: timm's names, count and logits`, async () => {
    const { batch, classes } = timm;
    const cost = graphCost(inferenceGraph(formOf(name, ours), { batch: 1, imageSize }));
    assert.equal(cost.parameters, parameters);

    const naming = namingByName(name.startsWith("legacy_") ? "cadene" : "timm");
    const graph = inferenceGraph(formOf(name, ours, classes), { batch, imageSize });
    const named = graph.parameters
      .map((parameter) => ({ ...parameter, theirs: nameIn(naming, parameter) }))
      .toSorted((a, b) => (a.theirs < b.theirs ? -1 : 1));
    assert.equal(named.length, tensors);
    const lines = named.map(({ theirs, type }) => `${theirs} ${type.shape.join("x")}\n`).join("");
    assert.equal(createHash("sha256").update(lines).digest("hex"), names, lines);

    const file = new Map(
      named.map(({ theirs, role, type }, stream) => [theirs, formulaTensor(role, type.shape, stream)] as const),
    );
    const source = { kind: "tensors", tensors: file } as const;
    assert.equal(detectNaming(source, name).name, naming.name);
    const found = findModel(source, naming, name);
    assert.deepEqual(found.model.config, formOf(name, ours).config);
    const weights = renameTensors(source, { name, parameters: found.parameters }, naming, name);
    const executable = await ortExecutor.compile(inferenceGraph(found.model, { batch, imageSize }), weights);
    const outputs = await executable.run(new Map([[inputName, formulaPictures(batch, imageSize, 0)]]));
    assertClose(outputs.get("logits")!.data, logits, 1e-4, "logits");
    await executable.dispose();
  });
}
