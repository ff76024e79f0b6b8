/** Explanations compared with PyTorch's (golden/make_explain.py), for any executor. */

import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { Executor } from "../src/executors/executor.ts";
import { gradCam } from "../src/explain/grad-cam.ts";
import { enlarged, type Heat } from "../src/explain/heat.ts";
import { integratedGradients } from "../src/explain/integrated-gradients.ts";
import type { CreateMethod, MethodOptions } from "../src/explain/method.ts";
import { occlusion } from "../src/explain/occlusion.ts";
import { imagenetPreprocessing } from "../src/images/preprocess.ts";
import { tensor } from "../src/tensor.ts";
import type { Checkpoint } from "../src/weights/checkpoint.ts";
import { inferenceGraph, model } from "../src/zoo/index.ts";
import { formulaPictures, formulaWeights } from "./formula.ts";
import { assertSamples, type Samples } from "./samples.ts";
import { golden } from "./support.ts";

interface Golden {
  readonly model: string;
  readonly imageSize: number;
  readonly classes: number;
  readonly target: number;
  readonly gradCam: readonly { readonly stage: number; readonly heat: Samples; readonly enlarged: Samples }[];
  readonly integratedGradients: { readonly steps: number; readonly heat: Samples };
  readonly occlusion: { readonly patch: number; readonly stride: number; readonly heat: Samples };
}

const expected = JSON.parse(readFileSync(golden("explain.json"), "utf8")) as Golden[];

/** A small network with weights from the formula. */
export function formulaCheckpoint(name: string, classes: number, imageSize: number): Checkpoint {
  const network = model(name, classes);
  const weights = formulaWeights(inferenceGraph(network, { batch: 1, imageSize }));
  const labels = Array.from({ length: classes }, (_, i) => `class ${i}`);
  const preprocessing = { ...imagenetPreprocessing, resize: imageSize, crop: imageSize };
  return { model: network, weights, labels, preprocessing };
}

const assertHeat = ({ values }: Heat, expected: Samples, what: string): void =>
  assertSamples(tensor(expected.shape, values), expected, what);

/** @param part `quick`: the smallest network; `rest`: the others */
export function explainSuite(executor: Executor, part: "quick" | "rest" | "all"): void {
  const chosen = expected.filter(({ model }) => part === "all" || (model === "se-resnet-20") === (part === "quick"));
  for (const { model: name, imageSize, classes, target, ...goldens } of chosen) {
    const checkpoint = formulaCheckpoint(name, classes, imageSize);
    const heatOf = async (create: CreateMethod, options: MethodOptions): Promise<Heat> => {
      const method = await create(checkpoint, executor, options);
      try {
        return await method.heat(formulaPictures(1, imageSize, 0), target);
      } finally {
        await method.dispose();
      }
    };
    for (const { stage, heat, enlarged: large } of goldens.gradCam) {
      test(`${executor.name}: Grad-CAM of ${name} after stage ${stage} agrees with PyTorch`, async () => {
        const found = await heatOf(gradCam, { stage });
        assertHeat(found, heat, "map");
        assertHeat(enlarged(found, imageSize, imageSize), large, "enlarged map");
      });
    }
    test(`${executor.name}: integrated gradients of ${name} agree with PyTorch`, async () => {
      const { steps, heat } = goldens.integratedGradients;
      assertHeat(await heatOf(integratedGradients, { steps }), heat, "map");
    });
    test(`${executor.name}: occlusion of ${name} agrees with PyTorch`, async () => {
      const { patch, stride, heat } = goldens.occlusion;
      assertHeat(await heatOf(occlusion, { patch, stride }), heat, "map");
    });
  }
}
