import assert from "node:assert/strict";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, beforeEach, test } from "node:test";
import { temporaryFolder } from "../../../tests/command.ts";
import { onednnOrReason } from "../../../tests/onednn.ts";
import { differentiate } from "../../autodiff/differentiate.ts";
import { inEightBits } from "../../evaluate/speed.node.ts";
import { GraphBuilder } from "../../ir/builder.ts";
import { inferencePasses, runPasses } from "../../passes/index.ts";
import { initialWeights } from "../../weights/init.ts";
import { inferenceGraph, lossGraph, model } from "../../zoo/index.ts";
import { onednnLibrary } from "./engine.node.ts";
import { candidates, formatVersion, hasIsa, type Library, versionFor } from "./library.node.ts";
import { countedReorders, timedReorders } from "./measuring.node.ts";
import { allFound, type Found, forget, summariesOf, tell } from "./tuned.node.ts";
import {
  chooseWay,
  fastest,
  layoutServed,
  leastReordered,
  measuredWay,
  possibleWays,
  type Question,
} from "./tuning.node.ts";

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
    /^se-resnet-8, 1x3x8x8, inference in f32, 1 thread: oneDNN \d\.\S+ (in blocks|channels last), \S+ ms( and no reorders| and \d+ reorders? of \S+ MB in \S+ ms)?; oneDNN /;
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
    ...{ plans: 4, processor: "p", graph, input: [batch, 3, 8, 8], purpose: "inference", type: "f32", threads: 1 },
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

/** Three convolutions of 24 channels, which no blocks of 16 hold, or of as many as wanted. */
function convolutions(channels = 24) {
  const builder = new GraphBuilder("odd");
  let x = builder.input("x", [2, 3, 12, 12]);
  for (const [i, from] of [3, channels, channels].entries()) {
    const w = builder.parameter(`w${i}`, [channels, from, 3, 3], "weight");
    x = builder.apply(
      "relu",
      `relu${i}`,
      [builder.apply("conv2d", `y${i}`, [x, w], { stride: 1, pad: 1, groups: 1 })],
      {},
    );
  }
  builder.output("mean", builder.apply("globalAvgPool", "mean", [x], {}));
  return builder.build();
}

test("what a layout has to reorder is counted in the whole plan, and decides where nothing is measured", {
  skip,
}, (t) => {
  const odd = question({ graph: convolutions() });
  const ways = possibleWays(odd);
  if (ways.length === 1) return t.skip("the library has one layout here");
  const [blocks, last] = ways.map((way) => countedReorders(way, odd.graph, odd.type));
  if (!hasIsa(ways[0]!.library.isa, "avx512")) return t.skip("blocks of 8 hold them");
  // Into and out of each but the first convolution; with channels last at most around the first.
  assert.ok(
    blocks!.count >= 4 && last!.count <= 2,
    `${blocks!.count} reorders in blocks, ${last!.count} with channels last`,
  );
  assert.ok(blocks!.bytes > 2 * last!.bytes && blocks!.bytes >= 4 * 4 * 2 * 24 * 12 * 12);
  assert.equal(leastReordered(odd, ways).layout, "channelsLast");
  assert.equal(chooseWay(odd).layout, "channelsLast");
  assert.deepEqual(allFound(), [], "nothing was measured");
  const even = question({ graph: convolutions(32) });
  assert.equal(countedReorders(ways[0]!, even.graph, even.type).count, 0);
  assert.equal(chooseWay(even).layout, "blocks");
  assert.ok(timedReorders(ways[0]!, odd.graph, odd.type).milliseconds > 0);
});

test("reorders count where a choice is measured, for ways whose convolutions alone are fast enough", { skip }, () => {
  const asked = (convolutions: readonly number[], reorders: readonly number[]) => {
    const counted: number[] = [];
    const { chosen } = fastest(convolutions, (way) => {
      counted.push(way);
      return { milliseconds: reorders[way]! };
    });
    return [chosen, counted];
  };
  assert.deepEqual(asked([10, 9.9], [0, 0]), [0, [0]], "not worth the change");
  assert.deepEqual(asked([10, 8], [0, 0]), [1, [0, 1]]);
  assert.deepEqual(asked([10, 8], [0, 1]), [0, [0, 1]], "its reorders make it slower");
  assert.deepEqual(asked([10, 9.9], [5, 0]), [1, [0, 1]], "those of the usual way do");
  assert.deepEqual(asked([10, 12, 9, 8], [5, 0, 1, 4]), [2, [0, 1, 2, 3]]);
  const odd = question({ graph: convolutions() });
  measuredWay(odd);
  const [found] = allFound();
  const { count, bytes } = countedReorders(possibleWays(odd)[0]!, odd.graph, odd.type);
  const { milliseconds, ...counted } = found!.ways[0]!.reorders!;
  assert.deepEqual(counted, { count, bytes });
  assert.ok(count === 0 || milliseconds > 0);
  if (count > 0) assert.match(tell(found!), / ms and \d+ reorders? of \S+ MB in \S+ ms/);
});

test("a measurement holds for any number of classes, but not for other pictures", { skip }, () => {
  const graphOf = (classes: number, imageSize = 8) =>
    inferenceGraph(model("se-resnet-8", classes), { batch: 1, imageSize });
  for (const graph of [graphOf(4), graphOf(10)]) measuredWay(question({ graph }));
  assert.equal(allFound().length, 1);
  measuredWay(question({ graph: graphOf(4, 12) }));
  assert.equal(allFound().length, 2);
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
