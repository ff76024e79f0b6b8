/**
 * How often eight bits keep a network's top-1 answer, on crops of photographs, for networks whose released weights are not at
 * hand: with weights from the tests' formula. As they stand these give nearly the same logits for every picture, so that nothing
 * is learnt from an answer that stays. So each batch norm has the statistics of some of the crops, and the classifier is
 * fitted by least squares to tell the photographs apart: its answers have margins, as those of a trained network have. What is
 * compared are answers for other crops. Ranges are measured on crops of the same size as those, as `senet quantize` measures
 * them on pictures that are prepared like the ones to come. `--classifier formula` leaves the classifier as the formula has it, less the mean logits:
 * its 1,000 answers differ too, but have no margin.
 *
 * `node dist/bench/eight-bits.js PHOTOS [MODEL...] [--method mse] [--executor ort] [--threads 1] [--classifier fitted]
 * [--photos 10]`, after `npm run build`; PHOTOS is a folder of pictures, of which --photos takes the first; without models, the seven
 * that were released. The last line is one JSON object.
 */

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { table } from "../src/cli/output.ts";
import type { Executor } from "../src/executors/executor.ts";
import { selectExecutor } from "../src/executors/select.node.ts";
import { decodePicture } from "../src/images/decode.node.ts";
import { imagenetPreprocessing, preprocess } from "../src/images/preprocess.ts";
import type { Picture } from "../src/images/resize.ts";
import type { Value } from "../src/ir/graph.ts";
import { inferencePasses, type Program, runPasses } from "../src/passes/index.ts";
import { rangeMethodNames } from "../src/quantize/methods.ts";
import { PreparedNetwork } from "../src/quantize/network.ts";
import { copyOf, type Tensor, tensor } from "../src/tensor.ts";
import { inferenceGraph, inputName, model, zoo } from "../src/zoo/index.ts";
import { formulaWeights } from "../tests/formula.ts";
import { meanOf, signalToNoise, withStatistics } from "../tests/untrained.ts";
import { machine, median, whole } from "./measure.ts";

const side = 224;

/** Inputs of a network: windows of a photograph from which the network is made, for its ranges, and to ask it about. */
interface Photograph {
  readonly seen: readonly Float32Array[];
  /** As large as those asked: smaller ones show other features, so that some photographs' lost a twentieth of their squares. */
  readonly ranges: readonly Float32Array[];
  readonly asked: readonly Float32Array[];
}

/** Where a window lies: 0 for the top or the left, 1 for the bottom or the right. */
type Place = readonly [y: number, x: number];
const grid = (...places: number[]): Place[] => places.flatMap((y) => places.map((x): Place => [y, x]));
/** In the middle of each edge. */
const edges: readonly Place[] = [
  [0, 1 / 2],
  [1 / 2, 0],
  [1 / 2, 1],
  [1, 1 / 2],
];

