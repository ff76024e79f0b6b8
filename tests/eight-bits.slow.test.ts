/** What eight bits cost a trained network: the one in the package, on pictures of Imagenette that it has not seen. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { load } from "../src/api/network.node.ts";
import { temporaryFolder } from "./command.ts";
import { needsShared, sharedData } from "./support.ts";

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
