import assert from "node:assert/strict";
import { test } from "node:test";
import { assertClose } from "../../tests/support.ts";
import { lossGraph, model } from "../zoo/index.ts";
import { layerRates } from "./layer-decay.ts";

test("each block has a factor more of its rate than the one before it, as in timm", () => {
  const graph = lossGraph(model("se-resnet-14", 3), { batch: 2, imageSize: 16 });
  const rate = layerRates(graph, 0.5);
  const found = Object.fromEntries(graph.parameters.map((parameter) => [parameter.name, rate(parameter)]));
  // timm.optim.optim_factory.param_groups_layer_decay: the stem, six blocks, the classifier.
  const expected: Readonly<Record<string, number>> = {
    ...{ "conv1.weight": 0.5 ** 7, "bn1.bias": 0.5 ** 7, "layer1.0.conv1.weight": 0.5 ** 6 },
    ...{ "layer1.1.se.fc1.weight": 0.5 ** 5, "layer2.0.downsample.0.weight": 0.5 ** 4, "layer3.1.bn2.weight": 0.5 },
    ...{ "fc.weight": 1, "fc.bias": 1 },
  };
  for (const [name, value] of Object.entries(expected)) assertClose([found[name]!], [value], 1e-12, name);
  assert.equal(new Set(Object.values(found)).size, 8);
});
