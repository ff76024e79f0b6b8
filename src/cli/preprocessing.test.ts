import assert from "node:assert/strict";
import { test } from "node:test";
import { SenetError } from "../errors.ts";
import { imagenetPreprocessing } from "../images/preprocess.ts";
import { usualCaffe } from "../import/naming-caffe.ts";
import { overruled, toldPreprocessing } from "./preprocessing.ts";

test("what options say takes the place of what the weights want, and it is told which is whose", () => {
  const options = { mean: [0.5], std: [0.1, 0.2, 0.3], interpolation: "bicubic", crop: 112 } as const;
  const spec = overruled(imagenetPreprocessing, options);
  assert.deepEqual(spec, {
    ...imagenetPreprocessing,
    ...{ mean: [0.5, 0.5, 0.5], std: [0.1, 0.2, 0.3], interpolation: "bicubic", resize: 128, crop: 112 },
  });
  assert.equal(
    toldPreprocessing(spec, "the file", options),
    "RGB 0-1, mean 0.5 0.5 0.5, deviation 0.1 0.2 0.3, bicubic 128 to 112; from the file, but for --mean, --std, " +
      "--interpolation, --crop",
  );
  assert.deepEqual(overruled(imagenetPreprocessing, {}), imagenetPreprocessing);
  assert.equal(toldPreprocessing(imagenetPreprocessing, "x", {}).split("; ")[1], "from x");
});

test("numbers of another range or count are refused", () => {
  const refused = (options: Parameters<typeof overruled>[1], words: RegExp, spec = imagenetPreprocessing) =>
    assert.throws(
      () => overruled(spec, options),
      (error) => error instanceof SenetError && error.code === "usage" && words.test(error.message),
    );
  refused({ mean: [123.675, 116.28, 103.53] }, /--mean: [\s\S]*divide them by 255/);
  refused({ std: [58.4] }, /--std: /);
  refused({ std: [0.2, 0, 0.2] }, /deviations above 0/);
  refused({ mean: [0.1, 0.2] }, /one number, or one for each channel/);
  assert.deepEqual(overruled(usualCaffe(224), { mean: [100] }).mean, [100, 100, 100]);
});
