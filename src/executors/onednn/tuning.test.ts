import assert from "node:assert/strict";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, beforeEach, test } from "node:test";
import { temporaryFolder } from "../../../tests/command.ts";
import { onednnOrReason } from "../../../tests/onednn.ts";
import { differentiate } from "../../autodiff/differentiate.ts";
import { inEightBits } from "../../evaluate/speed.node.ts";
import { inferencePasses, runPasses } from "../../passes/index.ts";
import { initialWeights } from "../../weights/init.ts";
import { inferenceGraph, lossGraph, model } from "../../zoo/index.ts";
import { onednnLibrary } from "./engine.node.ts";
import { candidates, formatVersion, type Library, versionFor } from "./library.node.ts";
import { allFound, type Found, forget, summariesOf, tell } from "./tuned.node.ts";
import { chooseWay, layoutServed, measuredWay, possibleWays, type Question } from "./tuning.node.ts";

const reason = onednnOrReason("float32");
const skip = typeof reason === "string" && reason;

/** Of measurements, a cache of the test's own. */
const before = process.env.SENET_CACHE;
beforeEach(() => {
  process.env.SENET_CACHE = temporaryFolder();
});
after(() => {
  process.env.SENET_CACHE = before ?? "";
});

const question = (more: Partial<Question> = {}): Question => ({
  libraries: [onednnLibrary()],
  graph: inferenceGraph(model("se-resnet-8"), { batch: 1, imageSize: 8 }),
  type: "f32",
  threads: 1,
  layout: undefined,
  ...more,
});

/** The file that the only measurement is kept in. */
const onlyFile = (): string => {
  const names = readdirSync(process.env.SENET_CACHE!);
  assert.equal(names.length, 1);
  return join(process.env.SENET_CACHE!, names[0]!);
};

test("a layout is measured once for a graph, remembered, measured again where what is remembered is no good, and forgotten", {
  skip,
}, async () => {
  const asked = question();
  const ways = possibleWays(asked);
  assert.deepEqual(
    ways.map(({ layout }) => layout),
    ["blocks", "channelsLast"],
  );
  const way = measuredWay(asked);
  const [found] = allFound();
  assert.deepEqual(found!.ways[found!.chosen]!.layout, way.layout);
  assert.deepEqual([found!.graph, found!.purpose, found!.type, found!.threads], ["se-resnet-8", "inference", "f32", 1]);
  assert.deepEqual(
    found!.ways.map(({ library, layout }) => [library, layout]),
    [onednnLibrary()].flatMap(({ version }) => ways.map(({ layout }) => [formatVersion(version), layout])),
  );
  assert.ok(found!.ways.every(({ milliseconds }) => milliseconds > 0));
  const told =
    /^se-resnet-8, 1x3x8x8, inference in f32, 1 thread: oneDNN \d\.\S+ (in blocks|channels last), \S+ ms; oneDNN /;
  assert.match(tell(found!), told);
  const other = 1 - found!.chosen;
  writeFileSync(onlyFile(), JSON.stringify({ ...found, chosen: other }));
  assert.equal(measuredWay(asked).layout, ways[other]!.layout, "what is remembered is not measured again");
  for (const damaged of ["{", JSON.stringify({ ...found, chosen: 2 }), JSON.stringify({ ...found, plans: 1 })]) {
    writeFileSync(onlyFile(), damaged);
    assert.deepEqual(allFound(), []);
  }
  measuredWay(asked);
  const graph = differentiate(lossGraph(model("se-resnet-8"), { batch: 2, imageSize: 8 }));
  measuredWay(question({ graph }));
  assert.deepEqual(
    allFound()
      .map(({ purpose }) => purpose)
      .sort(),
    ["inference", "training"],
  );
  assert.equal(forget(), 2);
  assert.deepEqual(readdirSync(process.env.SENET_CACHE!), []);
});

test("of two versions the one that is measured to be faster computes, for each purpose and type by itself", {
  skip,
}, () => {
  const here = onednnLibrary();
  // As if it were another one: the same code under another number.
  const other: Library = { ...here, version: { ...here.version, minor: here.version.minor + 1 } };
  const asked = question({ libraries: [here, other], layout: "blocks" });
  const way = measuredWay(asked);
  assert.ok([here, other].includes(way.library) && way.layout === "blocks");
  const [found] = allFound();
  assert.deepEqual(
    found!.ways.map(({ library }) => library),
    [here, other].map(({ version }) => formatVersion(version)),
  );
  for (const [chosen, library] of [here, other].entries()) {
    writeFileSync(onlyFile(), JSON.stringify({ ...found, chosen }));
    assert.equal(measuredWay(asked).library, library);
  }
  // With one library less, that is another question.
  assert.equal(measuredWay({ ...asked, libraries: [here] }).library, here);
});

