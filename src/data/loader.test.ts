import assert from "node:assert/strict";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, type TestContext, test } from "node:test";
import sharp from "sharp";
import { golden } from "../../tests/support.ts";
import { SenetError } from "../errors.ts";
import { augment, standardTraining } from "../images/augment.ts";
import { decodePicture, openPicture } from "../images/decode.node.ts";
import { imagenetPreprocessing, type Preprocessing, preprocess } from "../images/preprocess.ts";
import { preprocessViews, viewCounts } from "../images/views.ts";
import { createRandom } from "../random.ts";
import type { Dataset, Failure } from "./dataset.ts";
import { openFolder } from "./folder.node.ts";
import { type Batch, Loader, type LoaderOptions } from "./loader.node.ts";
import { pictureMemory } from "./picture-memory.node.ts";

const cropSide = 16;
const preprocessing: Preprocessing = { ...imagenetPreprocessing, resize: 18, crop: cropSide };
const evaluation = { kind: "evaluate", preprocessing } as const;
const training = standardTraining(cropSide, imagenetPreprocessing);

const root = mkdtempSync(join(tmpdir(), "senet-loader-"));
after(() => rmSync(root, { recursive: true }));

/** Thirteen pictures in three classes, of kinds that are decoded without sharp: each thread would load it, for a tenth of a second. */
const good: Record<string, string[]> = {
  ant: ["rgb-420.jpg", "wide.jpg", "555.bmp", "palette.gif", "grey.jpg"],
  bee: ["rgb-444.jpg", "tall.jpg", "rgb.ppm", "rgba.bmp"],
  cat: ["square.jpg", "rgb-422.jpg", "grey.pgm", "exif-rotated.jpg"],
};

/** The same of all kinds. */
const various: Record<string, string[]> = {
  ant: ["rgb.png", "wide.jpg", "one-pixel.png", "palette.png", "grey.jpg"],
  bee: ["cmyk-adobe.jpg", "tall.jpg", "lossy.webp", "rgba.png"],
  cat: ["square.jpg", "rgb-progressive.jpg", "grey-16bit.png", "exif-rotated.jpg"],
};

function folder(name: string, classes: Record<string, string[]>): string {
  for (const [label, files] of Object.entries(classes)) {
    mkdirSync(join(root, name, label), { recursive: true });
    for (const file of files) cpSync(golden("images", file), join(root, name, label, file));
  }
  return join(root, name);
}

const goodFolder = openFolder(folder("good", good));

function loaderOf(t: TestContext, options: Partial<LoaderOptions> = {}): Loader {
  const loader = new Loader({
    dataset: goodFolder,
    batchSize: 4,
    transform: evaluation,
    // Each costs a fifth of a second: more where they could get in each other's way.
    workers: 1,
    cacheBytes: 0,
    ...options,
  });
  t.after(() => loader.dispose());
  return loader;
}

interface Copy {
  readonly images: Float32Array;
  readonly labels: number[];
  readonly samples: number[];
  readonly size: number;
}

const copyOf = ({ images, labels, samples, size }: Batch): Copy => ({
  images: Float32Array.from(images.data),
  labels: [...labels.data],
  samples: [...samples],
  size,
});

async function collect(loader: Loader, epoch: number, startBatch?: number): Promise<Copy[]> {
  const batches: Copy[] = [];
  for await (const batch of loader.epoch(epoch, startBatch)) batches.push(copyOf(batch));
  return batches;
}

const samplesOf = (batches: readonly Copy[]): number[] =>
  batches.flatMap(({ samples, size }) => samples.slice(0, size));

test("evaluation: the folder's order, values as from the functions themselves, the rest padded", async (t) => {
  const dataset = openFolder(folder("various", various));
  const loader = loaderOf(t, { dataset, workers: 2 });
  assert.equal(loader.batches, 4);
  const batches = await collect(loader, 0);
  assert.deepEqual(samplesOf(batches), [...dataset.samples.keys()]);
  for (const { images, labels, samples, size } of batches) {
    assert.equal(images.length, 4 * 3 * cropSide * cropSide);
    for (let row = 0; row < size; row++) {
      const { file, label } = dataset.samples[samples[row]!]!;
      assert.equal(labels[row], label);
      const values = preprocess(await decodePicture(file), preprocessing);
      assert.deepEqual(images.subarray(row * values.length, (row + 1) * values.length), values, file);
    }
  }
  const last = batches.at(-1)!;
  assert.equal(last.size, 1);
  assert.deepEqual(last.labels.slice(1), [-1, -1, -1]);
  assert.deepEqual(last.samples.slice(1), [-1, -1, -1]);
  assert.ok(last.images.subarray(3 * cropSide * cropSide).every((value) => value === 0));
  assert.deepEqual(loader.failures, []);
});

