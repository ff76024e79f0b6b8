import assert from "node:assert/strict";
import { test } from "node:test";
import { GraphBuilder } from "./builder.ts";
import { deadAfter } from "./lifetimes.ts";
import { GraphUses, liveNodes } from "./uses.ts";

/** `square = x + x`, `y = relu(square)`, a node that nothing needs, and `square` as a second output. */
function sketch() {
  const builder = new GraphBuilder("sketch");
  const x = builder.input("x", [2]);
  const square = builder.apply("add", "square", [x, x], {});
  const y = builder.apply("relu", "y", [square], {});
  const spare = builder.apply("sigmoid", "spare", [y], {});
  builder.output("y", y);
  builder.output("square", square);
  return { graph: builder.build(), x, square, y, spare };
}

test("makers, users and reads of a value", () => {
  const { graph, x, square, y } = sketch();
  const uses = new GraphUses(graph);
  assert.equal(uses.maker(square, "add")?.name, "square");
  assert.equal(uses.maker(square, "relu"), undefined);
  assert.equal(uses.maker(x, "add"), undefined);
  assert.deepEqual(
    uses.users(x).map(({ name }) => name),
    ["square"],
  );
  assert.deepEqual([uses.reads(x), uses.reads(square), uses.reads(y)], [2, 2, 2]);
  assert.equal(uses.onlyUser(x, "add")?.name, "square");
  assert.equal(uses.onlyUser(square, "relu"), undefined, "it is an output too");
});

test("only what the results depend on is live", () => {
  const { graph, square } = sketch();
  const names = (nodes: readonly { name: string }[]) => nodes.map(({ name }) => name);
  assert.deepEqual(names(liveNodes(graph)), ["square", "y"]);
  assert.deepEqual(names(liveNodes(graph, [square])), ["square"]);
});

test("values die after their last use, results never", () => {
  const { graph, x, spare } = sketch();
  assert.deepEqual(deadAfter(graph), [[x], [], [spare]]);
});
