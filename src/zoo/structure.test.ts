import assert from "node:assert/strict";
import { test } from "node:test";
import type { LayerConfig } from "./layer.ts";
import { placesOf } from "./structure.ts";

type Kind = LayerConfig["kind"];
/** `a relu image`: a layer, its kind and its inputs, and after `/` the side of its picture, 8 by default. */
function places(...lines: string[]): Record<string, string> {
  const sizes = new Map<string, number>();
  const layers = lines.map((line) => {
    const [text, side] = line.split(" / ");
    const [name, kind, ...inputs] = text!.split(" ");
    sizes.set(name!, Number(side ?? 8));
    // What else a layer is given says nothing of its place.
    return { name: name!, kind: kind as Kind, inputs } as LayerConfig;
  });
  return Object.fromEntries(
    [...placesOf(layers, sizes)].map(([name, { block, tag }]) => [
      name,
      [block && `${block.name}:${block.stage}`, tag].filter(Boolean).join(" "),
    ]),
  );
}

test("a chain has no blocks; its classifier is the last layer, and what that sees is told from dropout and flattening", () => {
  const chain = ["c conv image", "r relu c", "p globalAvgPool r", "f flatten p"];
  assert.deepEqual(places(...chain, "d dropout f", "fc linear d"), { f: "features", fc: "head" });
  assert.deepEqual(places(...chain, "fc linear f", "d dropout fc"), { f: "features", fc: "head" });
  assert.deepEqual(places(...chain, "fc1 linear f", "r2 relu fc1", "fc2 linear r2"), { r2: "features", fc2: "head" });
  // Classified by a convolution.
  assert.deepEqual(places(...chain), {});
});

test("residual blocks end in their sums and the ReLUs after them; a change of size begins a stage", () => {
  const found = places(
    ...["stem conv image", "pool maxPool stem", "a1 conv pool", "a2 conv a1", "sum1 add a2 pool", "r1 relu sum1"],
    ...["b1 conv r1 / 4", "short conv r1 / 4", "sum2 add b1 short / 4", "r2 relu sum2 / 4", "down conv r2 / 2"],
    // A ReLU that follows no block is of none.
    ...["r3 relu down / 2", "c1 conv r3 / 2", "sum3 add c1 r3 / 2"],
  );
  const block = (name: string, ...layers: string[]) => Object.fromEntries(layers.map((layer) => [layer, name]));
  assert.deepEqual(found, {
    ...block("sum1:1", "a1", "a2", "sum1", "r1"),
    ...block("sum2:2", "b1", "short", "sum2", "r2"),
    ...block("sum3:3", "c1", "sum3"),
  });
});

test("a gate is of the block that it follows, or is one; a block with sums within it is named after the last", () => {
  const gate = (from: string, n: number) => [
    ...[`q${n} globalAvgPool ${from}`, `d${n} conv q${n}`, `dr${n} relu d${n}`, `u${n} conv dr${n}`],
    ...[`g${n} sigmoid u${n}`, `x${n} seScale g${n} ${from}`],
  ];
  const found = places(
    "c conv image",
    ...gate("c", 1),
    ...["left conv x1", "right conv x1", "cat concat left right"],
    ...gate("cat", 2),
    ...["e conv x2", "inner add e x2", "outer add inner x2"],
  );
  assert.deepEqual(
    [found.q1, found.g1, found.x1, found.left, found.q2, found.u2, found.g2, found.x2, found.inner],
    [
      "x1:1 se.squeeze",
      "x1:1 se.gate",
      "x1:1",
      "cat:1",
      "cat:1 se.squeeze",
      "cat:1",
      "cat:1 se.gate",
      "cat:1",
      "outer:1",
    ],
  );
  assert.equal(found.c, undefined);
});

test("a sigmoid that gates nothing is no gate, and a gate without a mean before it has no squeeze", () => {
  assert.deepEqual(places("s sigmoid image", "x conv s"), {});
  const found = places("p maxPool image", "s sigmoid p", "x seScaleAdd s image image");
  assert.deepEqual(found, { p: "x:1", s: "x:1 se.gate", x: "x:1" });
});

test("what nothing uses keeps no block open", () => {
  const found = places("unused conv image", "a conv image", "b conv a", "sum add a b", "c conv sum", "d add c sum");
  assert.deepEqual([found.b, found.sum, found.c, found.d], ["sum:1", "sum:1", "d:1", "d:1"]);
});