function writeAt1970(file: string, bytes: Uint8Array): void {
  writeFileSync(file, bytes);
  utimesSync(file, 1000, 1000);
}

test("large JPEGs are read at a reduced size, or exactly; with a cache, without, and in parts the same", async (t) => {
  const large = join(root, "large");
  for (const [i, name] of ["ant", "bee", "bee", "cat"].entries()) {
    mkdirSync(join(large, name), { recursive: true });
    const data = Uint8Array.from({ length: 200 * 150 * 3 }, (_, k) => (k * (i + 3)) >> 4);
    const jpeg = await sharp(data, { raw: { width: 200, height: 150, channels: 3 } })
      .jpeg()
      .toBuffer();
    writeAt1970(join(large, name, `${i}.jpg`), jpeg);
  }
  const dataset = openFolder(large);
  const transform = standardTraining(cropSide, imagenetPreprocessing, { scale: [0.25, 1] });
  const batchesOf = async (options: Partial<LoaderOptions>) => {
    const loader = loaderOf(t, { dataset, transform, seed: 3, ...options });
    return [...(await collect(loader, 0)), ...(await collect(loader, 1))];
  };
  const fast = await batchesOf({});
  assert.deepEqual(await batchesOf({ cacheBytes: 2 ** 20, workers: 2 }), fast);
  // Room for some of them.
  assert.deepEqual(await batchesOf({ cacheBytes: 2 ** 14 }), fast);

  // In a folder, for other runs too: also where the pictures themselves can no longer be decoded.
  const cacheFolder = join(root, "large-cache");
  assert.deepEqual(await batchesOf({ cacheFolder }), fast);
  const remarks: string[] = [];
  const onRemark = (remark: string) => remarks.push(remark);
  const files = dataset.samples.map(({ file }) => ({ file, bytes: readFileSync(file) }));
  for (const { file, bytes } of files) writeAt1970(file, new Uint8Array(bytes.length));
  assert.deepEqual(await batchesOf({ cacheFolder, onRemark }), fast);
  for (const { file, bytes } of files) writeAt1970(file, bytes);
  assert.deepEqual(remarks, []);

  const exact = { ...transform, decode: "exact" } as const;
  const exactly = await batchesOf({ transform: exact });
  assert.deepEqual(await batchesOf({ transform: exact, cacheBytes: 2 ** 20 }), exactly);
  for (const [batches, reduction] of [
    [fast, 4],
    [exactly, 1],
  ] as const) {
    const [first] = batches;
    const picture = await openPicture(dataset.samples[first!.samples[0]!]!.file).decode(reduction);
    assert.equal(picture.width, 200 / reduction);
    const values = new Float32Array(3 * cropSide * cropSide);
    augment(picture, transform, createRandom(3, 1, 0, 0), values);
    assert.deepEqual(first!.images.subarray(0, values.length), values);
  }
});

test("what a run has found in the folder is not looked for again, and is decoded where it is there no longer", async (t) => {
  const own = folder("kept", good);
  const dataset = openFolder(own);
  const options = { dataset, transform: training, seed: 7 };
  const plain = loaderOf(t, options);
  const cacheFolder = join(root, "kept-cache");
  const loader = loaderOf(t, { ...options, cacheFolder });
  const isAsWithout = async (epoch: number) =>
    assert.deepEqual(await collect(loader, epoch), await collect(plain, epoch), `epoch ${epoch}`);
  await isAsWithout(0);
  const expected = await collect(plain, 1);
  renameSync(own, `${own}-away`);
  assert.deepEqual(await collect(loader, 1), expected, "without the pictures' files");
  renameSync(`${own}-away`, own);
  for (const name of readdirSync(cacheFolder, { recursive: true, encoding: "utf8" })) {
    if (statSync(join(cacheFolder, name)).isFile()) truncateSync(join(cacheFolder, name), 14);
  }
  await isAsWithout(2);
  rmSync(cacheFolder, { recursive: true });
  await isAsWithout(3);
  assert.equal(readdirSync(cacheFolder, { recursive: true }).length > dataset.samples.length, true, "kept again");
  assert.deepEqual(loader.failures, []);
});

