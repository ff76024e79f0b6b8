/**
 * How often eight bits keep a network's top-1 answer, on crops of photographs, for networks whose released weights are not at
 * hand: with weights from the tests' formula. As they stand these give nearly the same logits for every picture, so that nothing
 * is learnt from an answer that stays; so each batch norm has the statistics of some of the photographs, and the classifier's bias
 * takes away the mean logits. What is left tells pictures apart, though without the margin that training gives an answer.
 *
 * `node dist/bench/eight-bits.js PHOTOS [MODEL...] [--method mse] [--executor ort] [--threads 1]`, after `npm run build`; PHOTOS is
 * a folder of pictures; without models, the seven that were released. The last line is one JSON object.
 */

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { table } from "../src/cli/output.ts";
import type { Executor, Weights } from "../src/executors/executor.ts";
import { selectExecutor } from "../src/executors/select.node.ts";
import { decodePicture } from "../src/images/decode.node.ts";
import { imagenetPreprocessing, preprocess } from "../src/images/preprocess.ts";
import type { Picture } from "../src/images/resize.ts";
import { inferencePasses, type Program, runPasses } from "../src/passes/index.ts";
import { type RangeMethodName, rangeMethodNames } from "../src/quantize/methods.ts";
import { PreparedNetwork } from "../src/quantize/network.ts";
import { copyOf, type Tensor, tensor, zeros } from "../src/tensor.ts";
import { inferenceGraph, inputName, lossGraph, model, zoo } from "../src/zoo/index.ts";
import { formulaWeights } from "../tests/formula.ts";
import { machine, whole } from "./measure.ts";

const side = 224;

/** Crops of the whole picture, and of nine overlapping windows with half its sides. */
function cropsOf(picture: Picture): Picture[] {
  const { width, height, data } = picture;
  const [w, h] = [width >> 1, height >> 1];
  const crops = [picture];
  for (let row = 0; row < 3; row++) {
    for (let column = 0; column < 3; column++) {
      const [top, left] = [Math.floor((row * (height - h)) / 2), Math.floor((column * (width - w)) / 2)];
      const pixels = new Uint8Array(w * h * 3);
      for (let y = 0; y < h; y++) {
        const from = ((top + y) * width + left) * 3;
        pixels.set(data.subarray(from, from + w * 3), y * w * 3);
      }
      crops.push({ ...picture, width: w, height: h, data: pixels });
    }
  }
  return crops;
}

/** Converts each to the network's input. */
const inputsOf = (crops: readonly Picture[]): Float32Array[] =>
  crops.map((crop) => {
    const values = new Float32Array(3 * side * side);
    preprocess(crop, imagenetPreprocessing, values);
    return values;
  });

const pictures = (values: readonly Float32Array[]): Tensor => {
  const data = new Float32Array(values.length * 3 * side * side);
  for (const [i, one] of values.entries()) data.set(one, i * one.length);
  return tensor([values.length, 3, side, side], data);
};

