import assert from "node:assert/strict";
import { test } from "node:test";
import { SenetError } from "../../errors.ts";
import { trainingConfig } from "../../train/config.ts";
import { preprocessingOf, trainingTransformOf } from "../../train/pictures.ts";
import { augmentationOf, sizesOf } from "./config.ts";

const stepsOf = (given: object) => augmentationOf(trainingConfig(given));

test("by default a random crop and a mirror; each option adds its step, in an order that works", () => {
  const crop = {
    kind: "crop",
    scale: [0.25, 1],
    ratio: [3 / 4, 4 / 3],
    ratioLaw: "logarithmic",
    rotate: 0,
    mirror: 0.5,
    interpolation: "bilinear",
  };
  assert.deepEqual(stepsOf({}), [crop]);
  assert.deepEqual(stepsOf({ mirror: false, rotate: 10, cropScale: 0.08, interpolation: "bicubic" }), [
    { ...crop, scale: [0.08, 1], rotate: 10, mirror: 0, interpolation: "bicubic" },
  ]);
  const all = { reprob: 0.25, remode: "rand", recount: 2, cutout: 8, pixelJitter: 20 };
  const [, jitter, cutout, erase] = stepsOf(all);
  assert.deepEqual(jitter, { kind: "pixelJitter", amplitude: 20 });
  assert.deepEqual(cutout, { kind: "cutout", side: 8, probability: 1 });
  assert.ok(erase?.kind === "erase" && erase.probability === 0.25 && erase.mode === "rand" && erase.count === 2);
});

test("a padded crop stands instead of the random one, RandAugment instead of jitter, as in timm", () => {
  const [padded, jitter, lighting] = stepsOf({ pad: 4, padFill: "reflect", colorJitter: [0.4], lighting: 0.1 });
  assert.deepEqual(padded, { kind: "padCrop", pad: 4, fill: "reflect", mirror: 0.5, interpolation: "bilinear" });
  assert.deepEqual(jitter, { kind: "colorJitter", brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0 });
  assert.ok(lighting?.kind === "photometric" && lighting.lighting === 0.1);
  const [grey] = stepsOf({ pad: 4, padFill: "127,127,0" });
  assert.ok(grey?.kind === "padCrop");
  assert.deepEqual(grey.fill, [127, 127, 0]);
  const [, each] = stepsOf({ colorJitter: [0.1, 0.2, 0.3, 0.5] });
  assert.deepEqual(each, { kind: "colorJitter", brightness: 0.1, contrast: 0.2, saturation: 0.3, hue: 0.5 });
  assert.equal(stepsOf({ colorJitter: [0] }).length, 1);
  const [crop, rand, ...others] = stepsOf({ aa: "rand-m7-inc1", colorJitter: [0.4] });
  assert.ok(crop?.kind === "crop" && rand?.kind === "randAugment" && rand.magnitude === 7 && rand.increasing);
  assert.equal(others.length, 0);
  for (const [given, words] of [
    [{ aa: "rand-q3" }, /aa: expected RandAugment as in timm/],
    [{ colorJitter: [0.4, 0.4, 0.4, 0.6] }, /colorJitter: expected hue of at most 0\.5/],
    [{ padFill: "edge" }, /padFill: expected zero, reflect or R,G,B, found "edge"/],
    [{ padFill: "1,2,300" }, /padFill/],
  ] as const) {
    assert.throws(() => trainingConfig(given), words);
  }
});

test("steps may be given themselves; what is missing in them is as usual", () => {
  const [crop, erase, ...others] = stepsOf({ augmentation: [{ kind: "crop", rotate: 5 }, { kind: "erase" }] });
  assert.ok(crop?.kind === "crop" && crop.rotate === 5 && crop.mirror === 0.5);
  assert.ok(erase?.kind === "erase" && erase.mode === "pixel");
  assert.equal(others.length, 0);
});

test("steps that cannot be used are refused, by place", () => {
  for (const [augmentation, words] of [
    [[{ kind: "erase" }], /augmentation: expected first a step that places: crop/],
    [[{ kind: "crop" }, { kind: "erase" }, { kind: "cutout", side: 2 }], /augmentation: expected cutout before erase/],
    [[{ kind: "crop", rotate: 50 }], /augmentation\.0\.rotate: expected at most 45, found 50/],
    [[{ kind: "crop", scale: [0.5, 0.2] }], /augmentation\.0\.scale: expected two numbers .*the smaller first/],
    [[{ kind: "crop" }, { kind: "crops" }], /augmentation\.1\.kind/],
  ] as const) {
    assert.throws(
      () => trainingConfig({ augmentation }),
      (error) => error instanceof SenetError && words.test(error.message),
    );
  }
});

test("steps and options that stand for steps exclude each other", () => {
  const given = trainingConfig({ augmentation: [{ kind: "crop" }], mirror: false, reprob: 0.1 });
  assert.throws(
    () => augmentationOf(given),
    (error) => error instanceof SenetError && error.code === "usage" && `${error.details.found}` === "mirror,reprob",
  );
});

test("sizes by epoch begin at 0 and come in order", () => {
  assert.deepEqual(sizesOf("96:0,112:3,128:5"), [
    { size: 96, epoch: 0 },
    { size: 112, epoch: 3 },
    { size: 128, epoch: 5 },
  ]);
  for (const progressive of ["", "96", "96:1", "96:0,112:0", "96:0,112:3,", "0:0", "96:0 112:3"]) {
    assert.throws(() => trainingConfig({ progressive }), /progressive: expected SIZE:EPOCH,SIZE:EPOCH/, progressive);
  }
});

test("pictures that are normalised each by itself are so in training and afterwards", () => {
  const config = trainingConfig({ byPicture: 10, imageSize: 32 });
  const preprocessing = preprocessingOf(config);
  assert.deepEqual([preprocessing.byPicture, preprocessing.scale], [10, 1]);
  assert.equal(trainingTransformOf(config).normalization.byPicture, 10);
  assert.equal(preprocessingOf(trainingConfig({ imageSize: 32 })).byPicture, undefined);
});