test("training: each picture once an epoch, augmented by seed, epoch and position", async (t) => {
  const loader = loaderOf(t, { transform: training, seed: 7 });
  const epochs = [await collect(loader, 0), await collect(loader, 1)];
  for (const batches of epochs) {
    assert.deepEqual(
      samplesOf(batches).sort((a, b) => a - b),
      [...goodFolder.samples.keys()],
    );
  }
  assert.notDeepEqual(samplesOf(epochs[0]!), samplesOf(epochs[1]!));

  const order = createRandom(7, 0, 1).shuffled(goodFolder.samples.length);
  for (const [position, sample] of order.entries()) {
    const batch = epochs[1]![Math.floor(position / 4)]!;
    const row = position % 4;
    assert.equal(batch.samples[row], sample);
    const values = new Float32Array(3 * cropSide * cropSide);
    const picture = await decodePicture(goodFolder.samples[sample]!.file);
    augment(picture, training, createRandom(7, 1, 1, position), values);
    assert.deepEqual(batch.images.subarray(row * values.length, (row + 1) * values.length), values);
  }
});

test("batches do not depend on workers, prefetch or cache, nor on where the run was resumed", async (t) => {
  const options = { transform: training, seed: 3, dropLast: true };
  const reference = loaderOf(t, { ...options, prefetch: 1 });
  assert.equal(reference.batches, 3);
  const expected = [await collect(reference, 0), await collect(reference, 5)];
  assert.ok(expected[0]!.every(({ size }) => size === 4));
  const variants = [
    // Room for some of the pictures only.
    { workers: 3, prefetch: 2, cacheBytes: 2 ** 15 },
    { workers: 2, prefetch: 5, cacheBytes: 2 ** 22 },
  ];
  for (const variant of variants) {
    const loader = loaderOf(t, { ...options, ...variant });
    assert.deepEqual(await collect(loader, 0), expected[0]);
    // Again, out of the cache.
    assert.deepEqual(await collect(loader, 0), expected[0]);
    assert.deepEqual(await collect(loader, 5, 1), expected[1]!.slice(1));
    assert.deepEqual(await collect(loader, 5, 3), []);
  }
});

test("repeated augmentation: fewer pictures, each several times in a row, each time another", async (t) => {
  const loader = loaderOf(t, { transform: training, seed: 7, repeats: 3 });
  const batches = await collect(loader, 1);
  const shuffled = [...createRandom(7, 0, 1).shuffled(goodFolder.samples.length)];
  assert.deepEqual(
    samplesOf(batches),
    [...goodFolder.samples.keys()].map((i) => shuffled[Math.floor(i / 3)]),
  );
  const [{ images, samples }] = batches as [Copy];
  assert.equal(samples[0], samples[1]);
  const length = 3 * cropSide * cropSide;
  assert.notDeepEqual(images.subarray(0, length), images.subarray(length, 2 * length));
});

