/** Decoding, resizing and preparing equal Pillow's and torchvision's, by the hashes of golden/make_images.py. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { assertDecoded, type Decoded, decodedPictures, sha256 } from "../../tests/golden-pictures.ts";
import { golden, needsShared, sharedData } from "../../tests/support.ts";
import { decodePicture } from "./decode.node.ts";
import { imagenetPreprocessing, preprocess, resizeAndCrop } from "./preprocess.ts";
import { type Box, type Interpolation, type Picture, resize } from "./resize.ts";

interface Input {
  readonly file: string;
  readonly resize: number;
  readonly crop: number;
  readonly filter: Interpolation;
  readonly bytes: string;
  readonly float32: string;
}

interface Resized {
  readonly file: string;
  readonly box: Box;
  readonly size: readonly [number, number];
  readonly filter: Interpolation;
  readonly sha256: string;
}

const expected: {
  readonly resize: readonly Resized[];
  readonly input: readonly Input[];
  readonly photos: readonly (Decoded & { readonly input: readonly Input[] })[];
} = JSON.parse(readFileSync(golden("images.json"), "utf8"));

function assertInput(picture: Picture, { file, resize, crop, filter, bytes, float32 }: Input): void {
  const spec = { ...imagenetPreprocessing, resize, crop, interpolation: filter };
  const what = `${file}, resize ${resize}, crop ${crop}, ${filter}`;
  assert.equal(sha256(resizeAndCrop(picture, spec).data), bytes, `${what}: bytes`);
  assert.equal(sha256(preprocess(picture, spec)), float32, `${what}: float32`);
}

test("every kind of picture decodes to Pillow's bytes", async (t) => {
  assert.deepEqual(
    decodedPictures.map(({ file }) => file).sort(),
    readdirSync(golden("images")).sort(),
    "each picture in golden/images is listed",
  );
  for (const entry of decodedPictures) {
    await t.test(entry.file, async () => {
      assertDecoded(await decodePicture(golden("images", entry.file)), entry);
    });
  }
});

test("resizing equals Pillow's: both filters, up and down, boxes, single pixels", async () => {
  const pictures = new Map<string, Picture>();
  for (const { file } of expected.resize) pictures.set(file, await decodePicture(golden("images", file)));
  for (const { file, box, size, filter, sha256: hash } of expected.resize) {
    const result = resize(pictures.get(file)!, size[0], size[1], filter, { box });
    assert.equal(sha256(result.data), hash, `${file}, ${JSON.stringify(box)} → ${size.join("×")}, ${filter}`);
  }
});

test("the network's input equals torchvision's Resize, CenterCrop, ToTensor and Normalize", async () => {
  for (const entry of expected.input) assertInput(await decodePicture(golden("images", entry.file)), entry);
});

test("real photographs, from file to input", needsShared("imagenet", "photos"), async () => {
  for (const entry of expected.photos) {
    const picture = await decodePicture(sharedData("imagenet", "photos", entry.file));
    assertDecoded(picture, entry);
    for (const input of entry.input) assertInput(picture, input);
  }
});