/** A row of logits for each crop. */
async function logitsOf(
  { graph, weights }: Program,
  executor: Executor,
  inputs: readonly Float32Array[],
  threads: number,
) {
  const network = await executor.compile(graph, weights, { threads });
  const rows: Float32Array[] = [];
  for (const input of inputs) {
    const [logits] = (await network.run(new Map([[inputName, pictures([input])]]))).values();
    rows.push(Float32Array.from(logits!.data));
  }
  await network.dispose();
  return rows;
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

const topOf = (row: Float32Array): number => row.reduce((top, value, i) => (value > row[top]! ? i : top), 0);

/** Gives each batch norm the statistics of these pictures. */
async function normalised(
  name: string,
  weights: Weights,
  inputs: readonly Float32Array[],
  executor: Executor,
  threads: number,
) {
  const graph = lossGraph(model(name), { batch: inputs.length, imageSize: side });
  const makers = new Map(graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
  // The inputs of running averages.
  const outputs = new Map([...graph.updates].map(([{ name: of }, next]) => [of, makers.get(next)!.inputs[1]!]));
  const network = await executor.compile({ ...graph, outputs, updates: new Map() }, weights, { threads });
  const given = graph.inputs.map(({ name: of, type }) => [of, zeros("float32", type.shape)] as const);
  const found = await network.run(new Map([...given, [inputName, pictures(inputs)]]));
  await network.dispose();
  return new Map([...weights, ...found]);
}

/** Subtracts the mean of these logits, by the classifier's bias. */
function centred(program: Program, rows: readonly Float32Array[]): Program {
  const classifier = program.graph.nodes.findLast(({ op }) => op === "linear")!;
  const { name } = classifier.inputs[2]!;
  const bias = copyOf(program.weights.get(name)!);
  for (let c = 0; c < bias.data.length; c++) {
    bias.data[c]! -= rows.reduce((sum, row) => sum + row[c]!, 0) / rows.length;
  }
  return { graph: program.graph, weights: new Map([...program.weights, [name, bias]]) };
}

async function measure(
  name: string,
  photos: readonly Picture[][],
  method: RangeMethodName,
  executor: Executor,
  threads: number,
) {
  const graph = inferenceGraph(model(name), { batch: 1, imageSize: side });
  const crops = photos.map(inputsOf);
  // Statistics and ranges come from every second photograph, the compared answers from the others.
  const chosen = crops.filter((_, i) => i % 2 === 0).map(([first]) => first!);
  const weights = await normalised(name, formulaWeights(graph), chosen, executor, threads);
  const plain = runPasses({ graph, weights }, inferencePasses);
  const asked = crops.filter((_, i) => i % 2 === 1).flat();
  const program = centred(plain, await logitsOf(plain, executor, [...chosen, ...asked], threads));
  async function* batches() {
    for (const input of chosen) yield { images: pictures([input]), size: 1 };
  }
  const prepared = await PreparedNetwork.create(program, executor, batches(), { method });
  const expected = await logitsOf(program, executor, asked, threads);
  const answers = new Set(expected.map(topOf)).size;
  const int8 = agreement(expected, await logitsOf(prepared.quantized(prepared.layers), executor, asked, threads));
  const bf16 = rounding && agreement(expected, await logitsOf(program, rounding, asked, threads));
  return { model: name, crops: asked.length, answers, int8, ...(bf16 && { bf16 }) };
}

/** The share of equal answers, and the error relative to the logits, both from 0 to 1. */
function agreement(expected: readonly Float32Array[], found: readonly Float32Array[]) {
  const kept = expected.filter((row, i) => topOf(row) === topOf(found[i]!)).length;
  let [noise, signal] = [0, 0];
  for (const [i, row] of expected.entries()) {
    for (const [c, value] of row.entries()) {
      signal += value ** 2;
      noise += (found[i]![c]! - value) ** 2;
    }
  }
  return { kept: kept / expected.length, error: Math.sqrt(noise / signal) };
}

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    method: { type: "string", default: "mse" },
    executor: { type: "string", default: "ort" },
    threads: { type: "string", default: "1" },
  },
});
const [folder, ...names] = positionals;
if (folder === undefined) throw new Error("a folder of photographs is needed");
const method = rangeMethodNames.find((known) => known === values.method);
if (method === undefined) throw new Error(`--method is one of ${rangeMethodNames.join(", ")}`);
const released = [...zoo].filter(([, entry]) => entry.published !== undefined).map(([name]) => name);
const { executor } = await selectExecutor({ name: values.executor });
/** In bf16, for comparison, if the processor supports it. */
const rounding = await selectExecutor({ name: "onednn", precision: "bf16" }).then(
  (selection) => selection.executor,
  () => undefined,
);
const photos: Picture[][] = [];
for (const file of readdirSync(folder)
  .filter((name) => /\.jpe?g$/i.test(name))
  .sort()) {
  photos.push(cropsOf(await decodePicture(join(folder, file))));
}
const results = [];
for (const name of names.length > 0 ? names : released) {
  console.error(`${name} ...`);
  results.push(await measure(name, photos, method, executor, whole("threads", values.threads)));
}
console.log(
  table(
    ["model", "crops", "answers in float32", "kept in int8", "error", "kept in bf16", "error"],
    results.map(({ model: name, crops, answers, int8, bf16 }) => [
      ...[name, `${crops}`, `${answers}`],
      ...[int8, bf16].flatMap((one) => (one === undefined ? ["", ""] : [percent(one.kept), percent(one.error)])),
    ]),
  ),
);
console.log(JSON.stringify({ bench: "eight-bits", method, executor: executor.name, results, machine: machine() }));
