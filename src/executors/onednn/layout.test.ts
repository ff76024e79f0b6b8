import assert from "node:assert/strict";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../../../tests/command.ts";
import { onednnOrReason } from "../../../tests/onednn.ts";
import { differentiate } from "../../autodiff/differentiate.ts";
import { inferenceGraph, lossGraph, model } from "../../zoo/index.ts";
import { measuredLayouts } from "../select.node.ts";
import { onednnLibrary, openApi } from "./engine.node.ts";
import { chooseLayout, forgetLayouts, foundLayouts, layoutServed, measuredLayout } from "./layout.node.ts";
import { candidates, versionFor } from "./library.node.ts";

const reason = onednnOrReason("float32");
const skip = typeof reason === "string" && reason;

test("a layout is measured once for a graph, remembered, measured again where what is remembered is no good, and forgotten", {
  skip,
}, async (t) => {
  const before = { ...process.env };
  t.after(() => Object.assign(process.env, { SENET_CACHE: before.SENET_CACHE ?? "" }));
  const cache = temporaryFolder();
  process.env.SENET_CACHE = cache;
  const api = openApi();
  t.after(() => api.dispose());
  const graph = inferenceGraph(model("se-resnet-8"), { batch: 1, imageSize: 8 });
  const question = { api, library: onednnLibrary(), graph, type: "f32", threads: 1 } as const;
  const layout = measuredLayout(question);
  const [found] = foundLayouts();
  assert.deepEqual([found!.layout, found!.graph, found!.library], [layout, graph.name, api.version]);
  assert.ok(found!.milliseconds.blocks > 0 && found!.milliseconds.channelsLast > 0);
  const { lines } = await measuredLayouts();
  assert.match(lines[0]!, /^se-resnet-8 on oneDNN \d\.\S+ in f32, 1 threads: (in blocks|channels last), \S+ ms, /);
  const file = join(cache, readdirSync(cache)[0]!);
  const other = layout === "blocks" ? "channelsLast" : "blocks";
  writeFileSync(file, JSON.stringify({ ...found, layout: other }));
  assert.equal(measuredLayout(question), other, "what is remembered is not measured again");
  writeFileSync(file, "{");
  assert.deepEqual(foundLayouts(), []);
  measuredLayout(question);
  const training = differentiate(lossGraph(model("se-resnet-8"), { batch: 2, imageSize: 8 }));
  measuredLayout({ ...question, graph: training });
  assert.equal(foundLayouts().length, 2, "training is another question");
  assert.equal(forgetLayouts(), 2);
  assert.deepEqual(readdirSync(cache), []);
});

test("what is said by SENET_ONEDNN_LAYOUT is neither asked nor measured", { skip }, async (t) => {
  t.after(() => {
    delete process.env.SENET_ONEDNN_LAYOUT;
  });
  const api = openApi();
  t.after(() => api.dispose());
  const graph = inferenceGraph(model("se-resnet-8"), { batch: 1, imageSize: 8 });
  for (const layout of ["blocks", "channelsLast"] as const) {
    process.env.SENET_ONEDNN_LAYOUT = layout;
    assert.equal(chooseLayout({ api, library: onednnLibrary(), graph, type: "f32", threads: 1 }), layout);
  }
});

test("where the library has only reference code for a layout, or tiles for one alone, nothing is measured", () => {
  const served = (blocks: string | undefined, last: string | undefined) => layoutServed(blocks, last);
  assert.equal(served("jit:avx512_core", "ref:any"), "blocks");
  assert.equal(served("jit:avx512_core", undefined), "blocks");
  assert.equal(served("gemm:ref", "brgconv:avx2"), "channelsLast");
  assert.equal(served("jit_bf16:avx512_core_bf16", "brgconv:avx512_core_amx_bf16"), "channelsLast");
  assert.equal(served("jit:avx512_core", "brgconv:avx512_core"), undefined);
});

test("version 3 is looked for first where its tiles are wanted, else version 2", () => {
  const [avx512, amx] = [0xe7, 0xfef];
  assert.deepEqual([versionFor("float32", amx), versionFor("bf16", avx512), versionFor("bf16", amx)], [2, 2, 3]);
  assert.equal(candidates(2)[0], "libdnnl.so.2");
  assert.equal(candidates(3)[0], "libdnnl.so.3");
  assert.deepEqual([...candidates(2)].sort(), [...candidates(3)].sort());
});
