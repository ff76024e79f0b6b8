/**
 * The convolutions that are not of the usual kind, each in every form that oneDNN may be asked for: GFLOP/s of processor time
 * (one thread: others on the machine disturb that least), forward / by the input / by the weights; `ref` is reference code.
 *
 * `node dist/bench/convolutions.js [--batch 8] [--runs 5]`, after `npm run build`; SENET_ONEDNN names another library. The last
 * line is one JSON object.
 */

import { parseArgs } from "node:util";
import { memoryAddress } from "../src/c-library.node.ts";
import { table } from "../src/cli/output.ts";
import { type Api, Grade, gradeOf } from "../src/executors/onednn/api.node.ts";
import { hasBf16, onednnLibrary, openApi } from "../src/executors/onednn/engine.node.ts";
import { formatVersion } from "../src/executors/onednn/library.node.ts";
import { setThreads } from "../src/executors/onednn/openmp.node.ts";
import { Arg, type Desc, type ElementType, type Layout, layoutOf, Query } from "../src/executors/onednn/spec.ts";
import { machine, whole } from "./measure.ts";

/** `merge`: joins this many groups into one, with zeros in between, as plans do with small groups. */
interface Case {
  readonly name: string;
  readonly input: number;
  readonly output: number;
  readonly side: number;
  readonly kernel: number;
  readonly stride: number;
  readonly groups?: number;
  readonly merge?: number;
}

const cases: readonly Case[] = [
  { name: "usual: 64 to 64", input: 64, output: 64, side: 56, kernel: 3, stride: 1 },
  { name: "first: 3 to 64, 7x7", input: 3, output: 64, side: 224, kernel: 7, stride: 2 },
  { name: "first of SENet-154: 3 to 64", input: 3, output: 64, side: 224, kernel: 3, stride: 2 },
  { name: "1x1 at stride 2: 256 to 512", input: 256, output: 512, side: 56, kernel: 1, stride: 2 },
  { name: "1x1 at stride 2: 1024 to 2048", input: 1024, output: 2048, side: 14, kernel: 1, stride: 2 },
  { name: "groups of 4, 32 of them", input: 128, output: 128, side: 56, kernel: 3, stride: 1, groups: 32 },
  { name: "the same, 4 in one", input: 128, output: 128, side: 56, kernel: 3, stride: 1, groups: 32, merge: 4 },
  { name: "groups of 8, 32 of them", input: 256, output: 256, side: 28, kernel: 3, stride: 1, groups: 32 },
  { name: "the same, 2 in one", input: 256, output: 256, side: 28, kernel: 3, stride: 1, groups: 32, merge: 2 },
  { name: "groups of 16, 32 of them", input: 512, output: 512, side: 14, kernel: 3, stride: 1, groups: 32 },
  {
    name: "SENet-154: groups of 4 to 4, 64",
    input: 256,
    output: 256,
    side: 56,
    kernel: 3,
    stride: 1,
    groups: 64,
    merge: 4,
  },
];

const forms = ["blocks", "channelsLast", "any"] as const;
const passes = ["forward", "backwardData", "backwardWeights"] as const;

/** A primitive's arguments, by pass. */
const argumentsOf = {
  forward: [Arg.src, Arg.weights, Arg.dst],
  backwardData: [Arg.diffSrc, Arg.weights, Arg.diffDst],
  backwardWeights: [Arg.src, Arg.diffWeights, Arg.diffDst],
} as const;
const queriesOf = {
  forward: [Query.src, Query.weights, Query.dst],
  backwardData: [Query.diffSrc, Query.weights, Query.diffDst],
  backwardWeights: [Query.src, Query.diffWeights, Query.diffDst],
} as const;

const { values } = parseArgs({
  options: { batch: { type: "string", default: "8" }, runs: { type: "string", default: "5" } },
});
const [batch, runs] = [whole("batch", values.batch), whole("runs", values.runs)];
setThreads(1);
const library = onednnLibrary();

/** Memory to which the library has addresses. */
const held: Uint8Array[] = [];

interface Measured {
  readonly gflops: number;
  readonly implementation: string;
}

