import assert from "node:assert/strict";
import { test } from "node:test";
import { createRandom } from "../random.ts";
import { zeros } from "../tensor.ts";
import { trainingConfig } from "./config.ts";
import { beginWithPatches, startOf } from "./start.ts";

const labels = ["cat", "dog"];

async function* pictures() {
  for (let batch = 0; ; batch++) {
    const images = zeros("float32", [64, 3, 32, 32]);
    const random = createRandom(7, batch);
    images.data.forEach((_, i) => {
      images.data[i] = random.normal();
    });
    yield { images };
  }
}

test("patch initialisation sets the first convolution of fresh weights and nothing else, from so many pictures as it needs", async () => {
  const config = trainingConfig({ model: "se-resnet-20", patchInit: true });
  const [plain, first, again] = await Promise.all(
    [false, true, true].map(async (patchInit) => {
      const start = startOf({ config, labels });
      await beginWithPatches(start, { config: { ...config, patchInit }, batches: pictures });
      return start.weights;
    }),
  );
  const changed = [...plain!].filter(([name, { data }]) => data.some((v, i) => v !== first!.get(name)!.data[i]));
  assert.deepEqual(
    changed.map(([name]) => name),
    ["conv1.weight"],
  );
  assert.deepEqual(again, first);
});

test("weights that have learnt before keep their first convolution", async () => {
  const config = trainingConfig({ model: "se-resnet-20", patchInit: true, weights: "some.safetensors" });
  const start = startOf({ config, labels });
  const before = structuredClone(start.weights);
  await beginWithPatches(start, { config, batches: pictures });
  assert.deepEqual(start.weights, before);
});
