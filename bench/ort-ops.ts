/**
 * A workbench for the lowering of the `ort` executor: the same arithmetic written in several ways, on the shapes of
 * SE-ResNet-50 and SE-ResNeXt-50 (batch 16) and SE-ResNet-20 (batch 128). What won is in src/executors/ort, why is in
 * docs/log.md.
 *
 * `node dist/bench/ort-ops.js [NAME...] [--runs 9] [--threads 2]`, after `npm run build`; without names, all subjects.
 * Times are ONNX Runtime's own, kernel by kernel, each the least of the runs. Values are the tests' concern, not ours.
 */

import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { table } from "../src/cli/output.ts";
import { filled } from "../src/executors/ort/emit-others.ts";
import { Emitter, microsoft, nchwc } from "../src/executors/ort/emitter.ts";
import { nodeHost } from "../src/executors/ort/library.node.ts";
import { type Attributes, encodeModel } from "../src/executors/ort/onnx.ts";
import { blockSize } from "../src/executors/ort/probe.ts";
import { createRandom } from "../src/random.ts";
import { type Shape, sizeOf } from "../src/tensor.ts";

/** One way to express something: its inputs and nodes; returns its outputs, by name and shape. */
interface Way {
  readonly inputs: Readonly<Record<string, Shape>>;
  write(emit: Emitter): readonly (readonly [name: string, shape: Shape])[];
}

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { runs: { type: "string", default: "9" }, threads: { type: "string", default: "2" } },
});
const block = await blockSize(nodeHost);
if (block === 0) throw new Error("this processor has no blocked layout to compare with");

const blockedConv = (emit: Emitter, inputs: readonly string[], kernel: number, more: Attributes = {}) =>
  emit.node(
    "Conv",
    inputs,
    {
      kernel_shape: { ints: [kernel, kernel] },
      strides: { ints: [1, 1] },
      pads: { ints: [0, 0, 0, 0] },
      dilations: { ints: [1, 1] },
      group: { int: 1 },
      ...more,
    },
    nchwc,
  );

const samePads: Attributes = { pads: { ints: [1, 1, 1, 1] } };
const product = (emit: Emitter, a: string, b: string) =>
  emit.node("FusedMatMul", [a, b], { transB: { int: 1 } }, microsoft);
const sumOverSamples = (emit: Emitter, x: string) =>
  emit.node("ReduceSum", [x, emit.ints(0)], { keepdims: { int: 0 } });

/** 3×3 convolution of c channels: forward, and back to the input. */
function convolution3(n: number, c: number, s: number): Record<string, Way> {
  const x = [n, c, s, s];
  const inputs = { x, w: [c, c, 3, 3] };
  return {
    "Conv, NCHW": { inputs, write: (emit) => [[emit.node("Conv", ["x", "w"], samePads), x]] },
    "Conv, blocked": { inputs, write: (emit) => [[blockedConv(emit, ["x", "w"], 3, samePads), x]] },
  };
}

/** 3×3 convolution of c channels in narrow groups, and the gradient of its input. */
function grouped3(n: number, c: number, groups: number, s: number): Record<string, Way> {
  const x = [n, c, s, s];
  const inputs = { x, w: [c, c / groups, 3, 3] };
  const attributes: Attributes = { ...samePads, group: { int: groups } };
  return {
    "Conv, NCHW": { inputs, write: (emit) => [[emit.node("Conv", ["x", "w"], attributes), x]] },
    "ConvTranspose, NCHW": { inputs, write: (emit) => [[emit.node("ConvTranspose", ["x", "w"], attributes), x]] },
    "Conv, blocked, groups put together": {
      inputs: { x, w: [c, block, 3, 3] },
      write: (emit) => [[blockedConv(emit, ["x", "w"], 3, { ...samePads, group: { int: c / block } }), x]],
    },
  };
}

/** 1×1 convolution from i to o channels. */
function convolution1(n: number, i: number, o: number, s: number): Record<string, Way> {
  const y = [n, o, s, s];
  const pixels = s * s;
  const inputs = { x: [n, i, s, s], w: [o, i, 1, 1] };
  return {
    "Conv, NCHW": { inputs, write: (emit) => [[emit.node("Conv", ["x", "w"]), y]] },
    "MatMul per sample": {
      inputs: { x: [n, i, pixels], w: [o, i] },
      write: (emit) => [[emit.node("MatMul", ["w", "x"]), [n, o, pixels]]],
    },
    "MatMul, channels first": {
      inputs: { x: [i, n * pixels], w: [o, i] },
      write: (emit) => [[emit.node("MatMul", ["w", "x"]), [o, n * pixels]]],
    },
    "Conv, blocked": { inputs, write: (emit) => [[blockedConv(emit, ["x", "w"], 1), y]] },
  };
}

