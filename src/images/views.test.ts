import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { golden } from "../../tests/support.ts";
import { SenetError } from "../errors.ts";
import { decodePicture } from "./decode.node.ts";
import { imagenetPreprocessing, type Preprocessing, preprocess } from "./preprocess.ts";
import type { Interpolation } from "./resize.ts";
import { checkViews, preprocessViews, type Views, viewCounts, viewsOf } from "./views.ts";

/** The left and upper edge of each view, in the picture's own columns. */
const places = (width: number, height: number, crop: number, views: Views) =>
  viewsOf(width, height, crop, views).map(({ columns, rows, mirror }) => [columns.from, rows.from, mirror]);

test("ten crops lie where torchvision's TenCrop puts them", () => {
  // 341 − 224 = 117, 256 − 224 = 32: the centre is at 58 (58.5 to even) and 16; in the mirror image 58 again, from the
  // other side, which is 59 from this one.
  assert.deepEqual(places(341, 256, 224, "ten-crop"), [
    [0, 0, false],
    [117, 0, false],
    [0, 32, false],
    [117, 32, false],
    [58, 16, false],
    [117, 0, true],
    [0, 0, true],
    [117, 32, true],
    [0, 32, true],
    [59, 16, true],
  ]);
  assert.deepEqual(places(341, 256, 224, "mirror"), [
    [58, 16, false],
    [59, 16, true],
  ]);
  assert.deepEqual(places(341, 256, 224, "centre"), [[58, 16, false]]);
});

interface Golden {
  readonly file: string;
  readonly resize: number;
  readonly crop: number;
  readonly filter: Interpolation;
  readonly views: Views;
  readonly bytes: string;
}

/** Bytes as they are: (byte / 1 − 0) / 1. */
const asBytes = { channels: "rgb", scale: 1, mean: [0, 0, 0], std: [1, 1, 1] } as const;

test("views have torchvision's bytes: margins even and odd, wide and tall, none, and padded", async () => {
  const entries = JSON.parse(readFileSync(golden("views.json"), "utf8")) as Golden[];
  assert.ok(entries.some(({ views }) => views === "ten-crop") && entries.some(({ views }) => views === "mirror"));
  for (const { file, resize, crop, filter, views, bytes } of entries) {
    const spec: Preprocessing = { ...asBytes, resize, crop, interpolation: filter };
    const planes = preprocessViews(await decodePicture(golden("images", file)), spec, views);
    const pixels = crop * crop;
    assert.equal(planes.length, viewCounts[views] * 3 * pixels);
    const found = new Uint8Array(planes.length);
    for (let view = 0; view < viewCounts[views]; view++) {
      for (let i = 0; i < pixels; i++) {
        for (let c = 0; c < 3; c++) found[(view * pixels + i) * 3 + c] = planes[(view * 3 + c) * pixels + i]!;
      }
    }
    const hash = createHash("sha256").update(found).digest("hex");
    assert.equal(hash, bytes, `${file}, resize ${resize}, crop ${crop}, ${filter}, ${views}`);
  }
});

test("the single view is the centre crop that classifying uses", async () => {
  const picture = await decodePicture(golden("images", "wide.jpg"));
  const spec = { ...imagenetPreprocessing, resize: 33, crop: 28 };
  assert.deepEqual(preprocessViews(picture, spec, "centre"), preprocess(picture, spec));
  const length = 3 * 28 * 28;
  const ten = preprocessViews(picture, spec, "ten-crop");
  assert.deepEqual(ten.subarray(4 * length, 5 * length), preprocess(picture, spec));
});

test("a very long picture does not need memory for the pixels that no view has", () => {
  const thread = { width: 1, height: 60_000, data: new Uint8Array(180_000).fill(77) };
  const spec = { ...asBytes, resize: 256, crop: 224, interpolation: "bilinear" } as const;
  assert.ok(preprocessViews(thread, spec, "ten-crop").every((value) => value === 77));
});

test("ten crops of a square that overhangs the picture are refused", () => {
  const overhangs = { ...imagenetPreprocessing, resize: 224, crop: 256 };
  checkViews("mirror", overhangs);
  assert.throws(
    () => checkViews("ten-crop", overhangs),
    (error) => error instanceof SenetError && error.code === "usage" && /at most 224/.test(error.message),
  );
});