function measure(
  api: Api,
  one: Case,
  form: (typeof forms)[number],
  type: ElementType,
  pass: (typeof passes)[number],
): Measured | undefined {
  const { input, output, side, kernel, stride, groups = 1, merge = 1 } = one;
  const out = Math.ceil(side / stride);
  const layout = (shape: readonly number[]): Layout =>
    form === "any" ? "any" : layoutOf(shape, { layout: form, block: api.block });
  const like = (shape: readonly number[]) => {
    const wanted = layout(shape);
    return api.describe(shape, type, wanted === "plain" ? "any" : wanted);
  };
  const [from, to] = [
    [batch, input, side, side],
    [batch, output, out, out],
  ];
  const parts = groups / merge;
  const dims = [...(parts === 1 ? [] : [parts]), output / parts, input / parts, kernel, kernel];
  const pad = (kernel - 1) >> 1;
  const spec = {
    primitive: "convolution",
    src: like(from),
    dst: like(to),
    window: { strides: [stride, stride], padLow: [pad, pad], padHigh: [pad, pad] },
  } as const;
  const weights = (of: ElementType) => api.describe(dims, of, "any");
  const hint = api.primitiveIfServed("hint", { ...spec, pass: "forward", weights: weights(type) });
  const wants = { ...spec, pass, weights: weights(pass === "backwardWeights" ? "f32" : type) } as const;
  const primitive = hint && (pass === "forward" ? hint : api.primitiveIfServed("c", wants, hint));
  if (primitive === undefined) return undefined;
  const descs = queriesOf[pass].map((what, i) =>
    api.query(primitive, what, {
      dims: [from, dims, to][i]!,
      type: i === 1 && pass === "backwardWeights" ? "f32" : type,
    }),
  ) as Desc[];
  const memory = descs.map((desc) => new Uint8Array(api.sizeOf(desc) + 64));
  const call = api.call(
    primitive,
    new Map(argumentsOf[pass].map((arg, i) => [arg, api.memory(descs[i]!, aligned(memory[i]!))])),
  );
  const implementation = api.implementation(primitive);
  // Reference code would take minutes and is not of interest.
  if (gradeOf(implementation) === Grade.reference) return { gflops: 0, implementation };
  const times = Array.from({ length: runs }, () => milliseconds(call)).sort((x, y) => x - y);
  const multiplied = batch * output * out * out * (input / groups) * kernel ** 2;
  held.push(...memory);
  return { gflops: (2e-6 * multiplied) / times[times.length >> 1]!, implementation };
}

/** The first address that starts a cache line. */
function aligned(bytes: Uint8Array): bigint {
  const address = memoryAddress(bytes);
  return address + ((64n - (address % 64n)) % 64n);
}

function milliseconds(run: () => number): number {
  const before = process.cpuUsage();
  const status = run();
  if (status !== 0) throw new Error(`oneDNN failed with status ${status}`);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

/** By form and pass. */
type Forms = Record<(typeof forms)[number], Record<(typeof passes)[number], Measured | undefined>>;

const results: { readonly case: string; readonly type: ElementType; readonly forms: Forms }[] = [];
for (const type of hasBf16() ? (["f32", "bf16"] as const) : (["f32"] as const)) {
  for (const one of cases) {
    const inForm = (form: (typeof forms)[number]) => {
      const api = openApi(library);
      const found = passes.map((pass) => [pass, measure(api, one, form, type, pass)] as const);
      api.dispose();
      held.length = 0;
      return [form, Object.fromEntries(found)] as const;
    };
    results.push({ case: one.name, type, forms: Object.fromEntries(forms.map(inForm)) as Forms });
  }
}
const shown = (found: Measured | undefined): string =>
  found === undefined ? "-" : found.gflops === 0 ? "ref" : found.gflops.toFixed(0);
const { processor, instruction_sets } = machine();
const version = formatVersion(library.version);
console.log(`${processor} (${instruction_sets.join(", ")}), oneDNN ${version}, batch ${batch}\n`);
console.log(
  table(
    ["convolution", "type", ...forms],
    results.map(({ case: name, type, forms: found }) => [
      ...[name, type],
      ...forms.map((form) => passes.map((pass) => shown(found[form][pass])).join(" / ")),
    ]),
  ),
);
console.log(JSON.stringify({ bench: "convolutions", oneDNN: version, batch, runs, results, machine: machine() }));
