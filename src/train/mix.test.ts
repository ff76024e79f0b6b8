import assert from "node:assert/strict";
import { test } from "node:test";
import { assertSpread, floatsOf, recorded } from "../../tests/augment.ts";
import { assertClose } from "../../tests/support.ts";
import { createRandom } from "../random.ts";
import { tensor } from "../tensor.ts";
import { trainingConfig } from "./config.ts";
import { beta, drawMix, isMixed, type Mix, mixed, mixImages, mixTargets } from "./mix.ts";

test("batches and targets are mixed as PyTorch mixes them", () => {
  assert.equal(recorded.mixtures.length, 3);
  for (const { shape, images, labels, classes, smoothing, share, box, mixed: expected, targets } of recorded.mixtures) {
    const mix: Mix = box === null ? { share } : { share, box };
    const batch = tensor(shape, floatsOf(images));
    mixImages(batch, mix);
    assert.deepEqual(batch.data, floatsOf(expected), "to the last bit");
    const given = tensor([labels.length], Int32Array.from(labels));
    const found = mixTargets(given, classes, smoothing, mix);
    assert.deepEqual(found.shape, [labels.length, classes]);
    assertClose(found.data, floatsOf(targets), 1e-6, "targets");
  }
});

test("shares follow the beta distribution: mean ½, variance 1 / (8α + 4)", () => {
  for (const alpha of [0.2, 0.8, 1, 4]) {
    const shares = Array.from({ length: 20_000 }, (_, i) => beta(alpha, createRandom(5, i)));
    assert.ok(shares.every((share) => share >= 0 && share <= 1));
    assertSpread(shares, [0.5, Math.sqrt(1 / (8 * alpha + 4))], `α ${alpha}`, false);
    if (alpha !== 1) continue;
    // Uniform: tenths of them are equally many.
    const tenths = new Int32Array(10);
    for (const share of shares) tenths[Math.min(9, Math.floor(10 * share))]!++;
    assert.ok(
      tenths.every((count) => Math.abs(count - 2000) < 5 * Math.sqrt(1800)),
      tenths.join(" "),
    );
  }
  assert.ok(
    Array.from({ length: 100 }, (_, i) => beta(1e-6, createRandom(i))).every((share) => share === 0 || share === 1),
  );
});

test("batches are mixed as often as asked, by either kind, and a box's share is its area", () => {
  const config = { mixup: 0.2, cutmix: 1, mixupProb: 0.8, mixupSwitchProb: 0.25, mixupOffEpoch: 0 };
  const drawn = Array.from({ length: 20_000 }, (_, i) => drawMix(config, 24, createRandom(6, i)));
  const of = (part: number) => [part, Math.sqrt(part * (1 - part))] as const;
  assertSpread(
    drawn.map((mix) => Number(mix !== undefined)),
    of(0.8),
    "mixed",
    false,
  );
  assertSpread(
    drawn.map((mix) => Number(mix?.box !== undefined)),
    of(0.8 * 0.25),
    "CutMix",
    false,
  );
  for (const mix of drawn) {
    if (mix?.box === undefined) continue;
    const { left, top, width, height } = mix.box;
    assert.ok(left >= 0 && top >= 0 && left + width <= 24 && top + height <= 24);
    assert.equal(mix.share, 1 - (width * height) / 576);
  }
  const boxes = drawn.flatMap((mix) => (mix?.box === undefined ? [] : [mix.box]));
  assert.ok(boxes.some((box) => box.left === 0) && boxes.some((box) => box.left + box.width === 24));
  // One kind alone needs no switch.
  const mixupAlone = { ...config, cutmix: 0, mixupProb: 1 };
  const cutmixAlone = { ...config, mixup: 0, mixupProb: 1, mixupSwitchProb: 0 };
  for (let i = 0; i < 50; i++) {
    assert.ok(drawMix(mixupAlone, 24, createRandom(i))!.box === undefined);
    assert.ok(drawMix(cutmixAlone, 24, createRandom(i))!.box !== undefined);
  }
});

async function* batches(start: number, count = 6) {
  for (let index = start; index < count; index++) {
    const images = tensor(
      [4, 3, 2, 2],
      Float32Array.from({ length: 48 }, (_, i) => i + 48 * index),
    );
    yield { images, labels: tensor([4], Int32Array.of(0, 1, 2, 0)) };
  }
}

async function collect(
  from: AsyncIterable<{ images: { data: ArrayLike<number> }; labels: { data: ArrayLike<number> } }>,
) {
  const all: number[][] = [];
  for await (const { images, labels } of from) all.push([...Array.from(images.data), ...Array.from(labels.data)]);
  return all;
}

test("what a batch becomes is a function of seed, epoch and number: a resumed epoch goes on as it would have", async () => {
  const config = { ...trainingConfig({ mixup: 0.2, cutmix: 1, seed: 3, labelSmoothing: 0.1 }), mixupProb: 0.7 };
  const at = (epoch: number, start: number) => collect(mixed(batches(start), config, { epoch, start, classes: 3 }));
  const whole = await at(2, 0);
  assert.deepEqual(await at(2, 0), whole);
  assert.deepEqual(await at(2, 4), whole.slice(4));
  assert.notDeepEqual(await at(3, 0), whole);
  assert.notDeepEqual(whole, await collect(batches(0)));
});

test("no batch is touched where nothing is mixed, and from the last epochs on", async () => {
  const off = trainingConfig({ mixup: 0.2, mixupOffEpoch: 3 });
  assert.deepEqual(
    [0, 2, 3, 9].map((epoch) => isMixed(off, epoch)),
    [true, true, false, false],
  );
  const plain = await collect(batches(0));
  for (const [config, epoch] of [
    [off, 3],
    [trainingConfig({}), 0],
    [trainingConfig({ cutmix: 1, mixupProb: 0 }), 0],
  ] as const) {
    assert.deepEqual(await collect(mixed(batches(0), config, { epoch, start: 0, classes: 3 })), plain);
  }
});
