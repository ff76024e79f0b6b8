import assert from "node:assert/strict";
import { test } from "node:test";
import { hard } from "../../tests/augment.ts";
import { imagenetPreprocessing, normalize, seenAs } from "./preprocess.ts";
import { asGrey } from "./preprocessing-facts.ts";
import { shownInput } from "./shown.ts";

const square = { width: 24, height: 24, data: hard.data.subarray(0, 3 * 24 * 24) };

test("what is shown of an input is the picture that it was made of", () => {
  const caffe = { channels: "bgr", scale: 1, mean: [104, 117, 123], std: [1, 1, 1] } as const;
  for (const normalization of [imagenetPreprocessing, caffe, asGrey(imagenetPreprocessing)]) {
    const into = new Float32Array(3 * 24 * 24);
    normalize(seenAs(square, normalization), normalization, into);
    assert.deepEqual(shownInput(into, 24, normalization).data, seenAs(square, normalization).data);
  }
});

test("values beyond a byte are shown as black and white", () => {
  const { data } = shownInput(Float32Array.of(-9, 9, 0), 1, imagenetPreprocessing);
  assert.deepEqual([...data], [0, 255, Math.round(255 * 0.406)]);
});
