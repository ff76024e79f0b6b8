import assert from "node:assert/strict";
import { test } from "node:test";
import { assertClose } from "../../../tests/support.ts";
import { orthogonal } from "../../optim/orthogonal.ts";
import { createRandom } from "../../random.ts";
import type { Api } from "./api.node.ts";
import { openApi } from "./engine.node.ts";
import { Orthogonal } from "./orthogonal.node.ts";
import { PlanBuilder } from "./plan.node.ts";

function open(): Api | string {
  try {
    return openApi();
  } catch (error) {
    return String(error);
  }
}

const api = open();
const skip = typeof api === "string" && api;

test("onednn: matrices become orthogonal as by the plain iteration, wide, tall, tiny, and zero", { skip }, () => {
  const plan = new PlanBuilder(api as Api, "blocks");
  const own = new Orthogonal(plan);
  const random = createRandom(5);
  const shapes = [
    ...[
      [1, 1],
      [3, 4],
      [16, 27],
      [32, 5],
      [32, 144],
      [64, 16],
    ],
    // Of one side: they share memory.
    ...[
      [144, 32],
      [16, 16],
    ],
  ] as [number, number][];
  const runs = shapes.map(([rows, columns], i) => {
    const x = Float32Array.from({ length: rows * columns }, () => (i === 1 ? 0 : random.normal()));
    const y = new Float32Array(x.length);
    const desc = plan.describe([rows, columns], "f32", "plain");
    own.run(`${rows}×${columns}`, plan.fixed(desc, x), plan.fixed(desc, y), 0.2);
    return { rows, columns, x, y };
  });
  for (const { run, name } of plan.bind().aside.update) assert.equal(run(), 0, name);
  for (const { rows, columns, x, y } of runs) {
    assertClose(y, orthogonal(x, rows, columns, 0.2), 1e-4, `${rows}×${columns}`);
  }
});

test.after(() => typeof api !== "string" && api.dispose());
