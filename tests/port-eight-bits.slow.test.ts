/** The ports' networks in eight bits: one form of each kind of block, as small as it gets, compared with itself in float32. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Executor } from "../src/executors/executor.ts";
import type { Value } from "../src/ir/graph.ts";
import { inferencePasses, type Program, runPasses } from "../src/passes/index.ts";
import { eightBitValues } from "../src/passes/quantize.ts";
import { PreparedNetwork } from "../src/quantize/network.ts";
import type { Tensor } from "../src/tensor.ts";
import { inferenceGraph, inputName } from "../src/zoo/index.ts";
import { formulaPictures, formulaWeights } from "./formula.ts";
import { everyExecutor } from "./onednn.ts";
import { drawn, quickForms, slowForms, smallNetwork } from "./port-training.ts";
import { signalToNoise, withStatistics } from "./untrained.ts";

/**
 * In dB, for each value and the logits. Rounding to 127 steps of a range of six standard deviations leaves
 * 10 log10(12 · (127 / 6)²) = 37 dB; ten layers that round weights and activations, one behind the other, leave 24; and
 * each batch norm takes away a mean that had no part in the noise, up to 4 dB.
 */
const least = 20;

const batch = 8;

/** Rows of each of these values, one for a picture. */
async function rowsOf(program: Program, outputs: ReadonlyMap<string, Value>, executor: Executor, images: Tensor) {
  const network = await executor.compile({ ...program.graph, outputs }, program.weights, { threads: 1 });
  const found = await network.run(new Map([[inputName, images]]));
  const rows = [...found].map(([name, { data }]): [string, Float32Array[]] => {
    const length = data.length / batch;
    return [
      name,
      Array.from({ length: batch }, (_, i) => Float32Array.from(data.subarray(i * length, (i + 1) * length))),
    ];
  });
  await network.dispose();
  return new Map(rows);
}

const { reference, ...engines } = everyExecutor();

for (const form of [...quickForms, ...slowForms]) {
  const { name, imageSize, byRunning } = form;
  test(`${name} gives in eight bits what it gives in float32`, async () => {
    const network = smallNetwork(form);
    const images = formulaPictures(batch, imageSize, 0);
    const graph = inferenceGraph(network, { batch, imageSize });
    // Statistics of the pictures would make an Inception enlarge any rounding until nothing else is left.
    const weights = byRunning
      ? drawn(graph, form)
      : await withStatistics(network, formulaWeights(graph), images, engines.ort!);
    const folded = runPasses({ graph, weights }, inferencePasses);
    async function* batches() {
      yield { images, size: batch };
    }
    const prepared = await PreparedNetwork.create(folded, engines.ort!, batches(), { method: "mse" });
    const { program: float32, layers } = prepared;
    const int8 = prepared.quantized(layers);
    const rounded = new Map(int8.graph.nodes.flatMap(({ outputs }) => outputs.map((output) => [output.name, output])));
    const values = eightBitValues(float32.graph, layers).map(({ value }) => value);
    const outputsOf = (program: Program, of: (value: Value) => Value) =>
      new Map([...values.map((value) => [value.name, of(value)] as const), ...program.graph.outputs]);
    const expected = await rowsOf(
      float32,
      outputsOf(float32, (value) => value),
      engines.ort!,
      images,
    );
    for (const [engine, executor] of Object.entries(byRunning ? engines : { reference, ...engines })) {
      const asRounded = outputsOf(int8, ({ name }) => rounded.get(`${name}.dequantize`)!);
      const found = await rowsOf(int8, asRounded, executor!, images);
      assert.equal(found.size, values.length + 1, "the logits too");
      for (const [value, rows] of expected) {
        // Through all of an Inception with other statistics nothing is left of what its pictures differ by.
        const isCentred = value === "logits" && !byRunning;
        const sqnr = signalToNoise(rows, found.get(value)!, isCentred);
        assert.ok(sqnr >= least, `${engine}: ${value} ${sqnr.toFixed(1)} dB`);
      }
    }
  });
}