test("a processor of the same name with other instruction sets is another question", { skip }, () => {
  const here = onednnLibrary();
  const other: Library = { ...here, isa: here.isa | (2 ** 20) };
  for (const library of [here, other]) measuredWay(question({ libraries: [library] }));
  assert.equal(allFound().length, 2);
});

test("measurements are told together, network by network", () => {
  const [blocks, last] = (["blocks", "channelsLast"] as const).map((layout) => ({
    ...{ library: "2.6.3", layout, milliseconds: 1 },
  }));
  const one = (graph: string, chosen: number, batch: number): Found => ({
    ...{ plans: 3, processor: "p", graph, input: [batch, 3, 8, 8], purpose: "inference", type: "f32", threads: 1 },
    ...{ chosen, ways: [blocks!, last!] },
  });
  assert.deepEqual(summariesOf([one("a", 0, 1), one("b", 1, 1), one("b", 0, 2), one("b", 1, 3)]), [
    {
      graph: "b",
      count: 3,
      chosen: [
        ["oneDNN 2.6.3 channels last", 2],
        ["oneDNN 2.6.3 in blocks", 1],
      ],
    },
    { graph: "a", count: 1, chosen: [["oneDNN 2.6.3 in blocks", 1]] },
  ]);
});

test("a network in eight bits is measured in eight bits", { skip }, () => {
  const graph = inferenceGraph(model("se-resnet-8"), { batch: 1, imageSize: 8 });
  const program = runPasses({ graph, weights: initialWeights(graph, 0) }, inferencePasses);
  measuredWay(question({ graph: inEightBits(program).graph }));
  const [found] = allFound();
  assert.equal(found!.type, "int8");
  assert.ok(found!.ways.every(({ milliseconds }) => milliseconds > 0));
});

test("what is said by SENET_ONEDNN_LAYOUT is neither asked nor measured", { skip }, (t) => {
  t.after(() => {
    delete process.env.SENET_ONEDNN_LAYOUT;
  });
  for (const layout of ["blocks", "channelsLast"] as const) {
    process.env.SENET_ONEDNN_LAYOUT = layout;
    assert.equal(chooseWay(question()).layout, layout);
  }
  assert.deepEqual(allFound(), []);
  process.env.SENET_ONEDNN_LAYOUT = "channelslast";
  assert.throws(() => chooseWay(question()), /SENET_ONEDNN_LAYOUT=channelslast: .*\n.*blocks, channelsLast/);
});

test("where the library has only reference code for a layout, or tiles for one alone, nothing is measured", () => {
  const served = (blocks: string | undefined, last: string | undefined) => layoutServed(blocks, last);
  assert.equal(served("jit:avx512_core", "ref:any"), "blocks");
  assert.equal(served("jit:avx512_core", undefined), "blocks");
  assert.equal(served("gemm:ref", "brgconv:avx2"), "channelsLast");
  assert.equal(served("jit_bf16:avx512_core_bf16", "brgconv:avx512_core_amx_bf16"), "channelsLast");
  assert.equal(served("jit_int8:avx512_core_amx", "brgconv:avx512_core_bf16"), "blocks");
  assert.equal(served("brgconv:avx10_1_512_amx", "brgconv:avx10_1_512_amx"), undefined);
  assert.equal(served("jit:avx512_core", "brgconv:avx512_core"), undefined);
});

test("version 3 is looked for first where its tiles are wanted, else version 2", () => {
  const [avx512, amx] = [0xe7, 0xfef];
  assert.deepEqual(
    [versionFor("f32", amx), versionFor("bf16", avx512), versionFor("bf16", amx), versionFor("s8", amx)],
    [2, 2, 3, 3],
  );
  assert.equal(candidates(2)[0], "libdnnl.so.2");
  assert.equal(candidates(3)[0], "libdnnl.so.3");
  assert.deepEqual([...candidates(2)].sort(), [...candidates(3)].sort());
});