test("progressive sizes: each epoch's batches have its size, wherever it begins", async (t) => {
  const sizes = [
    { epoch: 0, size: 8 },
    { epoch: 2, size: 12 },
    { epoch: 3, size: cropSide },
  ];
  const exact = { ...training, sizes, decode: "exact" } as const;
  const loader = loaderOf(t, { transform: exact, seed: 7, cacheBytes: 2 ** 22 });
  for (const [epoch, size] of [
    [0, 8],
    [1, 8],
    [3, cropSide],
    [9, cropSide],
    [2, 12],
  ] as const) {
    const length = 3 * size * size;
    for await (const batch of loader.epoch(epoch)) assert.deepEqual(batch.images.shape, [4, 3, size, size]);
    const [first, second] = await collect(loader, epoch);
    assert.equal(first!.images.length, 4 * length);
    const { file } = goodFolder.samples[second!.samples[1]!]!;
    const values = new Float32Array(length);
    augment(await decodePicture(file), { ...training, size }, createRandom(7, 1, epoch, 5), values);
    assert.deepEqual(second!.images.subarray(length, 2 * length), values, `epoch ${epoch}`);
  }
  // What is decoded at less than its size is so for the largest: what one epoch keeps serves the next.
  const fast = { transform: { ...training, sizes }, seed: 7 };
  const [kept, anew] = [loaderOf(t, { ...fast, cacheBytes: 2 ** 22 }), loaderOf(t, fast)];
  await collect(kept, 0);
  assert.deepEqual(await collect(kept, 3), await collect(anew, 3));
  for (const [wrong, field] of [
    [[{ epoch: 1, size: 8 }], "sizes.0"],
    [
      [
        { epoch: 0, size: 8 },
        { epoch: 0, size: 9 },
      ],
      "sizes.1",
    ],
    [[{ epoch: 0, size: cropSide + 1 }], "sizes.0"],
  ] as const) {
    assert.throws(
      () => loaderOf(t, { transform: { ...training, sizes: wrong }, seed: 7 }),
      (error) => error instanceof SenetError && error.details.where === field,
    );
  }
});

test("cached pictures are not read again", async (t) => {
  const dataset = openFolder(folder("vanishing", good));
  const cached = loaderOf(t, { dataset, cacheBytes: 2 ** 22 });
  const expected = await collect(cached, 0);
  for (const { file } of dataset.samples) rmSync(file);
  assert.deepEqual(await collect(cached, 1), expected);
  assert.deepEqual(cached.failures, []);
});

test("an epoch that is left early leaves no trace in the next", async (t) => {
  const loader = loaderOf(t, { transform: training, seed: 1, prefetch: 2, workers: 2 });
  const expected = await collect(loader, 2);
  for await (const batch of loader.epoch(0)) {
    assert.equal(batch.size, 4);
    break;
  }
  assert.deepEqual(await collect(loader, 2), expected);
  const first = loader.epoch(0);
  await first.next();
  assert.deepEqual(await collect(loader, 2), expected);
  await assert.rejects(first.next(), /another epoch of this loader has been started/);
  // Also where the first epoch waits while the second begins.
  const early = loader.epoch(0);
  const pending = assert.rejects(early.next(), /another epoch of this loader has been started/);
  assert.deepEqual(await collect(loader, 2), expected);
  await pending;
  // Neither asked for nor left: nothing has begun.
  loader.epoch(0);
  assert.deepEqual(await collect(loader, 2), expected);
});

test("workers run ahead while the main thread is deaf, but no further than prefetch", async (t) => {
  // The ninth picture is bad: when it is met, it is reported.
  const dataset = withFiles("ahead", 8, [["broken.jpg", new Uint8Array()]]);
  const loader = loaderOf(t, { dataset, batchSize: 1, prefetch: 3, workers: 2 });
  const epoch = loader.epoch(0);
  await epoch.next();

  // Deaf: not a turn of the event loop. Then a while more, in which the workers could run too far.
  const cell = new Int32Array(new SharedArrayBuffer(4));
  const start = performance.now();
  while (loader.ready < 3 && performance.now() - start < 60_000) Atomics.wait(cell, 0, 0, 5);
  assert.equal(loader.ready, 3);
  Atomics.wait(cell, 0, 0, 100);
  assert.equal(loader.ready, 3);
  let turned = false;
  setImmediate(() => {
    turned = true;
  });
  for (let batch = 1; batch <= 3; batch++) {
    const { value } = await epoch.next();
    assert.ok(value !== undefined && value.samples[0] === batch);
  }
  assert.ok(!turned, "three batches were ready without a turn of the event loop");
  assert.deepEqual(loader.failures, [], "the ninth picture was out of reach");
  for (let batch = 4; batch <= 7; batch++) await epoch.next();
  assert.equal((await epoch.next()).done, true);
  assert.equal(loader.failures.length, 1);
});

