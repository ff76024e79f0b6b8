/** docs/scaling.md has what the cost model makes of the measurements beside it, and the model is as good as it was to be. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { runNode } from "./command.ts";
import { root } from "./support.ts";

interface Result {
  readonly checks: readonly {
    readonly workload: string;
    readonly measured: { readonly summed: number };
    readonly predicted: { readonly summed: number };
  }[];
  readonly computed: readonly { readonly computeMs: number; readonly kept: readonly number[] }[];
}

const shown = (ms: number): string => ms.toFixed(ms < 100 ? 1 : 0);

test("steps on two hosts are predicted within 20 %, and the tables are those that the script computes", async () => {
  const measured = join(root, "docs/results/scaling.json");
  const bench = join(root, "dist", "bench", "scaling.js");
  const { code, stdout, stderr } = await runNode([bench, "--measured", measured]);
  assert.equal(code, 0, stderr);
  const line = stdout.split("\n").find((each) => each.startsWith("{")) ?? assert.fail(stdout);
  const { checks, computed } = JSON.parse(line) as Result;
  const page = readFileSync(join(root, "docs/scaling.md"), "utf8");
  assert.equal(checks.length, 9);
  for (const { workload, measured: found, predicted } of checks) {
    const off = predicted.summed / found.summed - 1;
    assert.ok(Math.abs(off) <= 0.2, `${workload}: ${off}`);
    const percent = `${(100 * off).toFixed(0)} %`.replace("-", "−");
    const cells = `| ${shown(found.summed)} | ${shown(predicted.summed)} | ${percent} |`;
    assert.ok(page.includes(cells), `${workload}: ${cells}`);
  }
  assert.equal(computed.length, 18);
  for (const { computeMs, kept } of computed) {
    const row = `| ${computeMs} | ${kept.map((part) => `${(100 * part).toFixed(0)} %`).join(" | ")} |`;
    assert.ok(page.includes(row), row);
  }
});