/** The weight's gradient of a 3×3 convolution; x is padded already. */
function weightGradient3(n: number, c: number, s: number): Record<string, Way> {
  const pixels = s * s;
  const inputs = { x: [n, c, s + 2, s + 2], dy: [n, c, pixels] };
  const taps = (emit: Emitter) =>
    Array.from({ length: 9 }, (_, tap) => {
      const [row, column] = [Math.floor(tap / 3), tap % 3];
      const ends = emit.ints(row + s, column + s);
      const seen = emit.node("Slice", ["x", emit.ints(row, column), ends, emit.ints(2, 3)]);
      return emit.node("Reshape", [seen, emit.ints(n, c, pixels)]);
    });
  return {
    "nine products": {
      inputs,
      write: (emit) => taps(emit).map((tap) => [sumOverSamples(emit, product(emit, "dy", tap)), [c, c]] as const),
    },
    "one product of all taps": {
      inputs,
      write: (emit) => {
        const columns = emit.node("Concat", taps(emit), { axis: { int: 1 } });
        return [[sumOverSamples(emit, product(emit, "dy", columns)), [c, 9 * c]]];
      },
    },
    "one product, turned": {
      inputs,
      write: (emit) => {
        const columns = emit.node("Concat", taps(emit), { axis: { int: 1 } });
        return [[sumOverSamples(emit, product(emit, columns, "dy")), [9 * c, c]]];
      },
    },
    "blocked Conv, samples as channels": {
      inputs: { x: [c, n, s + 2, s + 2], dy: [c, n, s, s] },
      write: (emit) => [[blockedConv(emit, ["x", "dy"], s), [c, c, 3, 3]]],
    },
    "the same, padded by the Conv": {
      inputs: { x: [c, n, s, s], dy: [c, n, s, s] },
      write: (emit) => [[blockedConv(emit, ["x", "dy"], s, samePads), [c, c, 3, 3]]],
    },
  };
}

/** 1 where positive, times a gradient. */
function reluGradient(shape: Shape): Record<string, Way> {
  const inputs = { y: shape, dy: shape };
  const zero = (emit: Emitter) => emit.float(0);
  return {
    "Where Greater": {
      inputs,
      write: (emit) => [[emit.node("Where", [emit.node("Greater", ["y", zero(emit)]), "dy", zero(emit)]), shape]],
    },
    "Mul Sign": { inputs, write: (emit) => [[emit.node("Mul", [emit.node("Sign", ["y"]), "dy"]), shape]] },
    "Mul HardSigmoid": {
      inputs,
      write: (emit) => {
        const step = emit.node("HardSigmoid", ["y"], { alpha: { float: 3.4e38 }, beta: { float: 0 } });
        return [[emit.node("Mul", [step, "dy"]), shape]];
      },
    },
  };
}

/** scale·x + shift by channel, plus another activation, then ReLU: the end of a residual block. */
function affineSumRelu(n: number, c: number, s: number): Record<string, Way> {
  const shape = [n, c, s, s];
  return {
    "Mul Add Add Relu": {
      inputs: { x: shape, scale: [c, 1, 1], shift: [c, 1, 1], z: shape },
      write: (emit) => {
        const affine = emit.node("Add", [emit.node("Mul", ["x", "scale"]), "shift"]);
        return [[emit.node("Relu", [emit.node("Add", [affine, "z"])]), shape]];
      },
    },
    "BatchNormalization Add Relu": {
      inputs: { x: shape, scale: [c], shift: [c], z: shape },
      write: (emit) => {
        const [zeros, ones] = [filled(emit, [c], 0), filled(emit, [c], 1)];
        const affine = emit.node("BatchNormalization", ["x", "scale", "shift", zeros, ones]);
        return [[emit.node("Relu", [emit.node("Add", [affine, "z"])]), shape]];
      },
    },
    "blocked depthwise Conv": {
      inputs: { x: shape, scale: [c, 1, 1, 1], shift: [c], z: shape },
      write: (emit) => {
        const attributes: Attributes = { group: { int: c }, activation: { string: "Relu" } };
        return [[blockedConv(emit, ["x", "scale", "shift", "z"], 1, attributes), shape]];
      },
    },
  };
}