/** `count` good pictures of class 0 or 1, then these files. */
function withFiles(name: string, count: number, files: [string, Uint8Array][]): Dataset {
  const dir = join(root, name);
  mkdirSync(dir, { recursive: true });
  const samples = Array.from({ length: count }, (_, i) => {
    const file = join(dir, `good-${i}.jpg`);
    cpSync(golden("images", i % 2 === 0 ? "square.jpg" : "rgb-444.jpg"), file);
    return { file, label: i % 2 };
  });
  for (const [i, [file, bytes]] of files.entries()) {
    writeFileSync(join(dir, file), bytes);
    samples.push({ file: join(dir, file), label: i % 2 });
  }
  return { root: dir, classes: ["even", "odd"], samples };
}

function badFiles(): [string, Uint8Array][] {
  const jpeg = new Uint8Array(readFileSync(golden("images", "rgb-420.jpg")));
  const corrupt = new Uint8Array(readFileSync(golden("images", "rgb.png")));
  corrupt.fill(0, 1000, 1100);
  return [
    ["empty.jpg", new Uint8Array()],
    ["text.jpg", new TextEncoder().encode("this is no picture")],
    ["truncated.jpg", jpeg.subarray(0, jpeg.length / 2)],
    ["corrupt.png", corrupt],
  ];
}

