/** `senet export`: the ONNX file that it writes, read and run by ONNX Runtime itself. */

import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { referenceExecutor } from "../src/executors/reference/reference.ts";
import { parseOnnxInitialisers } from "../src/formats/onnx-initialisers.ts";
import { imagenetPreprocessing } from "../src/images/preprocess.ts";
import { encodeCheckpoint } from "../src/weights/checkpoint-write.ts";
import { inferenceGraph, inputName, model } from "../src/zoo/index.ts";
import { senet, temporaryFolder } from "./command.ts";
import { formulaPictures, formulaWeights } from "./formula.ts";
import { assertClose } from "./support.ts";

const folder = temporaryFolder();

for (const name of ["se-resnet-20", "se-bn-inception"]) {
  test(`${name} as ONNX gives the source's logits for any batch, and says what its outputs mean`, async () => {
    const imageSize = 64;
    const network = model(name, 3);
    const batch = 3;
    const graph = inferenceGraph(network, { batch, imageSize });
    const weights = formulaWeights(graph);
    const preprocessing = { ...imagenetPreprocessing, resize: 72, crop: imageSize };
    const labels = ["cat", "dog", "newt"];
    const file = join(folder, `${name}.safetensors`);
    const out = join(folder, `${name}.onnx`);
    writeFileSync(file, Buffer.concat(encodeCheckpoint({ model: network, labels, preprocessing, weights })));
    const { code, stdout, stderr } = await senet(["export", "--weights", file, "--out", out]);
    assert.equal(code, 0, stderr);
    assert.match(stdout, new RegExp(`${name}, \\d+ bytes; logits differ by `));

    const bytes = new Uint8Array(readFileSync(out));
    const { metadata, tensors } = parseOnnxInitialisers(bytes, out);
    assert.deepEqual(JSON.parse(metadata.get("labels")!), labels);
    assert.deepEqual(JSON.parse(metadata.get("preprocessing")!), preprocessing);
    assert.equal(JSON.parse(metadata.get("model")!).name, name);
    // Batch norm is in the convolutions.
    assert.ok(![...tensors.keys()].some((tensor) => tensor.endsWith("running_var")), [...tensors.keys()].join());

    const image = formulaPictures(batch, imageSize, 0);
    const executable = await referenceExecutor.compile(graph, weights);
    const expected = (await executable.run(new Map([[inputName, image]]))).get("logits")!;
    const session = await InferenceSession.create(bytes, { logSeverityLevel: 3 });
    assert.deepEqual(session.outputNames, ["logits"]);
    const feed = new OrtTensor("float32", image.data as Float32Array, image.shape);
    const { logits } = await session.run({ [inputName]: feed });
    assert.deepEqual(logits!.dims, [batch, 3]);
    assertClose(logits!.data as Float32Array, expected.data, 1e-4, "logits");
    await session.release();
    await executable.dispose();
  });
}

test("a file that is no checkpoint is refused, and nothing is written", async () => {
  const file = join(folder, "text.safetensors");
  const out = join(folder, "none.onnx");
  writeFileSync(file, "not weights");
  const { code, stderr } = await senet(["export", "--weights", file, "--out", out]);
  assert.equal(code, 1);
  assert.match(stderr, /text\.safetensors/);
  assert.ok(!existsSync(out));
});