const subjects: Readonly<Record<string, Readonly<Record<string, Way>>>> = {
  "3x3 of [16, 64, 56, 56]": convolution3(16, 64, 56),
  "3x3 of [16, 256, 14, 14]": convolution3(16, 256, 14),
  "3x3 of [128, 16, 32, 32]": convolution3(128, 16, 32),
  "3x3 in 32 groups of [16, 128, 56, 56]": grouped3(16, 128, 32, 56),
  "3x3 in 32 groups of [16, 256, 28, 28]": grouped3(16, 256, 32, 28),
  "1x1 from 256 to 64 of [16, 56, 56]": convolution1(16, 256, 64, 56),
  "1x1 from 512 to 2048 of [16, 7, 7]": convolution1(16, 512, 2048, 7),
  "dw of [16, 64, 56, 56]": weightGradient3(16, 64, 56),
  "dw of [16, 256, 14, 14]": weightGradient3(16, 256, 14),
  "dw of [128, 16, 32, 32]": weightGradient3(128, 16, 32),
  "relu gradient of [16, 256, 56, 56]": reluGradient([16, 256, 56, 56]),
  "affine sum relu of [16, 256, 56, 56]": affineSumRelu(16, 256, 56),
};

interface Kernel {
  readonly name: string;
  readonly milliseconds: number;
}

/** Each kernel with its shortest time. */
async function time({ inputs, write }: Way, runs: number, threads: number): Promise<readonly Kernel[]> {
  const emit = new Emitter();
  const outputs = write(emit);
  const { nodes, constants } = emit.finish();
  const model = encodeModel({
    name: "bench",
    opsets: { "": 18, [microsoft]: 1, [nchwc]: 1 },
    nodes,
    initialisers: constants,
    inputs: Object.entries(inputs).map(([name, shape]) => ({ name, dtype: "float32", shape })),
    outputs: outputs.map(([name, shape]) => ({ name, dtype: "float32", shape })),
    metadata: {},
  });
  const random = createRandom(1);
  const feeds = Object.fromEntries(
    Object.entries(inputs).map(([name, shape]) => [
      name,
      new Tensor(
        "float32",
        Float32Array.from({ length: sizeOf(shape) }, () => random.uniform() - 0.5),
        shape,
      ),
    ]),
  );
  const folder = mkdtempSync(join(tmpdir(), "senet-ort-ops-"));
  try {
    const session = await InferenceSession.create(model, {
      intraOpNumThreads: threads,
      enableProfiling: true,
      profileFilePrefix: join(folder, "profile"),
      logSeverityLevel: 3,
    });
    for (let run = 0; run < runs; run++) await session.run(feeds);
    session.endProfiling();
    await session.release();
    return leastTimes(readFileSync(join(folder, readdirSync(folder)[0]!), "utf8"));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

interface ProfileEvent {
  readonly cat: string;
  readonly name: string;
  /** Microseconds. */
  readonly dur: number;
  readonly args?: { readonly op_name?: string };
}

function leastTimes(profile: string): readonly Kernel[] {
  const kernels = new Map<string, Kernel>();
  for (const { cat, name, dur, args } of JSON.parse(profile) as ProfileEvent[]) {
    if (cat !== "Node" || !name.endsWith("_kernel_time")) continue;
    const milliseconds = Math.min(dur / 1000, kernels.get(name)?.milliseconds ?? Number.POSITIVE_INFINITY);
    kernels.set(name, { name: args?.op_name ?? name, milliseconds });
  }
  return [...kernels.values()];
}

/** `Slice 9× 12.3, Concat 5.7` */
function summary(kernels: readonly Kernel[]): string {
  const sums = new Map<string, { count: number; milliseconds: number }>();
  for (const { name, milliseconds } of kernels) {
    const sum = sums.get(name) ?? { count: 0, milliseconds: 0 };
    sums.set(name, { count: sum.count + 1, milliseconds: sum.milliseconds + milliseconds });
  }
  return [...sums]
    .filter(([, { milliseconds }]) => milliseconds >= 0.1)
    .map(([name, { count, milliseconds }]) => `${name}${count > 1 ? ` ${count}×` : ""} ${milliseconds.toFixed(1)}`)
    .join(", ");
}

const results: Record<string, Record<string, number>> = {};
const rows: string[][] = [];
for (const [subject, ways] of Object.entries(subjects)) {
  if (positionals.length > 0 && !positionals.some((name) => subject.includes(name))) continue;
  results[subject] = {};
  for (const [way, description] of Object.entries(ways)) {
    const kernels = await time(description, Number(values.runs), Number(values.threads));
    const total = kernels.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
    results[subject][way] = total;
    rows.push([subject, way, total.toFixed(1), summary(kernels)]);
  }
}
console.log(table(["subject", "written as", "ms", "of which"], rows));
console.log(JSON.stringify({ bench: "ort-ops", block, threads: Number(values.threads), milliseconds: results }));
