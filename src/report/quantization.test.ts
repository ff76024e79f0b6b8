import assert from "node:assert/strict";
import { test } from "node:test";
import { renderQuantization } from "./quantization.ts";

const row = (name: string, weights: number, divergence: number, isFloat: boolean) =>
  ({ name, op: "conv2d", weights, divergence, isFloat }) as const;

test("the page says what was lost, layer by layer, and nothing breaks out of its text", () => {
  const page = renderQuantization({
    ...{ name: "<int8>.safetensors", model: "se-resnet-50", method: "mse", images: 256 },
    ...{ float: 22.5, int8: 22.75, checked: 1024 },
    rows: [row("conv1", 9408, 0.004, true), row("layer1.0.conv1", 28_224, 0.0001, false)],
  });
  for (const text of [
    "22.75 %",
    "22.50 % in float32",
    "0.25 points",
    "on 1,024 pictures",
    "1 of 2",
    "75.0 % of the weights",
  ])
    assert.ok(page.includes(text), text);
  assert.ok(page.includes("&lt;int8&gt;.safetensors") && !page.includes("<int8"));
  assert.match(
    page,
    /<th>conv1<\/th><td>conv2d<\/td><td>9,408<\/td><td>4<\/td>\s*<td>.*class="kept" width="160".*float32/,
  );
  assert.match(page, /<th>layer1\.0\.conv1<\/th>.*<td>0\.1<\/td>\s*<td>.*class="taken" width="4".*int8/);
});
