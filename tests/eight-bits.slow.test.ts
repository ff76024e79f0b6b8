/** What eight bits cost: the network in the package, on pictures that it has not seen, and one as large as those released. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { load } from "../src/api/network.node.ts";
import { runNode, temporaryFolder } from "./command.ts";
import { needsShared, root, sharedData } from "./support.ts";

const pictures = "imagenette-224.tar";

test("the network in the package loses at most half a point in eight bits", needsShared(pictures), async () => {
  await using network = await load("imagenette", { executor: "ort" });
  const options = { images: 64, checkImages: 512, workers: 1 };
  const made = await network.quantize(sharedData(pictures), options);
  assert.equal(made.checked, 512);
  assert.ok(made.float < 12, `${made.float} % in float32`);
  assert.ok(made.int8 - made.float <= 0.5, `${made.int8} %, in float32 ${made.float} %`);
  assert.ok(made.rows.every(({ isFloat }) => !isFloat));
  // Compared with ONNX Runtime's own answers: other engines round here and there otherwise.
  const { difference } = await made.network.exportOnnx(join(temporaryFolder(), "int8.onnx"));
  assert.ok(difference! < 1e-4, `${difference}`);
  await made.network.dispose();
});

test(
  "SE-ResNet-50, fitted to tell photographs apart, does so in eight bits",
  needsShared("imagenet/photos"),
  async () => {
    const script = join(root, "dist", "bench", "eight-bits.js");
    const ran = await runNode([script, sharedData("imagenet/photos"), "se-resnet-50", "--photos", "8"]);
    assert.equal(ran.code, 0, ran.stderr);
    const [{ answers, right, int8 }] = JSON.parse(ran.stdout.trimEnd().split("\n").at(-1)!).results;
    assert.equal(answers, 8, "each photograph is somebody's answer");
    assert.ok(right >= 0.9, `${right} right in float32`);
    assert.ok(int8.kept >= 0.95 && int8.right >= right - 0.05, JSON.stringify(int8));
  },
);