/** Windows of a picture; `part` is the share of its sides that each has. */
function windowsOf(picture: Picture, part: number, places: readonly Place[]): Picture[] {
  const { width, height, data } = picture;
  const [w, h] = [Math.round(width * part), Math.round(height * part)];
  return places.map(([y, x]) => {
    const [top, left] = [Math.floor(y * (height - h)), Math.floor(x * (width - w))];
    const pixels = new Uint8Array(w * h * 3);
    for (let row = 0; row < h; row++) {
      const from = ((top + row) * width + left) * 3;
      pixels.set(data.subarray(from, from + w * 3), row * w * 3);
    }
    return { ...picture, width: w, height: h, data: pixels };
  });
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

/** A row of this value, or of logits, for each crop. */
async function rowsOf({ graph, weights }: Program, on: Executor, inputs: readonly Float32Array[], value?: Value) {
  const outputs = value === undefined ? graph.outputs : new Map([[value.name, value]]);
  const network = await on.compile({ ...graph, outputs }, weights, { threads });
  const rows: Float32Array[] = [];
  for (const input of inputs) {
    const [row] = (await network.run(new Map([[inputName, pictures([input])]]))).values();
    rows.push(Float32Array.from(row!.data));
  }
  await network.dispose();
  return rows;
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

const topOf = (row: Float32Array): number => row.reduce((top, value, i) => (value > row[top]! ? i : top), 0);

/** The classifier's node; its inputs are features, weight and bias. */
const classifierOf = ({ graph }: Program) => graph.nodes.findLast(({ op }) => op === "linear")!;

/** Subtracts the mean of these logits, by the classifier's bias. */
function centred(program: Program, rows: readonly Float32Array[]): Program {
  const { name } = classifierOf(program).inputs[2]!;
  const bias = copyOf(program.weights.get(name)!);
  const means = meanOf(rows);
  for (let c = 0; c < bias.data.length; c++) bias.data[c]! -= means[c]!;
  return { graph: program.graph, weights: new Map([...program.weights, [name, bias]]) };
}

/**
 * Gives the classifier the weights of a ridge regression on the features of these pictures, each of which should have
 * the logit 1 for its class and 0 for others. The penalty is three tenths of the mean square of a picture's
 * features, with which the network of least layers, SE-BN-Inception, is right most often in float32.
 */
function fitted(program: Program, features: readonly Float32Array[], classes: readonly number[]): Program {
  const [, weight, bias] = classifierOf(program).inputs.map(({ name }) => program.weights.get(name));
  const [outputs, length] = weight!.shape as [number, number];
  const means = meanOf(features);
  const rows = features.map((row) => row.map((value, c) => value - means[c]!));
  // In the dual form, since there are fewer pictures than features: weights are sums of the pictures' rows.
  const products = rows.map((a) => rows.map((b) => a.reduce((sum, value, c) => sum + value * b[c]!, 0)));
  const penalty = (0.3 * products.reduce((sum, row, i) => sum + row[i]!, 0)) / rows.length;
  for (const [i, row] of products.entries()) row[i]! += penalty;
  const targets = classes.map((of) => Array.from({ length: outputs }, (_, k) => (k === of ? 1 : 0) - 1 / outputs));
  const factors = solved(products, targets);
  const [w, b] = [copyOf(weight!), copyOf(bias!)];
  for (let k = 0; k < outputs; k++) {
    b.data[k] = 1 / outputs;
    for (let c = 0; c < length; c++) {
      const value = rows.reduce((sum, row, i) => sum + factors[i]![k]! * row[c]!, 0);
      w.data[k * length + c] = value;
      b.data[k]! -= value * means[c]!;
    }
  }
  const [, weightName, biasName] = classifierOf(program).inputs.map(({ name }) => name);
  return { graph: program.graph, weights: new Map([...program.weights, [weightName!, w], [biasName!, b]]) };
}

/** Solves A X = B for a positive definite A, by elimination. */
function solved(a: readonly number[][], b: readonly number[][]): number[][] {
  const rows = a.map((row, i) => [...row, ...b[i]!]);
  for (let i = 0; i < rows.length; i++) {
    for (let j = 0; j < rows.length; j++) {
      const factor = rows[j]![i]! / rows[i]![i]!;
      if (j === i || factor === 0) continue;
      for (let k = i; k < rows[j]!.length; k++) rows[j]![k]! -= factor * rows[i]![k]!;
    }
  }
  return rows.map((row, i) => row.slice(rows.length).map((value) => value / row[i]!));
}

async function measure(name: string, photos: readonly Photograph[]) {
  const classes = isFitted ? photos.length : 1000;
  const graph = inferenceGraph(model(name, classes), { batch: 1, imageSize: side });
  const middle = photos.map(({ seen }) => seen[5]!);
  const seen = photos.flatMap((photo) => photo.seen);
  const asked = photos.flatMap((photo) => photo.asked);
  const weights = await withStatistics(model(name, classes), formulaWeights(graph), pictures(middle), executor);
  const plain = runPasses({ graph, weights }, inferencePasses);
  const [features] = classifierOf(plain).inputs;
  const ownClass = (of: "seen" | "asked") => photos.flatMap((photo, i) => photo[of].map(() => i));
  const program = isFitted
    ? fitted(plain, await rowsOf(plain, executor, seen, features), ownClass("seen"))
    : centred(plain, await rowsOf(plain, executor, seen));
  async function* batches() {
    for (const input of photos.flatMap(({ ranges }) => ranges)) yield { images: pictures([input]), size: 1 };
  }
  const prepared = await PreparedNetwork.create(program, executor, batches(), { method });
  const expected = await rowsOf(program, executor, asked);
  const right = (rows: readonly Float32Array[]) =>
    isFitted ? rows.filter((row, i) => topOf(row) === ownClass("asked")[i]).length / rows.length : undefined;
  const compared = (rows: readonly Float32Array[]) => ({ ...agreement(expected, rows), right: right(rows) });
  const int8 = compared(await rowsOf(prepared.quantized(prepared.layers), executor, asked));
  const bf16 = rounding && compared(await rowsOf(program, rounding, asked));
  const answers = new Set(expected.map(topOf)).size;
  return { model: name, crops: asked.length, answers, right: right(expected), int8, ...(bf16 && { bf16 }) };
}

/**
 * What became of the answers. `kept`: the share of equal ones. `sqnr`: signal to noise, in dB. `gap`: the median difference of the first and the second logit in
 * units of that difference's own root mean square error. `lost`: the widest such gap among answers that changed. An answer
 * less than about two such units ahead of the next may go either way, whatever rounds it.
 */
function agreement(expected: readonly Float32Array[], found: readonly Float32Array[]) {
  let gapNoise = 0;
  const gaps: number[] = [];
  const lost: number[] = [];
  for (const [i, row] of expected.entries()) {
    const other = found[i]!;
    const first = topOf(row);
    const second = topOf(row.map((value, c) => (c === first ? Number.NEGATIVE_INFINITY : value)));
    const gap = row[first]! - row[second]!;
    gaps.push(gap);
    if (topOf(other) !== first) lost.push(gap);
    gapNoise += (other[first]! - other[second]! - gap) ** 2;
  }
  const unit = Math.sqrt(gapNoise / gaps.length);
  return {
    kept: 1 - lost.length / expected.length,
    sqnr: signalToNoise(expected, found),
    gap: median(gaps) / unit,
    lost: Math.max(0, ...lost) / unit,
  };
}

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    method: { type: "string", default: "mse" },
    executor: { type: "string", default: "ort" },
    threads: { type: "string", default: "1" },
    classifier: { type: "string", default: "fitted" },
    photos: { type: "string", default: "1000" },
  },
});
const [folder, ...names] = positionals;
if (folder === undefined) throw new Error("a folder of photographs is needed");
const method = rangeMethodNames.find((known) => known === values.method) ?? "mse";
if (method !== values.method) throw new Error(`--method is one of ${rangeMethodNames.join(", ")}`);
if (!["fitted", "formula"].includes(values.classifier)) throw new Error("--classifier is fitted or formula");
const isFitted = values.classifier === "fitted";
const threads = whole("threads", values.threads);
const released = [...zoo].filter(([, entry]) => entry.published !== undefined).map(([name]) => name);
const { executor } = await selectExecutor({ name: values.executor });
/** In bf16, for comparison, if the processor supports it. */
const rounding = await selectExecutor({ name: "onednn", precision: "bf16" }).then(
  (selection) => selection.executor,
  () => undefined,
);
const files = readdirSync(folder).filter((name) => /\.jpe?g$/i.test(name));
const photos: Photograph[] = [];
for (const file of files.sort().slice(0, whole("photos", values.photos))) {
  const picture = await decodePicture(join(folder, file));
  photos.push({
    seen: inputsOf(windowsOf(picture, 1 / 2, grid(0, 1 / 3, 2 / 3, 1))),
    ranges: inputsOf(windowsOf(picture, 2 / 3, edges)),
    asked: inputsOf(windowsOf(picture, 2 / 3, [...grid(0, 1), ...grid(1 / 2)])),
  });
}
const results = [];
for (const name of names.length > 0 ? names : released) {
  const started = performance.now();
  const result = await measure(name, photos);
  results.push(result);
  console.error(`${JSON.stringify(result)} in ${((performance.now() - started) / 1000).toFixed(0)} s`);
}
const cells = (of: ReturnType<typeof agreement> & { right: number | undefined }) => [
  ...[percent(of.kept), of.right === undefined ? "" : percent(of.right), of.sqnr.toFixed(1), of.gap.toFixed(1)],
  of.lost === 0 ? "" : of.lost.toFixed(1),
];
const kinds = (precision: string) => [`kept in ${precision}`, "right", "SQNR, dB", "median gap / noise", "widest lost"];
console.log(
  table(
    ["model", "crops", "answers", "right in float32", ...kinds("int8"), ...kinds("bf16")],
    results.map(({ model: name, crops, answers, right, int8, bf16 }) => [
      ...[name, `${crops}`, `${answers}`, right === undefined ? "" : percent(right)],
      ...cells(int8),
      ...(bf16 === undefined ? ["", "", "", "", ""] : cells(bf16)),
    ]),
  ),
);
const settings = { method, classifier: values.classifier, executor: executor.name };
console.log(JSON.stringify({ bench: "eight-bits", ...settings, results, machine: machine() }));