test("evaluation leaves bad pictures out, and names each once", async (t) => {
  const dataset = withFiles("bad-evaluation", 7, badFiles());
  const met: Failure[] = [];
  const loader = loaderOf(t, { dataset, batchSize: 3, workers: 2, onFailure: (failure) => met.push(failure) });
  for (let epoch = 0; epoch < 2; epoch++) {
    const batches = await collect(loader, epoch);
    assert.deepEqual(samplesOf(batches), [0, 1, 2, 3, 4, 5, 6]);
    // The fourth batch would have had two bad pictures only, and is not given at all.
    assert.deepEqual(
      batches.map(({ size }) => size),
      [3, 3, 1],
    );
    for (const { labels, samples, size } of batches) {
      for (let row = 0; row < size; row++) assert.equal(labels[row], samples[row]! % 2);
    }
  }
  const reasons = Object.fromEntries(
    loader.failures.map(({ file, reason }) => [file.slice(dataset.root.length + 1), reason]),
  );
  assert.equal(loader.failures.length, 4);
  assert.deepEqual(met, loader.failures);
  assert.match(reasons["empty.jpg"]!, /^the picture file is empty \(0 bytes\)$/);
  assert.match(reasons["text.jpg"]!, /^this is not a picture of a supported kind \(.*\) \(18 bytes/);
  assert.match(reasons["truncated.jpg"]!, /^the JPEG picture is truncated/);
  assert.match(reasons["corrupt.png"]!, /^the PNG picture is corrupt/);
});

test("training replaces bad pictures by others of the epoch, the same on every run", async (t) => {
  const dataset = withFiles("bad-training", 6, badFiles());
  const options = { dataset, transform: training, seed: 5, batchSize: 5 };
  const expected = await collect(loaderOf(t, options), 0);
  assert.deepEqual(
    expected.map(({ size }) => size),
    [5, 5],
  );
  const counts = new Map<number, number>();
  for (const sample of samplesOf(expected)) counts.set(sample, (counts.get(sample) ?? 0) + 1);
  assert.deepEqual([...counts.keys()].sort(), [0, 1, 2, 3, 4, 5], "each good picture, and no bad one");

  const other = loaderOf(t, { ...options, workers: 2, cacheBytes: 2 ** 22 });
  assert.deepEqual(await collect(other, 0), expected);
  assert.deepEqual(await collect(other, 0), expected);
  assert.equal(other.failures.length, 4);
  // A replacement is not shown as it is shown in its own place.
  const samples = expected.flatMap((batch) => batch.samples);
  const twice = [...counts].find(([, count]) => count > 1)![0];
  const rows = samples.flatMap((sample, row) => (sample === twice ? [row] : []));
  const row = (i: number) =>
    expected[Math.floor(i / 5)]!.images.subarray(
      (i % 5) * 3 * cropSide * cropSide,
      ((i % 5) + 1) * 3 * cropSide * cropSide,
    );
  assert.notDeepEqual(row(rows[0]!), row(rows[1]!));
});

test("when all pictures of a class are bad, the epoch ends with an error", async (t) => {
  const dataset = withFiles("dead-class", 6, badFiles());
  const dead = {
    ...dataset,
    classes: ["even", "odd", "bad"],
    samples: dataset.samples.map(({ file, label }, i) => ({ file, label: i < 6 ? label : 2 })),
  };
  for (const options of [{ transform: evaluation }, { transform: training, seed: 1 }]) {
    const loader = loaderOf(t, { dataset: dead, batchSize: 2, ...options });
    await assert.rejects(collect(loader, 0), (error) => {
      assert.ok(error instanceof SenetError && error.code === "data");
      assert.match(error.message, /no picture of the class "bad" can be decoded/);
      assert.match(error.message, /4 bad pictures, the last .*\(/);
      return true;
    });
  }
});

test("a tolerant loader goes on when all pictures of a class are bad, and when all are", async (t) => {
  const dataset = withFiles("tolerant", 3, badFiles());
  const classes = ["even", "odd", "bad"];
  const samples = dataset.samples.map(({ file, label }, i) => ({ file, label: i < 3 ? label : 2 }));
  const loader = loaderOf(t, { dataset: { ...dataset, classes, samples }, tolerant: true });
  assert.deepEqual(samplesOf(await collect(loader, 0)), [0, 1, 2]);
  assert.equal(loader.failures.length, 4);
  const hopeless = loaderOf(t, { dataset: { ...dataset, samples: dataset.samples.slice(3) }, tolerant: true });
  assert.deepEqual(await collect(hopeless, 0), []);
});

test("a prepared epoch is read ahead into the memory, as far as there is room, and has the same batches", async (t) => {
  const options = { batchSize: 2, prefetch: 1, transform: { ...training, decode: "exact" }, seed: 3 } as const;
  // Another epoch than was prepared.
  const plain = loaderOf(t, options);
  plain.prepare(0);
  const expected = await collect(plain, 1, 2);
  const blocksOf = async (samples: Dataset["samples"]): Promise<number> => {
    const pictures = await Promise.all(samples.map(({ file }) => decodePicture(file)));
    return pictures.reduce((sum, { data }) => sum + Math.ceil(data.length / 64), 0);
  };
  // From batch 2 on nine pictures are wanted of thirteen.
  const wanted = expected.flatMap(({ samples, size }) => samples.slice(0, size));
  const blocks = await blocksOf(wanted.map((sample) => goodFolder.samples[sample]!));

  const memory = pictureMemory(2 ** 24);
  const loader = loaderOf(t, { ...options, memory });
  loader.prepare(1, 2);
  while (Atomics.load(memory.used, 0) < blocks) await new Promise((resolve) => setTimeout(resolve, 2));
  assert.deepEqual(await collect(loader, 1, 2), expected);
  assert.equal(memory.used[0], blocks, "nothing was decoded twice");
  assert.deepEqual(await collect(loader, 1, 2), expected, "and again, without being prepared");

  const small = { ...pictureMemory(2 ** 24), cache: new SharedArrayBuffer(32 * blocks) };
  const tight = loaderOf(t, { ...options, memory: small });
  tight.prepare(1, 2);
  assert.deepEqual(await collect(tight, 1, 2), expected);
  assert.ok(small.used[0]! > 0 && small.used[0]! <= blocks / 2);
});

test("a bad picture that is met while reading ahead is named once, and replaced as ever", async (t) => {
  const path = folder("ahead", good);
  for (const file of ["ant/wide.jpg", "cat/square.jpg"])
    writeFileSync(join(path, file), readFileSync(join(path, file)).subarray(0, 700));
  const dataset = openFolder(path);
  const options = { dataset, batchSize: 2, prefetch: 1, transform: training, seed: 5 };
  const plain = loaderOf(t, options);
  const expected = await collect(plain, 0);
  const told: Failure[] = [];
  const memory = pictureMemory(2 ** 24);
  const loader = loaderOf(t, { ...options, memory, onFailure: (failure) => told.push(failure) });
  loader.prepare(0);
  assert.deepEqual(await collect(loader, 0), expected);
  const names = (failures: readonly Failure[]) => failures.map(({ file }) => file).sort();
  assert.equal(told.length, 2);
  assert.deepEqual(names(told), names(plain.failures));
});

test("two loaders share one cache, and pictures at work wait for room", async (t) => {
  const dataset = openFolder(folder("shared", good));
  const options = { dataset, transform: training, seed: 2, workers: 2 };
  const expected = await collect(loaderOf(t, options), 0);
  // Room for most pictures of one loader, and for none to be decoded beside another.
  const memory = { ...pictureMemory(2 ** 20), decodingBytes: 1024 };
  const [one, two] = [loaderOf(t, { ...options, memory }), loaderOf(t, { ...options, memory })];
  const found = await Promise.all([collect(one, 0), collect(two, 0)]);
  assert.deepEqual(found, [expected, expected]);
  const bytes = memory.used[0]! * 64;
  assert.ok(bytes > 2 ** 16 && bytes <= memory.cache.byteLength, `${bytes}`);
  assert.deepEqual(await collect(one, 0), expected);
});

test("batches that no memory holds are refused with what would fit", () => {
  const options: LoaderOptions = { dataset: goodFolder, batchSize: 2 ** 30, transform: evaluation };
  assert.throws(
    () => new Loader(options),
    (error) => {
      assert.ok(error instanceof SenetError && error.code === "usage");
      assert.match(error.message, /^`batchSize`: the batches are too large for the memory that is left/);
      assert.match(error.message, /12288\.0 GiB for batches of 1073741824 pictures/);
      return /try: +`batchSize` \d+, or smaller pictures/.test(error.message);
    },
  );
});

test("evaluation gives all views of a picture, one after the other", async (t) => {
  for (const views of ["mirror", "ten-crop"] as const) {
    const transform = { ...evaluation, views };
    const loader = loaderOf(t, { transform, batchSize: 3 });
    const length = viewCounts[views] * 3 * cropSide * cropSide;
    assert.equal(loader.views, viewCounts[views]);
    const batches = await collect(loader, 0);
    assert.deepEqual(samplesOf(batches), [...goodFolder.samples.keys()]);
    for (const { images, samples, size } of batches) {
      assert.equal(images.length, 3 * length);
      for (let row = 0; row < size; row++) {
        const picture = await decodePicture(goodFolder.samples[samples[row]!]!.file);
        assert.deepEqual(
          images.subarray(row * length, (row + 1) * length),
          preprocessViews(picture, preprocessing, views),
        );
      }
      assert.ok(images.subarray(size * length).every((value) => value === 0));
    }
  }
});

test("a disposed loader refuses, also while it is waited for", async () => {
  const loader = new Loader({ dataset: goodFolder, batchSize: 4, transform: evaluation, workers: 1 });
  const waiting = assert.rejects(collect(loader, 0), /the loader has been disposed/);
  await loader.dispose();
  await waiting;
  await assert.rejects(collect(loader, 0), /the loader has been disposed/);
  await loader.dispose();

  const used = new Loader({ dataset: goodFolder, batchSize: 4, transform: evaluation, workers: 1 });
  for await (const batch of used.epoch(0)) {
    assert.equal(batch.size, 4);
    await used.dispose();
    break;
  }
});

test("options out of their range are refused by name", () => {
  const options: LoaderOptions = { dataset: goodFolder, batchSize: 4, transform: evaluation };
  const bad: [Partial<LoaderOptions>, string][] = [
    [{ batchSize: 0 }, "batchSize"],
    [{ workers: 1.5 }, "workers"],
    [{ prefetch: 0 }, "prefetch"],
    [{ cacheBytes: -1 }, "cacheBytes"],
    [{ seed: -1 }, "seed"],
    [{ transform: training }, "seed"],
    [{ transform: { kind: "evaluate", preprocessing: { ...preprocessing, crop: 0 } } }, "crop"],
    [{ transform: { kind: "evaluate", preprocessing: { ...preprocessing, crop: 20 }, views: "ten-crop" } }, "crop"],
  ];
  for (const [change, where] of bad) {
    assert.throws(
      () => new Loader({ ...options, ...change }),
      (error) => error instanceof SenetError && error.code === "usage" && error.details.where === where,
      where,
    );
  }
});
