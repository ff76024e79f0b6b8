import assert from "node:assert/strict";
import { test } from "node:test";
import { formulaPictures, formulaWeights } from "../../../tests/formula.ts";
import { onednnOrReason } from "../../../tests/onednn.ts";
import { assertClose, isThorough } from "../../../tests/support.ts";
import { inEightBits } from "../../evaluate/speed.node.ts";
import { inferencePasses, type Program, runPasses } from "../../passes/index.ts";
import { sizeOf } from "../../tensor.ts";
import { inferenceGraph, lossGraph, model } from "../../zoo/index.ts";
import { hasBf16, openApi } from "./engine.node.ts";
import { fuse } from "./fusion.ts";
import { type LowerOptions, lower } from "./lower.node.ts";
import { tilesOf } from "./tiles.ts";

const inBlocks = { layout: "blocks", block: 16 } as const;
const mebibyte = 2 ** 20;

const fused = (name: string, batch: number) => fuse(inferenceGraph(model(name), { batch, imageSize: 224 }), inBlocks);

test("a batch of SE-ResNet-50 runs two pictures at a time up to where weights are larger than values", () => {
  const tiles = tilesOf(fused("se-resnet-50", 8), "f32", 32 * mebibyte)!;
  assert.equal(tiles.parts, 4);
  assert.ok(tiles.nodes.every(({ outputs }) => outputs[0]!.type.shape[0] === 2));
  const last = tiles.nodes.at(-1)!.name;
  assert.match(last, /^layer3\.0\./);
  assert.ok(tiles.rest.some(({ name }) => name === "layer3.0.conv2"));
  assert.equal(tiles.entering.size, 1);
  // In bf16 twice as many pictures have room.
  assert.equal(tilesOf(fused("se-resnet-50", 8), "bf16", 32 * mebibyte)!.parts, 2);
  // Of seven pictures one at a time.
  assert.equal(tilesOf(fused("se-resnet-50", 7), "f32", 32 * mebibyte)!.parts, 7);
});

test("what has room in the cache, single pictures and training are not run in parts", () => {
  assert.equal(tilesOf(fused("se-resnet-50", 8), "f32", 128 * mebibyte), undefined);
  assert.equal(tilesOf(fused("se-resnet-50", 1), "f32", mebibyte), undefined);
  const training = fuse(lossGraph(model("se-resnet-8"), { batch: 8, imageSize: 32 }), inBlocks);
  assert.equal(tilesOf(training, "f32", 1024), undefined);
});

const reason = onednnOrReason("float32");
const skip = typeof reason === "string" && reason;
const batch = 6;

type Kind = Pick<LowerOptions, "type" | "layout"> & { readonly program: Program };

/** The logits and the arena of a plan for a cache of so many bytes. */
function ran({ graph, weights }: Program, options: Pick<LowerOptions, "type" | "layout" | "cache">) {
  const api = openApi();
  try {
    const { plan, inputs, outputs } = lower(api, graph, weights, { live: false, ...options });
    const [input] = inputs.values();
    const side = graph.inputs[0]!.type.shape[2]!;
    input!.set(formulaPictures(batch, side, 0).data);
    for (const { run } of [...plan.aside.load, ...plan.steps]) run();
    const [output] = outputs.values();
    return { logits: Float32Array.from(output!.data), arena: plan.arenaBytes, steps: plan.steps.length };
  } finally {
    api.dispose();
  }
}

function sameInParts(name: string, side: number, kindsOf: (program: Program) => readonly Kind[]): void {
  test(`${name}: parts of a batch give what the batch gives`, { skip }, () => {
    const graph = inferenceGraph(model(name, 10), { batch, imageSize: side });
    const folded = runPasses({ graph, weights: formulaWeights(graph) }, inferencePasses);
    for (const { program, ...kind } of kindsOf(folded)) {
      const whole = ran(program, kind);
      for (const cache of [1, cacheForTwo(program.graph)]) {
        const parts = ran(program, { ...kind, cache });
        const what = `${kind.type}, ${kind.layout}, ${cache} bytes`;
        if (cache === 1) assert.ok(parts.steps > whole.steps && parts.arena < whole.arena, what);
        assertClose(parts.logits, whole.logits, kind.type === "f32" ? 1e-5 : 1e-2, what);
      }
    }
  });
}

sameInParts("se-resnet-8", 16, (program) => [
  { type: "f32", layout: "blocks", program },
  { type: "f32", layout: "channelsLast", program },
  { type: "f32", layout: "blocks", program: inEightBits(program) },
  ...(hasBf16() ? [{ type: "bf16", layout: "blocks", program } as const] : []),
]);
// A network whose branches join again.
if (isThorough) sameInParts("se-bn-inception", 48, (program) => [{ type: "f32", layout: "blocks", program }]);

/** A cache for two pictures, in float32. */
function cacheForTwo({ nodes }: Program["graph"]): number {
  const sizes = nodes.map(({ inputs, outputs }) => sizeOf(inputs[0]!.type.shape) + sizeOf(outputs[0]!.type.shape));
  return (4 * 4 * Math.max(...sizes)) / batch;
}
