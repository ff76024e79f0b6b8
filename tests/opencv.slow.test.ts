/** What is exported runs in another program: OpenCV (4.6 is Debian's), for any batch. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ortExecutor } from "../src/executors/ort/executor.node.ts";
import { encodeOnnx } from "../src/executors/ort/export.ts";
import { inferencePasses, runPasses } from "../src/passes/index.ts";
import { inferenceGraph, inputName, type Model, model } from "../src/zoo/index.ts";
import type { LayerConfig } from "../src/zoo/layer.ts";
import { temporaryFolder } from "./command.ts";
import { formulaPictures, formulaWeights } from "./formula.ts";
import { assertClose } from "./support.ts";

const folder = temporaryFolder();
const python = ["/usr/bin/python3", "python3"].find((path) => spawnSync(path, ["-c", "import cv2"]).status === 0);
const skip = python === undefined ? "python3 has no cv2 (apt-get install python3-opencv)" : false;

/** Runs NET.onnx on the first n of the pictures in NET.in for each n, with one net, and writes all logits in turn. */
const script = `
import sys, numpy as np, cv2
net, side, *batches = sys.argv[1:]
pictures = np.fromfile(net + ".in", np.float32).reshape(-1, 3, int(side), int(side))
network = cv2.dnn.readNetFromONNX(net + ".onnx")
outputs = []
for n in batches:
    network.setInput(np.ascontiguousarray(pictures[:int(n)]))
    outputs.append(network.forward().ravel())
np.concatenate(outputs).astype(np.float32).tofile(net + ".out")
`;

const classes = 5;

/** A network of the zoo with as few blocks as may be. */
function shallow(name: string): Model {
  const { config } = model(name);
  assert.ok(config.family === "resnet");
  return { name, config: { ...config, depths: config.depths.map(() => 1) }, classes };
}

const joined: readonly LayerConfig[] = [
  { kind: "conv", name: "c", inputs: ["image"], out: 8, kernel: 3, stride: 1, pad: 1, groups: 1, bias: true },
  { kind: "batchNorm", name: "b", inputs: ["c"], eps: 1e-3 },
  { kind: "relu", name: "r", inputs: ["b"] },
  { kind: "batchNorm", name: "alone", inputs: ["r"], eps: 1e-5 },
  // Windows that hang over the end, with padding and without, and windows over the padding.
  { kind: "maxPool", name: "m", inputs: ["alone"], kernel: 3, stride: 2, pad: 0, ceil: true },
  { kind: "avgPool", name: "a", inputs: ["alone"], kernel: 3, stride: 2, pad: 0, ceil: true },
  { kind: "avgPool", name: "p", inputs: ["alone"], kernel: 2, stride: 2, pad: 1, ceil: true },
  { kind: "conv", name: "g", inputs: ["m"], out: 8, kernel: 3, stride: 1, pad: 1, groups: 4, bias: false },
  { kind: "add", name: "s", inputs: ["g", "a", "m"] },
  { kind: "concat", name: "j", inputs: ["s", "a", "m"] },
  { kind: "globalAvgPool", name: "q", inputs: ["j"] },
  { kind: "conv", name: "q1", inputs: ["q"], out: 4, kernel: 1, stride: 1, pad: 0, groups: 1, bias: true },
  { kind: "relu", name: "q2", inputs: ["q1"] },
  { kind: "conv", name: "q3", inputs: ["q2"], out: 24, kernel: 1, stride: 1, pad: 0, groups: 1, bias: false },
  { kind: "sigmoid", name: "gate", inputs: ["q3"] },
  { kind: "seScale", name: "gated", inputs: ["gate", "j"] },
  { kind: "seScaleAdd", name: "again", inputs: ["gate", "gated", "j"] },
  { kind: "flatten", name: "f", inputs: ["again"] },
  { kind: "linear", name: "l", inputs: ["f"], out: 16, bias: false },
  { kind: "flatten", name: "pf", inputs: ["p"] },
  { kind: "linear", name: "pl", inputs: ["pf"], out: 16, bias: true },
  { kind: "add", name: "both", inputs: ["l", "pl"] },
  { kind: "linear", name: "logits", inputs: ["both"], out: classes, bias: true },
];

const networks: readonly (readonly [Model, number])[] = [
  [model("se-resnet-20", classes), 32],
  [model("resnet-18", classes), 64],
  [shallow("se-resnet-34"), 63],
  [shallow("se-resnet-50"), 64],
  [shallow("se-resnet-50-modern"), 64],
  [shallow("se-resnext-50"), 64],
  [shallow("senet-154"), 65],
  [model("bn-inception", classes), 100],
  [model("se-bn-inception", classes), 96],
  [{ name: "joined", config: { family: "layers", imageSize: 14, layers: joined }, classes }, 14],
];

for (const [network, side] of networks) {
  test(`${network.name} as ONNX in OpenCV gives our logits, for batches of one and more`, { skip }, async () => {
    const batches = [1, 3, 2];
    const graph = inferenceGraph(network, { batch: 3, imageSize: side });
    const weights = formulaWeights(graph);
    const pictures = formulaPictures(3, side, 0);
    const executable = await ortExecutor.compile(graph, weights);
    const logits = (await executable.run(new Map([[inputName, pictures]]))).get("logits")!.data;
    await executable.dispose();

    const file = join(folder, network.name);
    const program = runPasses(
      { graph: inferenceGraph(network, { batch: 1, imageSize: side }), weights },
      inferencePasses,
    );
    writeFileSync(`${file}.onnx`, encodeOnnx(program.graph, program.weights, {}));
    writeFileSync(`${file}.in`, pictures.data);
    const ran = spawnSync(python!, ["-c", script, file, String(side), ...batches.map(String)], { encoding: "utf8" });
    assert.equal(ran.status, 0, ran.stderr);
    const found = new Float32Array(new Uint8Array(readFileSync(`${file}.out`)).buffer);
    const expected = batches.flatMap((n) => [...logits.slice(0, n * classes)]);
    assertClose(found, expected, 1e-5, "logits");
  });
}
